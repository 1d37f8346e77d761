import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const digest = box.write("best.pt", "weights".repeat(1000));
await box.commit("first", { ".smcignore": "data/\n" });

test("S4.5 smc restore-backup brings a file back to data/models/trained/, byte for byte", async () => {
  await box.ok("backup", "best.pt", "mine.pt");
  expect(await box.ok("restore-backup", "mine.pt")).toMatch(/^Restored .*trained\/mine\.pt, .*verified\n$/);
  expect(box.digest("data/models/trained/mine.pt")).toBe(digest);
  await box.ok("restore-backup", "mine.pt", "restored.pt");
  expect(box.digest("restored.pt")).toBe(digest);
});

test("S4.5 smc restore-backup refuses a damaged backup before it writes", async () => {
  box.write("data/models/backups/mine.pt", "x".repeat(7000));
  expect(await box.refused("restore-backup", "mine.pt", "other.pt")).toMatchObject({
    code: "OBJECT_CORRUPT",
    exit: 4,
  });
  expect(await box.ok("status", "--porcelain")).not.toContain("other.pt");
});

test("smc restore-backup makes a store of the backup of a store", async () => {
  await box.ok("backup", "--store", "all");
  await box.ok("restore-backup", "all.tar", "../again");
  const again = box.path("../again");
  try {
    expect(await box.ok("--store", again, "repos", "-q")).toBe("work\n");
    expect(await box.json("--store", again, "fsck", "--full")).toMatchObject({ ok: true });
    expect(await box.ok("--store", again, "--repo", "work", "cat", "main:best.pt")).toContain("weights");
  } finally {
    await box.ok("--store", again, "daemon", "stop");
  }
});

test.each([
  [["restore-backup", "nope.pt"], 3, "PATH_NOT_FOUND"],
  [["restore-backup", "best.pt"], 2, "FILE_MALFORMED"],
  [["restore-backup", "all.tar"], 2, "USAGE"],
  [["restore-backup", "all.tar", "data"], 5, "WOULD_OVERWRITE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
