import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Row {
  readonly digest: string;
  readonly parents: readonly string[];
  readonly author: string;
  readonly date: string;
  readonly message: string;
  readonly refs: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly params: Readonly<Record<string, unknown>>;
}

test("smc log before the first commit is refused", async () => {
  expect(await box.refused("log")).toMatchObject({ exit: 3, code: "REVISION_NOT_FOUND" });
});

test("smc log --json is an array, newest first", async () => {
  const one = await box.commit("one", { "a.txt": "1" }, "--metric", "acc=0.5", "--param", "lr=0.1");
  const two = await box.commit("two\n\nbody", { "a.txt": "2" }, "--metric", "acc=0.7");
  await box.ok("tag", "v1.0.0", "HEAD~1");
  const rows = await box.json<Row[]>("log");
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({
    digest: two,
    parents: [one],
    author: "Ada <ada@example.org>",
    message: "two\n\nbody",
    metrics: { acc: 0.7 },
  });
  expect(rows[1]).toMatchObject({ digest: one, parents: [], metrics: { acc: 0.5 }, params: { lr: 0.1 } });
  expect(rows[1]?.refs).toContain("refs/tags/v1.0.0");
  expect(Math.abs(Date.parse(rows[0]?.date ?? "") - Date.now())).toBeLessThan(600_000);
});

test("smc log prints decorations, author, date, metrics and the whole message", async () => {
  const text = await box.ok("log");
  expect(text).toMatch(/^commit [0-9a-f]{64} \(HEAD -> main\)\nAuthor: {2}Ada <ada@example.org>\nDate: /);
  for (const part of ["Metrics: acc=0.7\n", "(tag: v1.0.0)", "Params:  lr=0.1\n", "    two\n\n    body\n"])
    expect(text).toContain(part);
});

test("smc log --oneline, -n and -1 are short", async () => {
  expect(await box.ok("log", "--oneline", "-1")).toMatch(
    /^[0-9a-f]{9} \(HEAD -> main\) two: acc=0\.7 +\w+ ?\w*  \d+ B\n$/,
  );
  expect((await box.ok("log", "-q", "-n", "1")).split("\n")).toHaveLength(2);
  expect(await box.ok("log", "-n", "0")).toBe("");
});

test("smc log takes ranges, paths, --since, --author", async () => {
  await box.commit("three", { "b.txt": "3" });
  const two = (await box.ok("rev-parse", "HEAD~1")).trim();
  expect((await box.ok("log", "-q", "v1.0.0..HEAD~1")).trim()).toBe(two);
  expect((await box.ok("log", "-q", "--", "b.txt")).trim().split("\n")).toHaveLength(1);
  expect(await box.ok("log", "-q", "--since", "2999-01-01")).toBe("");
  expect((await box.ok("log", "-q", "--author", "ada")).trim().split("\n")).toHaveLength(3);
});

test("ask 11 smc log --metric tells changes and the best, --spark draws them", async () => {
  const text = await box.ok("log", "--metric", "acc");
  expect(text).toMatch(
    /0\.7 +\+0\.2 +best +[0-9a-f]{9} two\n +0\.5 +[0-9a-f]{9} \(tag: v1\.0\.0\) one\nacc {2}0\.5 ▁█ 0\.7\n$/,
  );
  expect(await box.ok("log", "--metric", "acc", "--spark")).toBe("acc  0.5 ▁█ 0.7\n");
  expect(await box.refused("log", "--spark")).toMatchObject({ code: "USAGE", exit: 2 });
});

test("smc log --graph draws branches", async () => {
  await box.ok("switch", "-q", "-c", "side", "HEAD~1");
  await box.commit("side", { "c.txt": "c" });
  await box.ok("switch", "-q", "main");
  await box.ok("merge", "-q", "side", "-m", "merged");
  const lines = (await box.ok("log", "--graph", "--oneline")).trimEnd().split("\n");
  expect(lines[0]).toMatch(/^\* +[0-9a-f]{9} \(HEAD -> main\) merged/);
  expect(lines[1]?.trim()).toBe("|\\");
  expect(lines.some((line) => /^(\| \*|\* \|)/.test(line))).toBe(true);
});

test.each([
  [["log", "v9"], 3, "REVISION_NOT_FOUND"],
  [["log", "-n", "-1"], 2, "ARGUMENT_INVALID"],
  [["log", "-n", "1e9"], 2, "ARGUMENT_INVALID"],
  [["log", "--since", "soon"], 2, "DATE_INVALID"],
  [["log", "--onelin"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

test("smc log | head ends quietly when the reader goes away", async () => {
  const script = 'smc log --json | head -c 1; echo "${PIPESTATUS[0]}"; smc log > /dev/full; echo "$?"';
  const ran = await box.shell(script);
  const [closed, full] = ran.stdout.slice(1).trim().split("\n");
  expect(["0", "141"]).toContain(closed);
  expect(full).toBe("11");
  expect(ran.stderr).toBe(
    "error: cannot write to standard output: no space left on the device\nhint: free some space and run the command again\n",
  );
});
