import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { metadataFault } from "../registry/metadata-file.ts";
import { withFolder } from "../testing/folder.ts";
import { type History, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { meta, type MetaOptions } from "./meta.ts";

async function withCommit(
  run: (
    history: History,
    ask: (options: MetaOptions) => ReturnType<typeof meta>,
    folder: string,
  ) => Promise<void>,
): Promise<void> {
  await withFolder((folder) =>
    withHistory(async (history) => {
      const about = { metrics: { azi: 71.28 }, params: { lr: 0.001 }, gpu: "A100", data: { rows: 5 } };
      const commit = await history.commit({ files: { "m.bin": "1" }, message: "train", meta: about });
      await history.point("refs/heads/main", commit);
      await history.point("refs/tags/v1.0.1", commit);
      await run(history, (options) => meta(history.repository, options, QUIET), folder);
    }),
  );
}

test("meta() gets what commit and notes say, and where it is from", async () => {
  await withCommit(async (_, ask) => {
    const keys = async (options: Partial<MetaOptions> = {}) =>
      (await ask({ action: "get", ...options })).entries.map(({ key, value, note }) => [
        key,
        value,
        note !== null,
      ]);
    expect(await keys()).toEqual([
      ["metrics.azi", 71.28, false],
      ["params.lr", 0.001, false],
      ["gpu", "A100", false],
      ["data", { rows: 5 }, false],
    ]);
    await ask({ action: "set", revision: "v1.0.1", values: { gpu: "H100", "metrics.azi": 70, site: 3 } });
    await ask({ action: "set", values: { site: 4 } });
    expect(await keys({ key: "site" })).toEqual([["site", 4, true]]);
    expect(await keys({ key: "metrics" })).toEqual([["metrics.azi", 70, true]]);
    expect(await keys({ key: "gpu" })).toEqual([["gpu", "H100", true]]);
    await expect(ask({ action: "get", key: "gpx" })).rejects.toMatchObject({
      code: "CONFIG_NOT_FOUND",
      hint: "did you mean: gpu",
    });
    await expect(ask({ action: "set", values: { "metrics.azi": "high" } })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await expect(ask({ action: "set", values: { metrics: 1 } })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await expect(ask({ action: "set" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});

test("meta() creates metadata.json, empty or of a version, and edits it", async () => {
  await withCommit(async (_, ask, folder) => {
    const file = join(folder, "metadata.json");
    const values = { "training.optimizer.name": "adam", "metrics.val.acc": 0.5, version: "v2" };
    await ask({ action: "create", file, values });
    const first: unknown = JSON.parse(await readFile(file, "utf8"));
    expect(metadataFault(first)).toBeUndefined();
    expect(first).toMatchObject({
      schema: "smc-metadata/1",
      name: "demo",
      version: "v2",
      status: "candidate",
      training: { optimizer: { name: "adam" } },
      metrics: { "val.acc": 0.5 },
    });
    await expect(ask({ action: "create", file })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await ask({ action: "edit", file, values: { status: "archived", reason: "azi low" } });
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ status: "archived", version: "v2" });
    const { document } = await ask({ action: "create", file: join(folder, "2.json"), revision: "main" });
    expect(metadataFault(document)).toBeUndefined();
    expect(document).toMatchObject({
      version: "v1.0.1",
      description: "train",
      training: { lr: 0.001 },
      data: { rows: 5 },
      metrics: { azi: 71.28 },
      extra: { gpu: "A100" },
      files: [{ path: "m.bin", sizeBytes: 1 }],
    });
  });
});

test("meta() writes nothing that is no metadata", async () => {
  await withCommit(async (_, ask, folder) => {
    const file = join(folder, "metadata.json");
    const create = (values: NonNullable<MetaOptions["values"]>) => ask({ action: "create", file, values });
    await expect(create({ status: "best" })).rejects.toThrow(/'status' is not one of/);
    await expect(create({ "metrics.a": "x" })).rejects.toThrow(/not a number/);
    await expect(create({ unknown: 1 })).rejects.toThrow(/below 'extra'/);
    await expect(create({ "name.x": 1 })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(create({ "training.__proto__.x": 1 })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(ask({ action: "edit", file, values: {} })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await writeFile(file, '{"schema": "other"}');
    await expect(ask({ action: "edit", file })).rejects.toMatchObject({ code: "FILE_MALFORMED" });
    await writeFile(file, "{");
    await expect(ask({ action: "edit", file })).rejects.toThrow(/not JSON/);
    await expect(ask({ action: "edit", file: "metadata.json" })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await expect(ask({ action: "edit" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});
