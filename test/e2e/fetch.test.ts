import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" } });
afterAll(() => two[Symbol.asyncDispose]());
const { a } = two;
const short = (digest: string): string => digest.slice(0, 9);

test("smc fetch brings branches and tags and moves nothing of ours", async () => {
  const first = (await a.ok("rev-parse", "HEAD")).trim();
  expect(await two.inClone("fetch")).toBe("Already up to date.\n");
  const second = await a.commit("second", { "a.txt": "2" });
  await a.ok("tag", "v1.0.0");
  await a.ok("branch", "dev");
  await a.ok("push", "-q", "--all", "--tags");
  const text = await two.inClone("fetch");
  expect(text).toMatch(
    /^From origin \(file:.*\)\n {2}Received {3}3 objects, .*\n {2}Verified {3}1 file {2}ok\n/,
  );
  for (const line of [
    `   ${short(first)}..${short(second)}  main -> origin/main\n`,
    " * [new branch]          dev -> origin/dev\n",
    " * [new tag]             v1.0.0\n",
  ])
    expect(text).toContain(line);
  expect((await two.inClone("rev-parse", "HEAD", "origin/main", "v1.0.0")).split("\n")).toEqual([
    first,
    second,
    second,
    "",
  ]);
  expect(await two.inClone("log", "-q", "main..origin/main")).toBe(`${second}\n`);
  expect(await two.inClone("branch", "-r", "-q")).toBe("origin/dev\norigin/main\n");
  expect(JSON.parse(await two.inClone("fetch", "--json"))).toMatchObject({
    remote: "origin",
    refs: [],
    skipped: [],
    objects: 0,
  });
});

test("smc fetch takes what is named, and forgets what is gone with --prune only", async () => {
  await a.commit("third", { "a.txt": "3" });
  await a.ok("branch", "one");
  await a.ok("branch", "two");
  await a.ok("push", "-q", "--all");
  expect(await two.inClone("fetch", "-q", "origin", "one")).toBe(await a.ok("rev-parse", "one"));
  expect(await two.inClone("branch", "-r", "-q")).toBe("origin/dev\norigin/main\norigin/one\n");
  await a.ok("push", "-q", "-d", "origin", "dev");
  await two.inClone("fetch");
  expect(await two.inClone("branch", "-r", "-q")).toBe("origin/dev\norigin/main\norigin/one\norigin/two\n");
  expect(await two.inClone("fetch", "--prune")).toContain(" - [deleted]             origin/dev\n");
  expect(await two.inClone("branch", "-r", "-q")).toBe("origin/main\norigin/one\norigin/two\n");
});

test("smc fetch keeps a tag of ours that is another object there, and says so", async () => {
  await two.inClone("tag", "v2");
  await a.ok("tag", "v2");
  await a.ok("push", "-q", "origin", "v2");
  const mine = await two.inClone("rev-parse", "v2");
  const ran = await two.ranInClone("fetch");
  expect(ran.code).toBe(0);
  expect(ran.stderr).toContain("hint: left out refs/tags/v2: ");
  expect(await two.inClone("rev-parse", "v2")).toBe(mine);
});

test.each([
  [["fetch", "nope"], 3, "REMOTE_NOT_FOUND"],
  [["fetch", "origin", "nope"], 3, "REVISION_NOT_FOUND"],
])("smc %j is refused", async (words, exit, code) => {
  const ran = await two.ranInClone("--json", ...words);
  expect(ran.code).toBe(exit);
  expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code } });
});
