import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openGit } from "./open-git.ts";

const folder = mkdtempSync(join(tmpdir(), "smc-git-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const CALL = { signal: new AbortController().signal, onProgress: () => undefined };
const LARGE_BYTES = 3 * 1024 * 1024;

function git(...words: string[]): string {
  const who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
  return execFileSync("git", ["-C", folder, ...who, ...words], { encoding: "utf8" }).trim();
}

git("init", "-q", "-b", "main");
writeFileSync(join(folder, "large"), Buffer.alloc(LARGE_BYTES, 7));
writeFileSync(join(folder, "small"), "small");
git("add", "-A");
git("commit", "-q", "-m", "one");
const ids = { large: git("rev-parse", "HEAD:large"), small: git("rev-parse", "HEAD:small") };

test("openGit() reads commits, settings and objects, and goes on after an answer that nobody read", async () => {
  await using source = await openGit(folder, CALL);
  expect(source).toMatchObject({ folder: join(folder, ".git"), root: folder, idBytes: 20, isShallow: false });
  expect(await source.commits("main", CALL)).toEqual([git("rev-parse", "HEAD")]);
  expect(await source.config("no.such", CALL)).toBeUndefined();
  expect(await source.stat(ids.large, CALL)).toEqual({ kind: "blob", sizeBytes: LARGE_BYTES });
  for await (const piece of source.stream(ids.large, CALL)) {
    expect(piece.length).toBeLessThan(LARGE_BYTES);
    break;
  }
  expect((await source.read(ids.small, 100, CALL)).toString()).toBe("small");
  let sizeBytes = 0;
  for await (const piece of source.stream(ids.large, CALL)) sizeBytes += piece.length;
  expect(sizeBytes).toBe(LARGE_BYTES);
  await expect(source.read(ids.large, 100, CALL)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  await expect(source.stat("0".repeat(40), CALL)).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
});

test("openGit() ends in the middle of an answer, and when it is stopped", async () => {
  const stopper = new AbortController();
  const call = { ...CALL, signal: stopper.signal };
  const source = await openGit(folder, call);
  const answer = source.stream(ids.large, call)[Symbol.asyncIterator]();
  await answer.next();
  await source[Symbol.asyncDispose]();
  await using other = await openGit(folder, call);
  stopper.abort();
  await expect(other.read(ids.small, 100, call)).rejects.toMatchObject({ code: "CANCELED" });
});

test("openGit() refuses what is no repository", async () => {
  await expect(openGit(tmpdir(), CALL)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
});
