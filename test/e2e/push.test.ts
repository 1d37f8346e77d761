import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" }, clone: false });
afterAll(() => two[Symbol.asyncDispose]());
const { a, url } = two;
const short = (digest: string): string => digest.slice(0, 9);

interface Pushed {
  readonly refs: readonly { name: string; from: string | null; to: string | null; fastForward: boolean }[];
  readonly objects: number;
}

async function there(): Promise<Record<string, string>> {
  const lines = (await a.ok("ls-remote")).split("\n").filter((line) => line !== "");
  return Object.fromEntries(lines.map((line) => line.split("\t").reverse()));
}

test("smc push sends the branch, then nothing, then what is new", async () => {
  const first = (await a.ok("rev-parse", "HEAD")).trim();
  expect(await a.ok("push", "-n")).toContain(" * [new branch]          main\n");
  expect(await there()).toEqual({});
  const text = await a.ok("push");
  expect(text).toMatch(
    /^To origin \(file:.*\)\n {2}Checking {3}3 objects, 0 already there\n {2}Sent {7}3 objects, /,
  );
  expect(text).toContain("  Verified   3 digests  ok\n * [new branch]          main\n");
  expect(await there()).toEqual({ "refs/heads/main": first });
  expect(await a.ok("push")).toBe("Everything up-to-date\n");
  const second = await a.commit("second", { "a.txt": "2" });
  expect(await a.ok("push")).toContain(`   ${short(first)}..${short(second)}  main -> main\n`);
  expect(await there()).toEqual({ "refs/heads/main": second });
  await a.commit("another file", { "b.txt": "b" });
  expect(await a.ok("push")).toContain("  Checking   4 objects, 1 already there (50 % of 2 B)\n");
  await a.commit("third", { "a.txt": "3" });
  expect(await a.ok("push", "-q")).toBe(await a.ok("rev-parse", "HEAD"));
  expect(await a.json<Pushed>("push")).toMatchObject({ remote: "origin", url, refs: [], objects: 0 });
});

test("smc push sends tags and branches under other names, and deletes", async () => {
  const head = (await a.ok("rev-parse", "HEAD")).trim();
  await a.ok("tag", "v1.0.0");
  await a.ok("tag", "-m", "second", "v1.1.0");
  await a.ok("branch", "dev");
  expect(await a.ok("push", "origin", "v1.0.0", "dev:work")).toMatch(
    / \* \[new tag\] +v1\.0\.0\n \* \[new branch\] +dev -> work\n$/,
  );
  await a.ok("push", "--all", "--tags");
  expect(Object.keys(await there())).toEqual([
    "refs/heads/dev",
    "refs/heads/main",
    "refs/heads/work",
    "refs/tags/v1.0.0",
    "refs/tags/v1.1.0",
  ]);
  expect(await a.ok("push", "origin", "--delete", "work")).toMatch(/ - \[deleted\] +work\n$/);
  expect(await a.ok("push", "-d", "origin", "dev")).toContain("[deleted]");
  expect(await there()).toMatchObject({ "refs/heads/main": head });
  expect(Object.keys(await there())).not.toContain("refs/heads/work");
});

test("smc push moves a branch back only when it is forced", async () => {
  const before = await there();
  await a.ok("reset", "-q", "--hard", "HEAD~1");
  const other = await a.commit("other", { "a.txt": "other" });
  for (const words of [["push"], ["push", "--all"], ["push", "origin", "main", "dev"]]) {
    const { code, exit, message } = await a.refused(...words);
    expect({ code, exit }).toEqual({ code: "NOT_FAST_FORWARD", exit: 5 });
    expect(message).toMatch(/^! \[rejected\] main \(non-fast-forward\): 'main' there /);
    expect(await there()).toEqual(before);
  }
  expect(await a.ok("push", "--force-with-lease")).toContain("main -> main (forced update)\n");
  expect(await there()).toMatchObject({ "refs/heads/main": other });
  await a.ok("tag", "-f", "v1.0.0");
  expect(await a.refused("push", "origin", "v1.0.0")).toMatchObject({ exit: 5, code: "ALREADY_EXISTS" });
  expect(await a.ok("push", "-f", "origin", "v1.0.0")).toContain("(forced update)");
  await a.ok("reset", "-q", "--hard", "HEAD~1");
  await a.ok("push", "-q", "origin", "+main");
});

test("smc push --mirror makes the remote what is here", async () => {
  await a.ok("branch", "-D", "dev");
  await a.ok("tag", "-d", "v1.1.0");
  await a.ok("push", "--mirror");
  expect(Object.keys(await there())).toEqual(["refs/heads/main", "refs/tags/v1.0.0"]);
});

test.each([
  [["push", "nope"], 3, "REMOTE_NOT_FOUND"],
  [["push", "origin", "nope"], 3, "REVISION_NOT_FOUND"],
  [["push", "--delete"], 2, "USAGE"],
  [["push", "--delete", "origin"], 2, "USAGE"],
  [["push", "--delete", "--all", "origin", "x"], 2, "USAGE"],
  [["push", "--jobs", "0"], 2, "ARGUMENT_INVALID"],
  [["push", "--jobs", "17"], 2, "ARGUMENT_INVALID"],
  [["push", "origin", "main:a..b"], 2, "REF_NAME_INVALID"],
  [["push", "origin", ":"], 2, "ARGUMENT_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  const before = await there();
  expect(await a.refused(...words)).toMatchObject({ exit, code });
  expect(await there()).toEqual(before);
});
