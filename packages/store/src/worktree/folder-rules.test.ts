import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { QUIET, withFolder } from "../testing/testing.ts";
import { FolderRules, folderOf } from "./folder-rules.ts";
import { scan, TrackedPaths } from "./scan.ts";

const FILES = ["a", "b", "x/a", "x/b", "x/y/a", "x/y/b", "y/x/a", "y/b"];

async function write(root: string, path: string, text = ""): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

test("folderOf() is the folder that something is in", () => {
  expect(["a", "a/b", "a/b/c"].map(folderOf)).toEqual(["", "a", "a/b"]);
});

test("FolderRules names the first part of a path that is ignored", async () => {
  await withFolder(async (root) => {
    await write(root, ".smcignore", "cache/\n*.log\n");
    await write(root, "x/.smcignore", "!keep.log\n");
    const rules = new FolderRules(root);
    expect(await rules.findIgnored("x/cache/deep/file", false)).toBe("x/cache");
    expect(await rules.findIgnored("x/cache", true)).toBe("x/cache");
    expect(await rules.findIgnored("x/cache", false)).toBeUndefined();
    expect(await rules.findIgnored("x/a.log", false)).toBe("x/a.log");
    expect(await rules.findIgnored("x/keep.log", false)).toBeUndefined();
    expect(await rules.findIgnored("keep.log", false)).toBe("keep.log");
  });
});

test("FolderRules names the file with a bad rule each time", async () => {
  await withFolder(async (root) => {
    await write(root, "x/.smcignore", `${"r".repeat(2000)}\n`);
    const rules = new FolderRules(root);
    for (const path of ["x/a", "x/b"]) {
      await expect(rules.findIgnored(path, false)).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        message: expect.stringContaining("'x/.smcignore' line 1"),
      });
    }
    expect(await rules.findIgnored("y/a", false)).toBeUndefined();
  });
});

test("FolderRules leaves out what a scan leaves out", async () => {
  await withFolder(async (root) => {
    for (const path of FILES) await write(root, path);
    const rule = fc.constantFrom(
      "a",
      "b",
      "x",
      "y",
      "x/",
      "/x",
      "x/y",
      "/y/",
      "!a",
      "!x",
      "!x/y",
      "x/*",
      "**/y/a",
    );
    const text = fc.array(rule, { maxLength: 4 }).map((lines) => lines.join("\n"));
    await fc.assert(
      fc.asyncProperty(text, text, text, async (top, inX, inY) => {
        for (const [folder, lines] of [
          ["", top],
          ["x/", inX],
          ["x/y/", inY],
        ]) {
          await rm(join(root, `${folder}.smcignore`), { force: true });
          if (lines !== "") await write(root, `${folder}.smcignore`, lines);
        }
        const found = await scan(
          root,
          { from: [""], tracked: new TrackedPaths(new Map()), leaveOut: "/nowhere" },
          QUIET,
        );
        const rules = new FolderRules(root);
        for (const path of FILES) {
          const isIgnored = (await rules.findIgnored(path, false)) !== undefined;
          expect(isIgnored, path).toBe(!found.files.has(path));
        }
      }),
      { numRuns: 150 },
    );
  });
});
