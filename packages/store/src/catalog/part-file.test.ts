import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET, withFolder } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { PartFile } from "./part-file.ts";

const URL = "https://models.example/best.pt";
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

async function interrupted(target: string, text: string, isSaved = true): Promise<void> {
  await using part = await PartFile.open(target, URL, QUIET);
  await part.begin('"tag"');
  await part.write(Buffer.from(text));
  if (isSaved) await part.save();
}

test("a part goes on with what was saved, and tells digests of the whole", async () => {
  await withFolder(async (folder) => {
    const target = join(folder, "downloads", "best.pt");
    await interrupted(target, "wei");
    expect(existsSync(target)).toBe(false);
    await using part = await PartFile.open(target, URL, QUIET);
    expect(part).toMatchObject({ sizeBytes: 3, etag: '"tag"', isJoined: true });
    await part.write(Buffer.from("ghts"));
    expect(part.end().sha256).toBe(sha256("weights"));
    await part.place(false);
    expect(readFileSync(target, "utf8")).toBe("weights");
    expect(readdirSync(join(folder, "downloads"))).toEqual(["best.pt"]);
  });
});

test("bytes that were not saved, or are gone, are not relied on", async () => {
  await withFolder(async (folder) => {
    const target = join(folder, "best.pt");
    await interrupted(target, "wei", false);
    {
      await using part = await PartFile.open(target, URL, QUIET);
      expect(part).toMatchObject({ sizeBytes: 0, isJoined: false });
    }
    await interrupted(target, "wei");
    truncateSync(join(folder, ".smc-part-best.pt"), 2);
    {
      await using part = await PartFile.open(target, URL, QUIET);
      expect(part.sizeBytes).toBe(0);
    }
    await interrupted(target, "wei");
    writeFileSync(join(folder, ".smc-part-best.pt.json"), "{");
    await using part = await PartFile.open(target, URL, QUIET);
    expect(part.sizeBytes).toBe(0);
    await part.write(Buffer.from("all"));
    expect(part.end().sha256).toBe(sha256("all"));
  });
});

test("begin() forgets what was there, and place() replaces nothing unasked", async () => {
  await withFolder(async (folder) => {
    const target = join(folder, "best.pt");
    await interrupted(target, "a long beginning");
    writeFileSync(target, "mine");
    await using part = await PartFile.open(target, URL, QUIET);
    await part.begin(undefined);
    await part.write(Buffer.from("new"));
    expect(part).toMatchObject({ sizeBytes: 3, isJoined: false });
    expect(part.end().sha256).toBe(sha256("new"));
    expect(await codeOf(() => part.place(false))).toBe("WOULD_OVERWRITE");
    expect(readFileSync(target, "utf8")).toBe("mine");
    await part.place(true);
    expect(readFileSync(target, "utf8")).toBe("new");
  });
});

test("no worktree tracks a part", async () => {
  await withWorktree(async (bench) => {
    await interrupted(join(bench.root, "best.pt"), "wei");
    expect((await bench.status()).untracked).toEqual([]);
  });
});
