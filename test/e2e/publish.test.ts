/** The seed's way of a new model to where it is used. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

test("S4.10 train, backup, upload, activate: four commands, each in the audit log", async () => {
  await using box = await createSandbox();
  const bucket = join(box.root, "bucket");
  mkdirSync(bucket);
  await box.ok("setup");
  await box.ok("remote", "add", "origin", `file://${bucket}`);
  const path = "data/models/trained/convnext_1.0.0_20260101.pt";
  const weights = box.write(path, "weights of a training");
  await box.ok("add", path);
  const before = (await box.json<{ entries: unknown[] }>("audit")).entries.length;
  await box.ok("commit", "-q", "-m", "trained");
  await box.ok("backup", path);
  await box.ok("upload", "-q", path, "convnext.pt");
  await box.ok("activate", path, "--yes");
  const { entries } = await box.json<{ entries: { op: string }[] }>("audit");
  const ops = entries.slice(0, entries.length - before).map(({ op }) => op);
  expect(new Set(ops)).toEqual(new Set(["commit", "backup", "upload", "activate"]));
  expect(box.digest("data/models/active/convnext_1.0.0_20260101.pt")).toBe(weights);
  await box.ok("download", "convnext.pt");
  expect(box.digest("data/models/downloads/convnext.pt")).toBe(weights);
});
