import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { importHistory, type ImportOptions, type ImportResult } from "./import.ts";
import { log } from "./log.ts";
import { tag } from "./tag.ts";

interface Scene {
  readonly bench: Bench;
  /** The folder that is imported, beside the worktree. */
  readonly put: (files: Readonly<Record<string, string>>, day?: number) => Promise<void>;
  readonly take: (options?: Partial<ImportOptions>) => Promise<ImportResult>;
}

async function withScene(run: (scene: Scene) => Promise<void>): Promise<void> {
  await withWorktree(async (bench, parent) => {
    const folder = join(parent, "models");
    await run({
      bench,
      put: async (files, day = 1) => {
        for (const [path, text] of Object.entries(files)) {
          const whole = join(folder, path);
          await mkdir(dirname(whole), { recursive: true });
          await writeFile(whole, text);
          await utimes(whole, new Date(), new Date(Date.UTC(2024, 0, day)));
        }
      },
      take: (options) => {
        const openGit = (): never => {
          throw new Error("no git is needed");
        };
        const place = { repository: bench.repository, openGit };
        return importHistory(place, { kind: "folder", folder, ...options }, QUIET);
      },
    });
  });
}

test("importHistory() of named files makes a commit and a tag of each, by their dates", async () => {
  await withScene(async ({ bench, put, take }) => {
    await put({ "yolo_v2_20240301.pt": "two", "yolo_v1_20240101.pt": "one", "README.txt": "x" });
    await put({ "yolo_v2_20240301.json": '{"metrics": {"map": 0.5}, "training": {"lr": 0.1}}' });
    const plan = await take({ dryRun: true });
    expect(plan.versions.map(({ date, tags, commit }) => [date.slice(0, 10), tags, commit])).toEqual([
      ["2024-01-01", ["v1"], null],
      ["2024-03-01", ["v2"], null],
    ]);
    expect((await tag(bench.repository, {}, QUIET)).tags).toEqual([]);
    const done = await take();
    expect(done).toMatchObject({
      branch: "main",
      known: 0,
      tags: ["v1", "v2"],
      written: 1,
      leftOut: [{ what: "README.txt", why: "it is of no version" }],
    });
    // The worktree is on the branch, and follows.
    expect(await bench.files()).toEqual({ "yolo.pt": "two" });
    expect(await bench.isClean()).toBe(true);
    const [newest, oldest] = await log(bench.repository, {}, QUIET);
    expect(newest).toMatchObject({ metrics: { map: 0.5 }, params: { lr: 0.1 } });
    expect(oldest).toMatchObject({ message: "yolo_v1_20240101.pt (v1)\n" });
  });
});

test("again it adds what is new, and nothing else", async () => {
  await withScene(async ({ bench, put, take }) => {
    await put({ "a_v1.pt": "one" }, 1);
    const first = await take();
    expect(await take()).toMatchObject({ versions: [], known: 1, tip: first.tip, tags: [] });
    // Only the bytes count, not when they were copied.
    await put({ "a_v1.pt": "one" }, 9);
    expect(await take()).toMatchObject({ versions: [], known: 1 });
    await put({ "a_v2.pt": "two", "b.pt": "other" }, 5);
    const again = await take();
    expect(again).toMatchObject({ known: 1 });
    expect(again.versions.map(({ tags }) => tags)).toEqual([[], ["a_v2"]]);
    expect(await bench.files()).toEqual({ "a.pt": "two", "b.pt": "other" });
    await bench.commit({ mine: "1" });
    // A branch with commits of its own is left alone: the next import goes elsewhere.
    expect(await take()).toMatchObject({ branch: "imported", known: 0 });
    expect(await codeOf(() => take({ branch: "main" }))).toBe("NOT_FAST_FORWARD");
  });
});

test("champion, challenger and archive become versions with their metadata", async () => {
  await withScene(async ({ bench, put, take }) => {
    const about = (version: string, azi: number): string =>
      JSON.stringify({
        version,
        performance: { azi },
        training_config: { epochs: 3 },
        created_at: "2026-02-10",
      });
    await put({
      "champion/model.bin": "one",
      "champion/metadata.json": about("1.0.1", 71.28),
      "archive/convnext_v1.0.0/model.bin": "zero",
      "archive/convnext_v1.0.0/metadata.json": about("convnext_v1.0.0", 50.66),
      "challenger/metadata.json": "no JSON",
      "challenger/model.bin": "two",
    });
    const { versions, tags } = await take();
    expect(versions.map(({ subject, files }) => [subject, files])).toEqual([
      ["challenger", 2],
      ["archive/convnext_v1.0.0 (v1.0.0)", 2],
      ["champion (v1.0.1)", 2],
    ]);
    expect([...tags].sort()).toEqual(["v1.0.0", "v1.0.1"]);
    const [live] = await log(bench.repository, { revisions: ["v1.0.1"] }, QUIET);
    expect(live).toMatchObject({ metrics: { azi: 71.28 }, params: { epochs: 3 } });
    expect(await bench.read("model.bin")).toBe("one");
  });
});

test("nothing is changed when a file of the worktree is in the way, or there is nothing to import", async () => {
  await withScene(async ({ bench, put, take }) => {
    expect(await codeOf(() => take())).toBe("PATH_NOT_FOUND");
    await put({ "notes.txt": "1" });
    expect(await codeOf(() => take())).toBe("PATH_NOT_FOUND");
    await put({ "a_v1.pt": "one" });
    await bench.write({ "a.pt": "mine" });
    expect(await codeOf(() => take())).toBe("WOULD_OVERWRITE");
    expect((await tag(bench.repository, {}, QUIET)).tags).toEqual([]);
    expect(await bench.read("a.pt")).toBe("mine");
    expect(await take({ branch: "other" })).toMatchObject({ written: null, tags: ["v1"] });
    expect(await codeOf(() => take({ revision: "x" }))).toBe("ARGUMENT_INVALID");
    expect(await codeOf(() => take({ folder: "models" }))).toBe("ARGUMENT_INVALID");
  });
});

test("a tag that is there and names something else stays", async () => {
  await withScene(async ({ bench, put, take }) => {
    const { digest } = await bench.commit({ mine: "1" }, { tag: "v1" });
    await put({ "a_v1.pt": "one" });
    const { leftOut, tags } = await take();
    expect(tags).toEqual([]);
    expect(leftOut).toEqual([{ what: "tag v1", why: "there is another tag of this name" }]);
    expect((await tag(bench.repository, {}, QUIET)).tags).toMatchObject([{ name: "v1", commit: digest }]);
  });
});
