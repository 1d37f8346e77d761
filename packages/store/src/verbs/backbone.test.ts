import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Settings } from "../jobs/job-queue.ts";
import { moveTo } from "../jobs/job-record.ts";
import { placeOf } from "../testing/files-place.ts";
import { idlePlace, type IdlePlace } from "../testing/jobs.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { audit } from "./audit.ts";
import { backbone, type BackboneOptions, type BackbonePlace, type BackboneResult } from "./backbone.ts";

interface Scene {
  readonly file: string;
  readonly jobs: IdlePlace;
  /** What the trainer was asked about. */
  readonly asked: { settings: Settings; known: object }[];
  readonly run: (options: BackboneOptions) => Promise<BackboneResult>;
  readonly audited: (op: string) => Promise<string[]>;
  readonly write: (name: string, text: string) => void;
}

/** The trainer is another package: here its answers are given. More than 9 layers are wrong. */
async function withBackbone(run: (scene: Scene) => Promise<void>): Promise<void> {
  await withWorktree(async (bench) => {
    await bench.commit({ "a.txt": "a" });
    const asked: Scene["asked"] = [];
    const jobs = idlePlace(bench);
    const describe: BackbonePlace["describe"] = async (settings, { known }) => {
      asked.push({ settings, known });
      const layers = Number(settings["backbone.layers"] ?? 2);
      const faults = layers > 9 ? [{ field: "backbone.layers", message: "must be <= 9" }] : [];
      const name = String(settings["backbone.name"] ?? "mlp");
      return { faults, backbone: { name, layers }, inputShape: [4], outputs: 2, layers: [], weights: 10 };
    };
    const kinds: BackbonePlace["kinds"] = async () => [{ name: "mlp", summary: "", layers: 2, weights: 10 }];
    const place: BackbonePlace = { ...jobs, ...placeOf(bench), describe, kinds };
    await run({
      file: join(bench.root, "smc.train.yaml"),
      jobs,
      asked,
      run: (options) => backbone(place, options, QUIET),
      audited: async (op) => (await audit(bench.store, { op }, QUIET)).entries.map(({ reason }) => reason),
      write: (name, text) => writeFileSync(join(bench.root, name), text),
    });
  });
}

test("S2.2 backbone() writes what is chosen, tells what changes, and leaves the rest of the file", async () => {
  await withBackbone(async ({ file, run, audited }) => {
    const made = await run({ action: "use", name: "mlp", settings: { layers: 3 } });
    expect(made.changes).toEqual([
      { key: "backbone.name", after: "mlp" },
      { key: "backbone.layers", after: 3 },
    ]);
    expect(made.recorded).toBe(true);
    writeFileSync(file, `${readFileSync(file, "utf8")}  lr: 0.1 # kept\n`);
    await run({ action: "set", settings: { width: 2 } });
    expect(readFileSync(file, "utf8")).toContain("lr: 0.1 # kept");
    expect((await run({ action: "set", settings: { width: 2 } })).changes).toEqual([]);
    expect(await audited("backbone")).toEqual([
      "backbone.set: backbone.width nothing -> 2",
      "backbone.set: backbone.name nothing -> mlp; backbone.layers nothing -> 3",
    ]);
  });
});

test("S2.6 backbone() replaces nothing without a yes, and notes a no", async () => {
  await withBackbone(async ({ file, run, audited }) => {
    await run({ action: "use", name: "mlp", settings: { layers: 3, inputSize: 8 } });
    const before = readFileSync(file, "utf8");
    const other = { action: "use", name: "tiny-cnn" } as const;
    expect(await codeOf(() => run(other))).toBe("CONFIRMATION_NEEDED");
    expect((await run({ ...other, answer: "plan" })).changes).toHaveLength(2);
    await run({ ...other, answer: "no" });
    expect(readFileSync(file, "utf8")).toBe(before);
    await run({ ...other, answer: "yes" });
    // What says something about the data stays.
    expect(readFileSync(file, "utf8")).toMatch(/name: tiny-cnn\n +inputSize: 8\n$/);
    const what = "backbone.name mlp -> tiny-cnn; backbone.layers 3 -> nothing";
    expect((await audited("backbone.set")).slice(0, 2)).toEqual([
      `backbone.set: ${what}`,
      `backbone.set: declined: ${what}`,
    ]);
  });
});

test("S2.5 backbone() refuses what the trainer refuses, for every action that looks at it", async () => {
  await withBackbone(async ({ file, run }) => {
    for (const action of ["validate", "set"] as const)
      await expect(run({ action, settings: { layers: 10 } })).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        details: { faults: [{ field: "backbone.layers", message: "must be <= 9" }] },
      });
    expect(existsSync(file)).toBe(false);
    for (const options of [{ action: "use" }, { action: "set" }, { action: "bench" }] as const)
      expect(await codeOf(() => run(options))).toBe("USAGE");
    expect(await codeOf(() => run({ action: "list", task: "detect" }))).toBe("ARGUMENT_INVALID");
    writeFileSync(file, "settings: [1]\n");
    expect(await codeOf(() => run({ action: "use", name: "mlp" }))).toBe("FILE_MALFORMED");
  });
});

test("backbone() tells the trainer what the last check of a data set found", async () => {
  await withBackbone(async ({ asked, run, write }) => {
    const checked = { digest: "a".repeat(64), samples: 4, shape: [7], classes: { a: 2, b: 2 } };
    const settings = { "data.kind": "csv", "data.path": "a.csv" };
    write("smc.data.json", JSON.stringify({ version: 1, sets: { rows: { settings, checked } } }));
    await run({ action: "show", name: "mlp", data: "rows" });
    expect(asked).toEqual([
      { settings: { ...settings, "backbone.name": "mlp" }, known: { shape: [7], outputs: 2 } },
    ]);
  });
});

test("S2.4 S2.9 backbone() tries several, and takes none before all have ended with a commit", async () => {
  await withBackbone(async ({ jobs, run, audited }) => {
    const { training } = await run({ action: "bench", backbones: ["mlp", "tiny-cnn"] });
    expect([...jobs.records.values()].map(({ name, group }) => [name, group?.values])).toEqual([
      ["bench-1", { "backbone.name": "mlp" }],
      ["bench-2", { "backbone.name": "tiny-cnn" }],
    ]);
    expect(await audited("backbone.bench")).toEqual([
      `backbone.bench: mlp, tiny-cnn: group ${training?.group ?? ""}`,
    ]);
    expect(await codeOf(() => run({ action: "apply" }))).toBe("JOB_STATE_WRONG");
    for (const [id, record] of jobs.records)
      jobs.records.set(id, moveTo(record, { state: "canceled", atMs: 2, why: "asked" }));
    await expect(run({ action: "apply" })).rejects.toThrow("none of its jobs has a commit");
    const { history } = await run({ action: "show", name: "tiny-cnn" });
    expect(history).toMatchObject([{ name: "bench-2", state: "canceled", commit: null, metrics: {} }]);
  });
});
