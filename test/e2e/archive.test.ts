import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

await box.commit("one", { "a.bin": "1" }, "--tag", "v1.0.0");
await box.commit("two", { "a.bin": "2" }, "--tag", "v1.0.1");

test("S3.3 smc archive needs a reason and keeps it", async () => {
  expect(await box.refused("archive", "v1.0.0")).toMatchObject({ exit: 2, code: "ARGUMENT_INVALID" });
  expect(await box.ok("archive", "v1.0.0", "--reason", "Azi rendah")).toBe("Archived v1.0.0\n");
  expect(await box.ok("show", "archive/v1.0.0")).toContain("Azi rendah");
  expect(await box.ok("show", "v1.0.0")).toMatch(
    /^Archived as v1\.0\.0 on .* by Ada <ada@example\.org>:\n {4}Azi rendah$/m,
  );
  expect(await box.ok("rollback", "--list")).toContain("Azi rendah");
});

test("S3.17 archived versions are not lost: tag, branch, rm are refused, gc keeps their files", async () => {
  await box.ok("branch", "old", "v1.0.0");
  for (const words of [
    ["tag", "-d", "v1.0.0"],
    ["tag", "-f", "v1.0.0", "v1.0.1"],
    ["rm", "v1.0.0"],
  ])
    expect(await box.refused(...words)).toMatchObject({ exit: 5, code: "REF_PROTECTED" });
  // The tag is its name, and stays.
  await box.ok("branch", "-D", "old");
  await box.ok("gc", "--keep-last", "1", "--older-than", "0 days", "--grace", "0 days");
  expect(await box.ok("cat", "v1.0.0:a.bin")).toBe("1");
  const refused = await box.refused("gc", "--prune-all", "--older-than", "0 days", "--grace", "0 days");
  expect(refused).toMatchObject({ exit: 5, code: "REF_PROTECTED" });
  expect(refused.message).toContain("work v1.0.0");
  expect(await box.ok("cat", "v1.0.0:a.bin")).toBe("1");
  await box.ok("fsck", "--full");
});

test("S4.21 smc archive --unused -n tells which versions nothing uses", async () => {
  await box.commit("three", { "a.bin": "3" });
  expect(await box.ok("archive", "--unused", "90d", "-n")).toBe("");
  expect(await box.ok("archive", "--unused", "0d", "-n")).toBe("Would archive v1.0.1\n");
  expect(await box.ok("archive", "-q", "--unused", "0d", "--reason", "old")).toBe("v1.0.1\n");
});
