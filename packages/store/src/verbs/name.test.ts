import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { add } from "./add.ts";
import { commit } from "./commit.ts";
import { config } from "./config.ts";
import { name } from "./name.ts";
import { tag } from "./tag.ts";

test("name() suggests by the file, the tags and the repository", async () => {
  await withWorktree(async (bench) => {
    const place = placeOf(bench);
    const suggested = async (...words: string[]): Promise<string | undefined> =>
      (await name(place, { action: "suggest", names: words }, QUIET)).names[0]?.name;
    await bench.commit({ "best.onnx": "1" });
    await utimes(join(bench.root, "best.onnx"), 1_700_000_000, new Date(2024, 1, 3, 12));
    expect(await suggested("best.onnx")).toBe("model_v1.0.0_20240203.onnx");
    await tag(bench.repository, { name: "v1.4.2" }, QUIET);
    expect(await suggested("best.onnx")).toBe("model_v1.4.3_20240203.onnx");
    expect(await suggested("gone/yolo_v7_20230101.pt")).toBe("yolo_v7_20230101.pt");
    const words = { action: "suggest", type: "sam2_b", version: "v2" } as const;
    expect((await name(place, words, QUIET)).names[0]?.name).toMatch(/^sam2_b_v2_\d{8}\.pt$/);
    expect(await codeOf(() => name(place, { ...words, type: "a b" }, QUIET))).toBe("ARGUMENT_INVALID");
    expect(await codeOf(() => name(place, { ...words, names: ["a", "b"] }, QUIET))).toBe("USAGE");
  });
});

test("add() and commit() name bad ones below layout.folder, and refuse them when strict", async () => {
  await withWorktree(async (bench) => {
    const good = "data/models/trained/yolo_v1_20240101.pt";
    const bad = "data/models/trained/best.pt";
    await bench.write({
      [good]: "1",
      [bad]: "2",
      "best.pt": "outside",
      "data/models/trained/notes.txt": "no model",
      "data/models/backups/best_backup_20240101_101010.pt": "3",
    });
    const all = { paths: [], all: true };
    expect(await codeOf(() => add(bench.repository, { ...all, strictNames: true }, QUIET))).toBe(
      "ARGUMENT_INVALID",
    );
    expect((await bench.status()).staged).toEqual([]);
    expect((await add(bench.repository, { ...all, dryRun: true }, QUIET)).badNames).toEqual([bad]);
    expect((await add(bench.repository, all, QUIET)).badNames).toEqual([bad]);
    const strict = { message: "m", strictNames: true };
    expect(await codeOf(() => commit(bench.repository, strict, QUIET))).toBe("ARGUMENT_INVALID");
    expect((await bench.status()).staged).toHaveLength(5);
    expect((await commit(bench.repository, { message: "m" }, QUIET)).badNames).toEqual([bad]);
    // What is there already is not told again.
    expect((await bench.commit({ [bad]: "22" }, { strictNames: true })).badNames).toEqual([]);
  });
});

test("an empty name.pattern takes every name", async () => {
  await withWorktree(async (bench) => {
    const set = { action: "set", key: "name.pattern", value: "", folder: bench.root } as const;
    await config(bench.store, set, QUIET);
    await bench.write({ "data/models/a.pt": "1" });
    expect((await add(bench.repository, { paths: [], all: true }, QUIET)).badNames).toEqual([]);
    const check = { action: "check", names: ["a.pt"] } as const;
    expect(await name(placeOf(bench), check, QUIET)).toMatchObject({ pattern: "", names: [{ fault: null }] });
  });
});
