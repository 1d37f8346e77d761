import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

test("smc init makes a worktree of a new repository, named after the folder", async () => {
  mkdirSync(join(box.root, "model"));
  const ran = await box.smc(["init"], { in: "model" });
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  expect(ran.stdout).toMatch(
    /model is worktree of the new repository 'model', on branch main\ncommits are by Ada <ada@example.org>;/,
  );
  expect(await box.ok("repos", "-q")).toBe("model\nwork\n");
});

test("smc init DIR makes the folder; --name, --branch, --json and -q", async () => {
  const answer = await box.json<{ root: string }>(
    "init",
    "--name",
    "acme/detector",
    "-b",
    "trunk",
    "new/folder",
  );
  expect(answer).toMatchObject({ repository: "acme/detector", branch: "trunk", isAttached: false });
  expect(existsSync(join(box.work, "new/folder/.smc"))).toBe(true);
  const ran = await box.smc(["init", "-q", join(box.root, "second"), "--name", "acme/detector"], { in: "." });
  expect(ran).toMatchObject({ code: 0, stdout: `${join(box.root, "second")}\n` });
});

test("smc init in a git work tree keeps .smc/ out of git's sight", async () => {
  const script =
    "mkdir ../gitted && cd ../gitted && git init -q . && echo '*.log' > .gitignore && smc init && git status --porcelain";
  const ran = await box.shell(script);
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain("?? .gitignore\n");
  expect(ran.stdout).not.toContain(".smc/\n");
  expect(readFileSync(join(box.root, "gitted/.gitignore"), "utf8")).toMatch(/^\*\.log\n[\s\S]*\.smc\//);
});

test("smc init is refused where it cannot be", async () => {
  expect((await box.refused("init", "--name", "a b", "x")).code).toBe("REPOSITORY_NAME_INVALID");
  expect((await box.refused("init", "-b", "a..b", "x")).code).toBe("REF_NAME_INVALID");
  expect(await box.refused("init", "a", "b")).toMatchObject({ exit: 2, code: "USAGE" });
  box.write("file", "x");
  expect((await box.refused("init", "file")).exit).toBeGreaterThan(1);
  expect((await box.refused("init", "x".repeat(5000))).exit).toBe(2);
});

test("smc init twice at the same time makes one repository", async () => {
  mkdirSync(join(box.root, "twice"));
  const both = await Promise.all([
    box.smc(["init", "--json"], { in: "twice" }),
    box.smc(["init", "--json"], { in: "twice" }),
  ]);
  expect(both.filter(({ code }) => code === 0).length).toBeGreaterThanOrEqual(1);
  for (const { code } of both) expect([0, 5]).toContain(code);
  expect((await box.ok("repos", "-q", "twice")).trim()).toBe("twice");
});
