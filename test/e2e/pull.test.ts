import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" } });
afterAll(() => two[Symbol.asyncDispose]());
const { a } = two;

test("smc pull moves branch and files forward", async () => {
  const second = await a.commit("second", { "a.txt": "2", "new/b.txt": "b" });
  await a.ok("push", "-q");
  const text = await two.inClone("pull", "--ff-only");
  expect(text).toContain(`Fast-forward to ${second.slice(0, 9)}\n1 added, 1 modified, 0 deleted\n`);
  expect(readFileSync(two.clonePath("new/b.txt"), "utf8")).toBe("b");
  expect(await two.inClone("pull")).toBe("Already up to date.\n");
  const third = await a.commit("third", { "a.txt": "3" });
  await a.ok("push", "-q");
  expect(await two.inClone("pull", "-q", "origin", "main")).toBe(`${third}\n`);
});

test("smc pull overwrites no local change", async () => {
  await a.commit("fourth", { "a.txt": "4" });
  await a.ok("push", "-q");
  writeFileSync(two.clonePath("a.txt"), "mine");
  const ran = await two.ranInClone("pull", "--json");
  expect(ran.code).toBe(5);
  const hint: unknown = expect.stringContaining("smc checkout");
  expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: "WOULD_OVERWRITE", hint } });
  expect(readFileSync(two.clonePath("a.txt"), "utf8")).toBe("mine");
  await two.inClone("restore", "a.txt");
  await two.inClone("pull");
});

test("smc pull refuses what is no fast-forward, and merge joins it", async () => {
  const mine = await two.commitInClone("mine.txt", "mine");
  await a.commit("fifth", { "a.txt": "5" });
  await a.ok("push", "-q");
  const ran = await two.ranInClone("pull");
  expect(ran.code).toBe(5);
  expect(ran.stderr).toContain(
    'hint: join the two with "smc merge origin/main", or put yours behind theirs with "smc pull --rebase"',
  );
  expect(await two.inClone("rev-parse", "HEAD")).toBe(`${mine}\n`);
  expect(await two.inClone("status")).toContain("have diverged: 1 commit here, 1 there.\n");
  await two.inClone("merge", "-q", "origin/main");
  expect(await two.inClone("status")).toContain("is ahead of 'origin/main' by 2 commits.\n");
  await two.inClone("push", "-q");
  await a.ok("pull");
  expect(a.read("mine.txt")).toBe("mine");
});

test("smc pull --rebase puts commits behind those of the remote, or changes nothing", async () => {
  const mine = await two.commitInClone("mine.txt", "again");
  const theirs = await a.commit("sixth", { "a.txt": "6" });
  await a.ok("push", "-q");
  const text = await two.inClone("pull", "--rebase");
  const head = (await two.inClone("rev-parse", "HEAD")).trim();
  expect(text).toContain(`${mine.slice(0, 9)} -> ${head.slice(0, 9)}\nRebased, now at ${head.slice(0, 9)}\n`);
  expect(await two.inClone("rev-parse", "HEAD~1")).toBe(`${theirs}\n`);
  await two.inClone("push", "-q");
  await a.ok("pull", "-q");
  await a.commit("seventh", { "mine.txt": "theirs" });
  await a.ok("push", "-q");
  const kept = await two.commitInClone("mine.txt", "mine");
  const ran = await two.ranInClone("pull", "--rebase");
  expect(ran.code).toBe(5);
  expect(ran.stderr).toContain("both sides changed 'mine.txt'; nothing was changed");
  expect(await two.inClone("rev-parse", "HEAD")).toBe(`${kept}\n`);
  expect((await two.ranInClone("pull", "--rebase", "--ff-only")).code).toBe(2);
  await two.inClone("reset", "-q", "--hard", "origin/main");
});

test("smc pull on a branch that the remote does not have, and without a branch", async () => {
  await two.inClone("switch", "-q", "-c", "mian");
  const ran = await two.ranInClone("pull");
  expect(ran.code).toBe(3);
  expect(ran.stderr).toContain("hint: did you mean: main");
  await two.inClone("switch", "-q", "--detach", "HEAD");
  expect((await two.ranInClone("pull")).code).toBe(2);
});
