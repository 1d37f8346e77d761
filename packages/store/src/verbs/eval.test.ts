import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import { readKnown } from "../registry/known.ts";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { evaluate, type EvalOptions, type EvalPlace, type EvalResult, type ModelReport } from "./eval.ts";

const REPORT: ModelReport = {
  classesFrom: "model",
  digest: "d".repeat(64),
  isTrainingData: false,
  samples: 6,
  metrics: { loss: 0.5, acc: 0.75, balanced_acc: 0.7 },
  classes: [],
  confusion: [],
  backend: "wasm",
};
const MODEL = { "architecture.json": "{}", "model.safetensors": "weights", "params.json": "{}" };
const under = (folder: string): Record<string, string> =>
  Object.fromEntries(Object.entries(MODEL).map(([name, text]) => [`${folder}/${name}`, text]));

interface Scene {
  readonly bench: Bench;
  /** Settings, split and files of the model that the trainer was asked about. */
  readonly asked: Record<string, unknown>[];
  readonly run: (options?: Partial<EvalOptions>) => Promise<EvalResult>;
}

/** The trainer is another package: here its answer is given. */
async function withModel(
  run: (scene: Scene) => Promise<void>,
  answer: () => ModelReport = () => REPORT,
): Promise<void> {
  await withWorktree(async (bench) => {
    const asked: Record<string, unknown>[] = [];
    const ask: EvalPlace["evaluate"] = async (settings, { model, split, onnx }) => {
      const files = readdirSync(model).sort();
      const weights = join(model, "model.safetensors");
      asked.push({
        ...settings,
        split,
        onnx,
        files,
        ...(existsSync(weights) ? { weights: readFileSync(weights, "utf8") } : {}),
        ...(existsSync(join(model, "onnx")) ? { besides: readdirSync(join(model, "onnx")).sort() } : {}),
      });
      return answer();
    };
    const place = { ...placeOf(bench), evaluate: ask };
    await run({ bench, asked, run: (options) => evaluate(place, { data: "digits", ...options }, QUIET) });
    const incoming = join(bench.store.path, "incoming");
    expect(existsSync(incoming) ? readdirSync(incoming) : []).toEqual([]);
  });
}

test("evaluate() notes the numbers about the version, with data and samples, and they are its metrics", async () => {
  await withModel(async ({ bench, asked, run }) => {
    const { digest: old } = await bench.commit(MODEL);
    await bench.commit({ "model.safetensors": "others", "environment.json": "{}" });
    const dry = await run({ revision: "HEAD~1", dryRun: true });
    expect(dry).toMatchObject({ commit: old, note: null, noted: { digits_acc: 0.75, digits_loss: 0.5 } });
    const made = await run({ revision: "HEAD~1", split: "validation", metrics: ["acc", "azi=balanced_acc"] });
    expect(made).toMatchObject({
      commit: old,
      folder: "",
      data: { name: "digits", digest: REPORT.digest },
      noted: { digits_val_acc: 0.75, azi: 0.7 },
    });
    const known = await readKnown(bench.repository, old, QUIET);
    expect(known.meta.metrics).toEqual({ digits_val_acc: 0.75, azi: 0.7 });
    expect(known.notes).toMatchObject([
      {
        kind: "evaluation",
        text: "digits (validation): 6 samples, data dddddddddddd",
        author: "Ada <ada@example.org>",
        evaluated: { data: "digits", digest: REPORT.digest, split: "validation", samples: 6 },
      },
    ]);
    await run();
    expect(asked.at(-1)).toMatchObject({
      weights: "others",
      files: [...Object.keys(MODEL), "environment.json"].sort(),
    });
    expect(asked[0]).toMatchObject({ "data.kind": "digits", split: "all", weights: "weights" });
  });
});

test("evaluate() takes data of the worktree: a set by its name, else a path", async () => {
  await withModel(async ({ bench, asked, run }) => {
    await bench.commit(MODEL);
    await bench.write({ "data/new.csv": "a,label\n1,x\n" });
    writeFileSync(
      join(bench.root, "smc.data.json"),
      JSON.stringify({
        version: 1,
        sets: { cats: { settings: { "data.kind": "csv", "data.path": "c.csv" } } },
      }),
    );
    expect((await run({ data: "cats" })).noted).toMatchObject({ cats_acc: 0.75 });
    expect((await run({ data: "data/new.csv" })).noted).toMatchObject({ new_acc: 0.75 });
    expect(asked.map((one) => one["data.path"])).toEqual(["c.csv", "data/new.csv"]);
    await expect(run({ data: "cat" })).rejects.toMatchObject({
      code: "PATH_NOT_FOUND",
      hint: "did you mean cats?",
    });
    expect(await codeOf(() => run({ data: ".." }))).toBe("UNSAFE_PATH");
  });
});

test("evaluate() finds the one model of a version, and asks where there are several or none", async () => {
  await withModel(async ({ bench, run }) => {
    await bench.commit({ "notes.txt": "none", "architecture.json": "{}" });
    await expect(run()).rejects.toMatchObject({
      code: "FILE_UNSUPPORTED",
      hint: expect.stringContaining("smc note HEAD --metric"),
    });
    await bench.commit(under("a"));
    expect((await run()).folder).toBe("a");
    await bench.commit(under("b/c"));
    expect(await codeOf(() => run())).toBe("ARGUMENT_INVALID");
    expect((await run({ revision: "main:b/c/" })).folder).toBe("b/c");
    expect(await codeOf(() => run({ revision: "main:b" }))).toBe("FILE_UNSUPPORTED");
    await bench.commit(MODEL);
    expect((await run()).folder).toBe("");
    expect(await codeOf(() => run({ revision: "v9" }))).toBe("REVISION_NOT_FOUND");
  });
});

test("evaluate() brings the frozen backbone along, and misses one that the version lacks", async () => {
  await withModel(async ({ bench, asked, run }) => {
    const architecture = JSON.stringify({ extractor: { file: "nets/./print.onnx" } });
    await bench.commit({ ...MODEL, "architecture.json": architecture });
    expect(await codeOf(() => run())).toBe("PATH_NOT_FOUND");
    await bench.commit({ "nets/print.onnx": "net" });
    await run();
    expect(asked.at(-1)).toMatchObject({ onnx: null, besides: ["model.onnx"] });
  });
});

test("evaluate() takes the ONNX model of a version that has no other, or the one that is named", async () => {
  await withModel(async ({ bench, asked, run }) => {
    await bench.commit({ "a/net.onnx": "net" });
    expect(await run({ classes: ["x", "y"], settings: { "backbone.pixels": "raw" } })).toMatchObject({
      folder: "a/net.onnx",
    });
    const onnx = { classes: ["x", "y"] };
    expect(asked.at(-1)).toMatchObject({ onnx, besides: ["model.onnx"], "backbone.pixels": "raw" });
    await bench.commit({ "b.onnx": "other" });
    expect(await codeOf(() => run())).toBe("ARGUMENT_INVALID");
    expect(await run({ revision: "HEAD:b.onnx" })).toMatchObject({ folder: "b.onnx" });
    expect(asked.at(-1)).toMatchObject({ onnx: {} });
    await expect(run({ revision: "HEAD:c.onnx" })).rejects.toMatchObject({
      code: "FILE_UNSUPPORTED",
      hint: "there are 'a/net.onnx', 'b.onnx'",
    });
    await bench.commit(under("m"));
    // What the trainer wrote comes first, and knows its classes.
    expect(await run()).toMatchObject({ folder: "m" });
    expect(await codeOf(() => run({ classes: ["x", "y"] }))).toBe("ARGUMENT_INVALID");
    expect(await codeOf(() => run({ settings: { lr: 1 } }))).toBe("ARGUMENT_INVALID");
  });
});

test("evaluate() notes nothing when it fails, and no metric that there is not", async () => {
  await withModel(
    async ({ bench, run }) => {
      const { digest } = await bench.commit(MODEL);
      expect(await codeOf(() => run())).toBe("FILE_MALFORMED");
      expect(await codeOf(() => run({ metrics: ["a b=acc"] }))).toBe("ARGUMENT_INVALID");
      expect((await readKnown(bench.repository, digest, QUIET)).notes).toEqual([]);
    },
    () => {
      throw new SmcError("FILE_MALFORMED", "the trainer refuses");
    },
  );
  await withModel(async ({ bench, run }) => {
    const { digest } = await bench.commit(MODEL);
    expect(await codeOf(() => run({ metrics: ["azi"] }))).toBe("ARGUMENT_INVALID");
    expect((await readKnown(bench.repository, digest, QUIET)).notes).toEqual([]);
  });
});
