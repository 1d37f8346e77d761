import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" } });
afterAll(() => two[Symbol.asyncDispose]());
const { a } = two;

test("smc outdated tells what is different there, and fetches nothing", async () => {
  expect(await two.inClone("outdated")).toBe("Everything is as on origin\n");
  expect((await two.ranInClone("outdated", "--exit-code")).code).toBe(0);
  const first = (await a.ok("rev-parse", "HEAD")).trim();
  const second = await a.commit("second", { "a.txt": "2" });
  await a.ok("tag", "v1.0.0");
  await a.ok("push", "-q", "--all", "--tags");
  const [here, there] = [first.slice(0, 9), second.slice(0, 9)];
  expect((await two.inClone("outdated")).split("\n")).toEqual([
    "REF            HERE       THERE      STATE",
    `origin/main    ${here}  ${there}  behind: fetch it`,
    `origin/v1.0.0  -          ${there}  new there`,
    "",
  ]);
  expect(await two.ranInClone("outdated", "--exit-code", "-q")).toMatchObject({
    code: 1,
    stdout: "origin refs/heads/main\norigin refs/tags/v1.0.0\n",
  });
  expect(JSON.parse(await two.inClone("outdated", "--json", "origin"))).toMatchObject({
    remotes: [{ name: "origin", refs: 2 }],
    refs: [{ name: "refs/heads/main", state: "behind", behind: null }, { state: "new" }],
  });
  await two.inClone("fetch");
  expect(await two.inClone("outdated")).toContain("behind by 1 commit\n");
  await two.inClone("pull");
  await two.commitInClone("b.txt", "b");
  expect(await two.inClone("outdated")).toContain("ahead by 1 commit\n");
});

test("smc outdated tells what the other remotes have when one is away, and ends with its exit status", async () => {
  await two.inClone("remote", "add", "--no-test", "away", "file:///nonexistent/nas");
  const ran = await two.ranInClone("outdated");
  expect(ran.code).not.toBe(0);
  expect(ran.code).toBe((await two.ranInClone("outdated", "away")).code);
  expect(ran.stderr).toContain("away was not asked: ");
  expect(ran.stdout).toContain("ahead by 1 commit\n");
  await two.inClone("remote", "remove", "away");
});

test("smc outdated asks every remote, and says which it does not know", async () => {
  const { code } = await a.refused("outdated", "nope");
  expect(code).toBe("REMOTE_NOT_FOUND");
  await a.ok("remote", "remove", "origin");
  expect(await a.refused("outdated")).toMatchObject({ exit: 3, code: "REMOTE_NOT_FOUND" });
});
