import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { data, type DataOptions, type DataPlace, type DataReport, type DataResult } from "./data.ts";

const GOOD: DataReport = {
  problems: [],
  problemCount: 0,
  badSamples: 0,
  samples: 6,
  shape: [4],
  classes: [
    { name: "a", samples: 3 },
    { name: "b", samples: 3 },
  ],
  classCount: 2,
  split: { train: 4, validation: 2 },
  digest: "a".repeat(64),
  shown: [],
};
const BAD: DataReport = {
  ...GOOD,
  problems: ["row 3"],
  problemCount: 1,
  badSamples: 1,
  samples: 5,
  digest: null,
};

interface Scene {
  readonly root: string;
  readonly file: string;
  /** What the trainer was asked to read. */
  readonly asked: Record<string, unknown>[];
  /** What it answers next; the last one stays. */
  readonly answers: DataReport[];
  readonly run: (options: DataOptions) => Promise<DataResult>;
}

/** The trainer is another package: here its answers are given. */
async function withData(run: (scene: Scene) => Promise<void>): Promise<void> {
  await withWorktree(async (bench) => {
    const asked: Record<string, unknown>[] = [];
    const answers: DataReport[] = [GOOD];
    const inspect: DataPlace["inspect"] = async (settings, { root, show }) => {
      asked.push({ ...settings, root, show });
      if (settings["data.path"] === "gone") throw new SmcError("PATH_NOT_FOUND", "it is not there");
      const [answer = GOOD] = answers.length > 1 ? answers.splice(0, 1) : answers;
      return answer;
    };
    const place = { ...placeOf(bench), inspect };
    const file = join(bench.root, "smc.data.json");
    await run({ root: bench.root, file, asked, answers, run: (options) => data(place, options, QUIET) });
  });
}

test("data() adds, lists and removes data sets in a file that people can read", async () => {
  await withData(async ({ root, file, asked, run }) => {
    expect((await run({ action: "list" })).sets).toEqual([]);
    const settings = { "backbone.inputSize": 32, validation: 0.3 };
    const added = await run({
      action: "add",
      names: ["cats"],
      path: join(root, "d", "cats"),
      settings,
      needed: 5,
    });
    expect(added.sets).toMatchObject([{ name: "cats", needed: 5, report: GOOD, isUnchanged: true }]);
    expect(asked).toEqual([{ "data.kind": "images", "data.path": "d/cats", ...settings, root, show: 0 }]);
    const checked = { digest: GOOD.digest, samples: 6, shape: [4], classes: { a: 3, b: 3 } };
    const all = { "data.kind": "images", "data.path": "d/cats", ...settings };
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      version: 1,
      sets: { cats: { settings: all, needed: 5, checked } },
    });
    const again: DataOptions = { action: "add", names: ["cats"], path: "n/x.npy", description: "arrays" };
    expect(await codeOf(() => run(again))).toBe("ALREADY_EXISTS");
    await run({ ...again, force: true });
    expect((await run({ action: "list" })).sets).toMatchObject([
      { settings: { "data.kind": "npz", "data.path": "n", "data.x": "x" }, description: "arrays", needed: 1 },
    ]);
    await run({ action: "rm", names: ["cats"] });
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ version: 1, sets: {} });
    expect(await codeOf(() => run({ action: "rm", names: ["cats"] }))).toBe("PATH_NOT_FOUND");
  });
});

test("data() keeps what a check found, only when nothing is wrong and the entry is still that one", async () => {
  await withData(async ({ file, answers, run }) => {
    answers.splice(0, 1, BAD);
    await run({ action: "add", names: ["rows"], path: "d.csv" });
    const checked = (): unknown => JSON.parse(readFileSync(file, "utf8")).sets.rows.checked;
    expect(checked()).toBeUndefined();
    expect((await run({ action: "validate" })).sets).toMatchObject([{ report: BAD, isUnchanged: null }]);
    expect(checked()).toBeUndefined();
    answers.splice(0, 1, GOOD);
    await run({ action: "validate", names: ["rows"] });
    expect(checked()).toMatchObject({ digest: GOOD.digest, samples: 6 });
    answers.splice(0, 1, { ...GOOD, digest: "b".repeat(64) });
    expect((await run({ action: "status" })).sets).toMatchObject([{ isUnchanged: false }]);
    expect(checked()).toMatchObject({ digest: GOOD.digest });
  });
});

test("data() copies the files of an installed package, and says which version they are of", async () => {
  await withData(async ({ root, file, run }) => {
    const folder = join(root, "node_modules", "@lab", "iris");
    mkdirSync(join(folder, "node_modules", "x"), { recursive: true });
    mkdirSync(join(folder, "sets", "a"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{"version": "1.2.3"}');
    writeFileSync(join(folder, "sets", "a", "1.png"), "one");
    writeFileSync(join(folder, "sets", "rows.CSV"), "x,label\n");
    await run({ action: "add", names: ["iris"], path: "npm:@lab/iris/sets/rows.CSV" });
    expect(readFileSync(join(root, "data", "iris.csv"), "utf8")).toBe("x,label\n");
    await run({ action: "add", names: ["all"], path: "npm:@lab/iris/sets" });
    expect(readFileSync(join(root, "data", "all", "a", "1.png"), "utf8")).toBe("one");
    expect(JSON.parse(readFileSync(file, "utf8")).sets).toMatchObject({
      iris: { from: "npm:@lab/iris@1.2.3/sets/rows.CSV", settings: { "data.path": "data/iris.csv" } },
      all: { from: "npm:@lab/iris@1.2.3/sets", settings: { "data.kind": "images", "data.path": "data/all" } },
    });
    writeFileSync(join(root, "data", "mine.csv"), "mine");
    const over: DataOptions = { action: "add", names: ["mine"], path: "npm:@lab/iris/sets/rows.CSV" };
    expect(await codeOf(() => run(over))).toBe("WOULD_OVERWRITE");
    expect(readFileSync(join(root, "data", "mine.csv"), "utf8")).toBe("mine");
    for (const path of ["npm:none/x.csv", "npm:@lab/iris/none"])
      expect(await codeOf(() => run({ action: "add", names: ["other"], path }))).toBe("PATH_NOT_FOUND");
    const out: DataOptions = { action: "add", names: ["other"], path: "npm:@lab/iris/../../secret" };
    expect(await codeOf(() => run(out))).toBe("PATH_INVALID");
  });
});

test("data() refuses names, places and settings that make no sense, and changes nothing", async () => {
  await withData(async ({ file, run }) => {
    const add = { action: "add", names: ["d"], path: "d.csv" } as const;
    const refused: readonly (readonly [DataOptions, string])[] = [
      [{ ...add, names: ["digits"] }, "ARGUMENT_INVALID"],
      [{ ...add, names: ["a/b"] }, "ARGUMENT_INVALID"],
      [{ ...add, names: ["a", "b"] }, "USAGE"],
      [{ ...add, path: "../d.csv" }, "UNSAFE_PATH"],
      [{ ...add, path: "gone" }, "PATH_NOT_FOUND"],
      [{ ...add, settings: { lr: 1 } }, "ARGUMENT_INVALID"],
      [{ ...add, needed: 0 }, "ARGUMENT_INVALID"],
      [{ action: "preview", names: ["d"] }, "PATH_NOT_FOUND"],
      [{ action: "preview", names: ["d"], count: 65 }, "PATH_NOT_FOUND"],
    ];
    for (const [options, code] of refused) expect(await codeOf(() => run(options))).toBe(code);
    expect((await run({ action: "list" })).sets).toEqual([]);
    for (const [text, code] of [
      ["{", "FILE_MALFORMED"],
      ['{"version": 2, "sets": {}}', "FORMAT_UNSUPPORTED"],
      ['{"version": 1, "sets": {"d": {"settings": {"lr": 1}}}}', "FILE_MALFORMED"],
      ['{"version": 1, "sets": {"d": {"settings": {}, "chekced": 1}}}', "FILE_MALFORMED"],
      ['{"version": 1, "sets": {"d": {"settings": {}, "checked": {"digest": "x"}}}}', "FILE_MALFORMED"],
    ] as const) {
      writeFileSync(file, text);
      expect(await codeOf(() => run(add))).toBe(code);
      expect(readFileSync(file, "utf8")).toBe(text);
    }
  });
});
