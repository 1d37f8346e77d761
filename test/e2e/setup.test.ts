import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("S4.7 smc setup before smc init: copies of models are not committed all the same", async () => {
  mkdirSync(box.path("../later"));
  const later = { in: "later" };
  expect((await box.smc(["setup"], later)).stdout).toContain("Hid copies from smc in ");
  box.write("../later/data/models/backups/m_1.0.0_20260101.pt", "weights");
  // Without a repository only a file or a backup can be meant.
  for (const words of [
    ["activate", "nope.pt"],
    ["restore", "nope.pt", "there.pt"],
  ])
    expect(await box.smc(words, later)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/there is no (file|backup) 'nope\.pt'/),
    });
  await box.smc(["init", "-q"], later);
  await box.smc(["add", "-A"], later);
  expect((await box.smc(["ls-files", "-q"], later)).stdout).toBe("data/models/.smcignore\n");
});

test("S4.7 S4.8 smc setup makes the five folders and says so; a second run changes nothing", async () => {
  const text = await box.ok("setup");
  expect(text.match(/^Made /gm)).toHaveLength(5);
  expect(text).toContain(`Store ${box.home}: the daemon answers\n`);
  const names = [".smcignore", "active", "backups", "cloud", "downloads", "trained"];
  expect(readdirSync(box.path("data/models"))).toEqual(names);
  expect(await box.json("setup")).toMatchObject({ made: [] });
  box.write("data/models/trained/m_1.0.0_20260101.pt", "weights");
  box.write("data/models/downloads/m_1.0.0_20260101.pt", "weights");
  await box.ok("add", "-A");
  const rows = (await box.ok("ls-files", "-q")).trim().split("\n");
  expect(rows).toEqual(["data/models/.smcignore", "data/models/trained/m_1.0.0_20260101.pt"]);
  await box.ok("config", "set", "layout.folder", "models");
  expect(await box.ok("setup", "-q")).toMatch(/work\/models\/trained\n/);
});

test("smc setup takes no words, and makes nothing where a file is in the way", async () => {
  expect(await box.refused("setup", "here")).toMatchObject({ code: "USAGE" });
  await box.ok("config", "set", "layout.folder", "other");
  box.write("other/cloud", "mine");
  expect(await box.refused("setup")).toMatchObject({ code: "WOULD_OVERWRITE", exit: 5 });
});

test("S4.22 smc setup in a git work tree keeps model files out of sight of git; a second run adds nothing", async () => {
  await box.ok("config", "unset", "layout.folder");
  execFileSync("git", ["init", "-q"], { cwd: box.work });
  const path = box.path(".gitignore");
  expect(await box.ok("setup")).toContain(`Hid model files from git in ${path}\n`);
  for (const name of ["data/models/trained/best.pt", "data/models/backups/b.bin", "runs/exp/best.pt"])
    box.write(name, "weights");
  const seen = execFileSync("git", ["status", "--porcelain", "--untracked-files=all"], {
    cwd: box.work,
    encoding: "utf8",
  });
  expect(seen).toContain("?? .gitignore\n");
  expect(seen).not.toMatch(/\.pt|b\.bin/);
  const before = box.read(".gitignore");
  expect(await box.json("setup")).toMatchObject({ gitignore: path, gitignoreChanged: false });
  expect(box.read(".gitignore")).toBe(before);
});
