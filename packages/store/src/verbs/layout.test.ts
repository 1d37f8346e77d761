import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MARKER } from "../layout/owned-folder.ts";
import { interceptCalls } from "../fs.ts";
import { METADATA_SCHEMA, metadataFault } from "../registry/metadata-file.ts";
import { withFolder } from "../testing/folder.ts";
import { type Registry, withRegistry } from "../testing/registry.ts";
import { QUIET } from "../testing/testing.ts";
import { archive } from "./archive.ts";
import { checkout } from "./checkout.ts";
import { layout, type LayoutResult } from "./layout.ts";
import { unarchive } from "./unarchive.ts";

interface Scene extends Registry {
  readonly folder: string;
  readonly sync: (dryRun?: boolean) => Promise<LayoutResult>;
  /** `champion=written v1.0.0`, row by row. */
  readonly told: (dryRun?: boolean) => Promise<string[]>;
}

async function withScene(run: (scene: Scene) => Promise<void>): Promise<void> {
  await withFolder((parent) =>
    withRegistry(async (registry) => {
      const folder = join(parent, "models");
      const sync: Scene["sync"] = (dryRun = false) =>
        layout(registry.repository, { action: "sync", folder, dryRun }, QUIET);
      const told: Scene["told"] = async (dryRun) =>
        (await sync(dryRun)).folders.map(({ name, action, version }) => `${name}=${action} ${version}`);
      await run({ ...registry, folder, sync, told });
    }),
  );
}

function metadata(folder: string, name: string): unknown {
  return JSON.parse(readFileSync(join(folder, name, "metadata.json"), "utf8"));
}

test("layout() writes folders of the roles and the archive, and only what is not as it should be", async () => {
  await withScene(async ({ folder, told, promote, repository }) => {
    await promote("v1.0.1");
    await archive(repository, { revision: "v1.0.0", reason: "azi low" }, QUIET);
    const first = ["champion=written v1.0.1", "challenger=absent null", "archive/v1.0.0=written v1.0.0"];
    expect(await told(true)).toEqual(first);
    expect(existsSync(folder)).toBe(false);
    expect(await told()).toEqual(first);
    expect(readdirSync(folder).sort()).toEqual(["archive", "champion"]);
    expect(readFileSync(join(folder, "champion", "model.bin"), "utf8")).toBe("weights 1");
    const old = metadata(folder, "archive/v1.0.0");
    expect(old).toMatchObject({ status: "archived", reason: "azi low", metrics: { azi: 50.66 } });
    expect(metadataFault(old)).toBeUndefined();
    const before = statSync(join(folder, "champion")).ino;
    expect(await told()).toEqual(first.map((row) => row.replace("written", "unchanged")));
    expect(statSync(join(folder, "champion")).ino).toBe(before);
    await promote("v1.0.2");
    await promote("v1.0.1", { to: "challenger" });
    await unarchive(repository, { revision: "v1.0.0" }, QUIET);
    expect(await told()).toEqual([
      "champion=written v1.0.2",
      "challenger=written v1.0.1",
      "archive/v1.0.0=removed null",
    ]);
    expect(readFileSync(join(folder, "champion", "model.bin"), "utf8")).toBe("weights 2");
    expect(metadata(folder, "challenger")).toMatchObject({ status: "challenger", version: "v1.0.1" });
    expect(readdirSync(join(folder, "archive"))).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(["archive", "challenger", "champion"]);
  });
});

test("layout() refuses to lose a file that it did not write, and names it", async () => {
  await withScene(async ({ folder, sync, told, promote }) => {
    await promote("v1.0.0");
    await mkdir(join(folder, "champion"), { recursive: true });
    await writeFile(join(folder, "champion", "best.pt"), "mine");
    await expect(sync()).rejects.toMatchObject({
      code: "WOULD_OVERWRITE",
      details: { paths: [join(folder, "champion", "best.pt")], count: 1 },
    });
    expect(readdirSync(folder)).toEqual(["champion"]);
    await rm(join(folder, "champion"), { recursive: true });
    await sync();
    // A file beside ours does not matter while the folder stays as it is.
    await writeFile(join(folder, "champion", "notes.txt"), "mine");
    expect(await told()).toContain("champion=unchanged v1.0.0");
    await promote("v1.0.1");
    await expect(sync()).rejects.toMatchObject({ code: "WOULD_OVERWRITE" });
    await rm(join(folder, "champion", "notes.txt"));
    await writeFile(join(folder, "champion", "model.bin"), "weights X");
    await expect(sync()).rejects.toMatchObject({
      details: { paths: [join(folder, "champion", "model.bin")] },
    });
    await writeFile(join(folder, "champion", "model.bin"), "weights 0");
    await symlink("/etc", join(folder, "champion", "link"));
    await expect(sync()).rejects.toMatchObject({ details: { paths: [join(folder, "champion", "link")] } });
    await rm(join(folder, "champion", "link"));
    expect(await told()).toContain("champion=written v1.0.1");
    await writeFile(join(folder, "challenger"), "a file");
    await promote("v1.0.2", { to: "challenger" });
    await expect(sync()).rejects.toMatchObject({ details: { paths: [join(folder, "challenger")] } });
  });
});

test("layout() writes a folder anew when a file is gone, not when only a time changed", async () => {
  await withScene(async ({ folder, told, promote }) => {
    await promote("v1.0.0");
    await told();
    const file = join(folder, "champion", "model.bin");
    await utimes(file, 1, 1);
    expect((await told())[0]).toBe("champion=unchanged v1.0.0");
    await rm(file);
    expect((await told())[0]).toBe("champion=written v1.0.0");
    expect(readFileSync(file, "utf8")).toBe("weights 0");
  });
});

test("layout() replaces a version while others read: at every moment each file is there, whole, metadata.json last", async () => {
  await withScene(async ({ folder, told, promote }) => {
    await promote("v1.0.0");
    await told();
    const read = (name: string): string => readFileSync(join(folder, "champion", name), "utf8");
    const before = { model: read("model.bin"), metadata: read("metadata.json") };
    await promote("v1.0.1");
    const seen = new Set<string>();
    interceptCalls(() => {
      const isNew = {
        model: read("model.bin") !== before.model,
        metadata: read("metadata.json") !== before.metadata,
      };
      seen.add(`${read("model.bin")}, metadata.json ${isNew.metadata ? "new" : "old"}`);
    });
    try {
      expect((await told())[0]).toBe("champion=written v1.0.1");
    } finally {
      interceptCalls(undefined);
    }
    expect([...seen]).toEqual([
      "weights 0, metadata.json old",
      "weights 1, metadata.json old",
      "weights 1, metadata.json new",
    ]);
    expect(readdirSync(folder).filter((name) => name.startsWith(".smc-tmp-"))).toEqual([]);
  });
});

test("layout() goes on where it was killed between two files, and keeps what somebody changed", async () => {
  await withScene(async ({ folder, sync, told, promote }) => {
    await promote("v1.0.0");
    await told();
    await promote("v1.0.1");
    const champion = join(folder, "champion");
    const old = readFileSync(join(champion, "metadata.json"));
    const marker = join(champion, MARKER);
    const { files, ...rest } = JSON.parse(readFileSync(marker, "utf8"));
    await told();
    const now = JSON.parse(readFileSync(marker, "utf8"));
    // As a kill leaves it: one file is new, the other one old, and the marker names those of both.
    await writeFile(join(champion, "metadata.json"), old);
    await writeFile(
      marker,
      JSON.stringify({ ...rest, commit: "", metadata: null, files: [...files, ...now.files] }),
    );
    await writeFile(join(champion, ".smc-tmp-0123456789ab"), "half a marker");
    expect((await told())[0]).toBe("champion=written v1.0.1");
    expect(readdirSync(champion).sort()).toEqual([MARKER, "metadata.json", "model.bin"]);
    await writeFile(
      marker,
      JSON.stringify({ ...rest, commit: "", metadata: null, files: [...files, ...now.files] }),
    );
    await writeFile(join(champion, "model.bin"), "mine");
    await expect(sync()).rejects.toMatchObject({ code: "WOULD_OVERWRITE" });
    expect(readFileSync(join(champion, "model.bin"), "utf8")).toBe("mine");
  });
});

test("layout() puts a folder where the version before had a file", async () => {
  await withScene(async ({ folder, told, promote, history }) => {
    await promote("v1.0.0");
    await told();
    const commit = await history.commit({ files: { "model.bin/part": "weights 3" } });
    await history.point("refs/tags/v2.0.0", commit);
    await promote("v2.0.0");
    expect((await told())[0]).toBe("champion=written v2.0.0");
    expect(readFileSync(join(folder, "champion", "model.bin", "part"), "utf8")).toBe("weights 3");
    await promote("v1.0.0");
    expect((await told())[0]).toBe("champion=written v1.0.0");
    expect(readFileSync(join(folder, "champion", "model.bin"), "utf8")).toBe("weights 0");
  });
});

test("layout() takes away what a killed run left, but for files of somebody else", async () => {
  await withScene(async ({ folder, told, promote }) => {
    await promote("v1.0.0");
    await told();
    const left = join(folder, ".smc-tmp-0123456789ab");
    await mkdir(join(left, "sub"), { recursive: true });
    const files = [{ path: "sub/a", sha256: "0".repeat(64), sizeBytes: 9, mtimeNs: null }];
    const marker = { format: "smc-layout/1", repository: "demo", commit: "c", metadata: null, files };
    await writeFile(join(left, MARKER), JSON.stringify(marker));
    await writeFile(join(left, "sub", "a"), "half");
    const other = join(folder, ".smc-tmp-ba9876543210");
    await mkdir(other);
    await writeFile(join(other, "mine"), "1");
    await told();
    expect(readdirSync(folder).sort()).toEqual([".smc-tmp-ba9876543210", "champion"]);
  });
});

test("a marker that leads out of its folder is no marker", async () => {
  await withScene(async ({ folder, sync, promote }) => {
    await promote("v1.0.0");
    await mkdir(join(folder, "champion"), { recursive: true });
    await writeFile(join(folder, "victim"), "1");
    const files = [{ path: "../victim", sha256: "0".repeat(64), sizeBytes: 1, mtimeNs: null }];
    const marker = { format: "smc-layout/1", repository: "demo", commit: "c", metadata: null, files };
    await writeFile(join(folder, "champion", MARKER), JSON.stringify(marker));
    await expect(sync()).rejects.toMatchObject({ details: { paths: [join(folder, "champion", MARKER)] } });
    expect(existsSync(join(folder, "victim"))).toBe(true);
  });
});

test("a metadata.json of the version is brought up to date, or stays when it is none of smc", async () => {
  await withScene(async ({ folder, sync, promote, history }) => {
    const own = {
      schema: METADATA_SCHEMA,
      name: "convnext",
      version: "old",
      status: "candidate",
      created: "2020-01-01T00:00:00Z",
      model: { layers: 3 },
      training: { lr: 1 },
      data: {},
      metrics: {},
    };
    const files = { "metadata.json": JSON.stringify(own), "sub/w.bin*": "1" };
    await history.point(
      "refs/tags/v2.0.0",
      await history.commit({ files, meta: { params: { lr: 2, epochs: 3 } } }),
    );
    await promote("v2.0.0");
    const { folders } = await sync();
    expect(folders[0]).toMatchObject({ hasForeignMetadata: false, files: 2 });
    expect(metadata(folder, "champion")).toMatchObject({
      name: "convnext",
      version: "v2.0.0",
      status: "champion",
      model: { layers: 3 },
      training: { lr: 2, epochs: 3 },
      files: [{ path: "sub/w.bin" }],
    });
    expect(statSync(join(folder, "champion/sub/w.bin")).mode & 0o111).not.toBe(0);
    await history.point("refs/tags/v3.0.0", await history.commit({ files: { "metadata.json": "{}" } }));
    await promote("v3.0.0");
    expect((await sync()).folders[0]).toMatchObject({ hasForeignMetadata: true });
    expect(metadata(folder, "champion")).toEqual({});
    expect((await sync()).folders[0]).toMatchObject({ action: "unchanged" });
  });
});

test("checkout() with a folder writes the files of a version there, and HEAD stays", async () => {
  await withScene(async ({ folder, repository, commits }) => {
    const to = join(folder, "live");
    const take = (revision: string) => checkout(repository, { revision, to }, QUIET);
    expect(await take("v1.0.0")).toMatchObject({
      folder: { path: to, commit: commits[0], files: 1, isNew: true },
      ref: "refs/heads/main",
      digest: commits[2],
    });
    expect(readdirSync(to).sort()).toEqual([MARKER, "model.bin"]);
    expect((await take("v1.0.0")).folder).toMatchObject({ isNew: false });
    expect((await take("v1.0.1")).folder).toMatchObject({ isNew: true });
    expect(readFileSync(join(to, "model.bin"), "utf8")).toBe("weights 1");
    writeFileSync(join(to, "mine"), "1");
    await expect(take("v1.0.2")).rejects.toMatchObject({ code: "WOULD_OVERWRITE" });
    await expect(checkout(repository, { to, force: true }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
  });
});
