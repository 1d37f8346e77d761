import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Result {
  readonly path: string;
  readonly backup: string | null;
  readonly activated: boolean;
}

test("S4.11 smc activate backs the old file up and swaps", async () => {
  box.write("data/models/trained/old_model.pt", "old");
  box.write("data/models/downloads/my_model.pt", "new");
  expect(await box.ok("activate", "old_model.pt", "--yes")).toMatch(/^Active: .*active\/old_model\.pt\n$/);
  expect(await box.refused("activate", "my_model.pt")).toMatchObject({
    code: "CONFIRMATION_NEEDED",
    exit: 8,
  });
  expect(readdirSync(box.path("data/models/active"))).toEqual(["old_model.pt"]);
  const { backup } = await box.json<Result>("activate", "my_model.pt", "-y");
  expect(basename(backup ?? "")).toMatch(/^old_model_backup_\d{8}_\d{6}\.pt$/);
  expect(readdirSync(box.path("data/models/active"))).toEqual(["my_model.pt"]);
  expect(await box.ok("activate", "my_model.pt")).toMatch(/is active already\n$/);
  // Nobody ran "smc setup": copies stay out of versions all the same.
  await box.ok("add", "-A");
  expect((await box.ok("ls-files", "-q")).trim().split("\n")).toEqual([
    "data/models/.smcignore",
    "data/models/trained/old_model.pt",
  ]);
});

test("S4.12 smc restore BACKUP --activate brings a backup back and makes it active", async () => {
  box.write("best.pt", "weights");
  const path = (await box.ok("backup", "best.pt", "-q")).trim();
  const name = basename(path);
  expect(await box.ok("backups", "-q")).toContain(name);
  const text = await box.ok("restore", name, "--activate", "--yes");
  expect(text).toContain(`trained/${name}`);
  expect(text).toMatch(/\nActive: .*active\/best\.pt\n$/);
  expect(box.read("data/models/active/best.pt")).toBe("weights");
});

test("smc restore stays git's for paths, and restores backups by their names", async () => {
  box.write("best.pt", "weights");
  await box.commit("first", { ".smcignore": "data/\n" });
  await box.ok("backup", "best.pt", "copy.pt");
  await box.ok("backup", "best.pt", "best.pt");
  box.write("best.pt", "changed");
  expect(await box.ok("restore", "best.pt")).toBe("1 file restored\n");
  expect(await box.ok("restore", "copy.pt", "again.pt")).toMatch(/^Restored .*again\.pt, 7 B, verified\n$/);
  expect(await box.refused("restore", "nope.pt")).toMatchObject({ code: "PATH_NOT_FOUND", exit: 3 });
  expect((await box.refused("restore", "nope.pt")).message).not.toContain("backup");
  expect(await box.refused("restore", "-s", "HEAD", "copy.pt")).toMatchObject({ code: "PATH_NOT_FOUND" });
  await box.ok("backup", "HEAD", "version");
  expect(await box.refused("restore", "version.tar", "--activate", "-y")).toMatchObject({ exit: 2 });
});
