import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" } });
afterAll(() => two[Symbol.asyncDispose]());
const { a } = two;

test("smc sync takes what is new and gives what is new", async () => {
  await a.commit("second", { "a.txt": "2" });
  await a.ok("tag", "v2");
  expect(await a.ok("sync")).toMatch(/\[new tag\] +v2/);
  const taken = await two.inClone("sync");
  expect(taken).toMatch(/Fast-forward to [0-9a-f]{9}\nEverything up-to-date\n$/);
  expect(readFileSync(two.clonePath("a.txt"), "utf8")).toBe("2");
  const third = await two.commitInClone("b.txt", "b");
  expect(await two.inClone("sync", "origin")).toMatch(/\.\.[0-9a-f]+ +main -> main\n$/);
  expect(await a.ok("sync", "-q")).toBe(`${third}\n`);
  expect(a.read("b.txt")).toBe("b");
});

test("smc sync refuses where both sides have commits, and says what to do", async () => {
  await two.commitInClone("c.txt", "c");
  await two.inClone("sync");
  await a.commit("mine", { "d.txt": "d" });
  const before = await a.ok("ls-remote");
  const ran = await a.smc(["sync"]);
  expect(ran.code).toBe(5);
  expect(ran.stderr).toContain('hint: join the two with "smc merge origin/main"');
  expect(await a.ok("ls-remote")).toBe(before);
});

test("smc sync --mirror makes the remote what is here", async () => {
  const head = (await two.inClone("rev-parse", "HEAD")).trim();
  await two.inClone("push", "origin", "HEAD:refs/heads/old");
  expect(await two.inClone("sync", "--mirror", "--json")).toContain('"fetched":null');
  expect(await a.ok("ls-remote", "--heads")).toBe(`${head}\trefs/heads/main\n`);
});
