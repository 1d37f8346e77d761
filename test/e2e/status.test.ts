import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Status {
  readonly branch: string | null;
  readonly head: string | null;
  readonly staged: readonly { path: string; change: string }[];
  readonly modified: readonly string[];
  readonly deleted: readonly string[];
  readonly untracked: readonly string[];
}

test("smc status of a new worktree says that there are no commits", async () => {
  expect(await box.json<Status>("status")).toMatchObject({
    branch: "main",
    head: null,
    staged: [],
    modified: [],
    deleted: [],
    untracked: [],
  });
  expect(await box.ok("status")).toContain("On branch main\nNo commits yet\n");
});

test("smc status tells staged, changed, deleted and untracked files", async () => {
  const head = await box.commit("one", { "a.txt": "a", "b.txt": "b", "c.txt": "c" });
  expect(await box.ok("status")).toContain("nothing to commit, worktree clean\n");
  box.write("a.txt", "changed");
  await box.ok("rm", "-q", "b.txt");
  await box.ok("rm", "-q", "--cached", "c.txt");
  box.write("new.txt", "new");
  await box.ok("add", "new.txt");
  box.write("new.txt", "newer");
  expect(await box.json<Status>("status")).toMatchObject({
    branch: "main",
    head,
    staged: [
      { path: "b.txt", change: "deleted" },
      { path: "c.txt", change: "deleted" },
      { path: "new.txt", change: "added" },
    ],
    modified: ["a.txt", "new.txt"],
    deleted: [],
    untracked: ["c.txt"],
  });
  const text = await box.ok("status");
  for (const part of [
    'use "smc restore --staged <path>"',
    "new file:   new.txt",
    "modified:   a.txt",
    "Untracked:",
  ]) {
    expect(text).toContain(part);
  }
});

test("smc status --porcelain and -q are for scripts", async () => {
  expect(await box.ok("status", "--porcelain")).toBe(" M a.txt\nD  b.txt\nD  c.txt\nAM new.txt\n?? c.txt\n");
  expect(await box.ok("status", "-q")).toBe("b.txt\nc.txt\nnew.txt\na.txt\n");
});

test("smc status --exit-code is 1 when something differs", async () => {
  expect((await box.smc(["status", "--exit-code"])).code).toBe(1);
  expect((await box.smc(["status"])).code).toBe(0);
  await box.commit("two");
  expect((await box.smc(["status", "--exit-code"])).code).toBe(0);
});

test("smc status outside of a worktree is refused with what to do", async () => {
  const ran = await box.smc(["status"], { in: "." });
  expect(ran).toMatchObject({ code: 3, stdout: "" });
  expect(ran.stderr).toContain('hint: make one with "smc init"');
});

test("smc status names an untracked folder, and with -u all its files", async () => {
  box.write("folder/a.txt", "a");
  box.write("folder/b.txt", "b");
  expect(await box.ok("status", "--porcelain")).toBe("?? folder/\n");
  expect(await box.ok("status", "--porcelain", "-u", "all")).toBe("?? folder/a.txt\n?? folder/b.txt\n");
  expect(await box.refused("status", "-u", "none")).toMatchObject({ exit: 2, code: "ARGUMENT_INVALID" });
});
