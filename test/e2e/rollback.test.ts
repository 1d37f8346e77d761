import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const commits: string[] = [];
for (const [version, azi] of [
  ["v1.0.0", 50.66],
  ["v1.0.1", 71.28],
] as const) {
  commits.push(await box.commit(version, { "a.bin": version }, "--metric", `azi=${azi}`, "--tag", version));
  await box.ok("promote", version, "--reason", `promoted ${version}`, "--yes");
}

test("S3.16 smc rollback --list prints archived versions with date, metric and reason", async () => {
  expect(await box.ok("rollback", "--list")).toMatch(
    /^\* v1\.0\.0 {2}\d{4}-\d\d-\d\d {2}azi 50\.66 {2}promoted v1\.0\.1\n$/,
  );
});

test("S3.20 ask 2 smc rollback without an argument goes back to the champion before", async () => {
  expect(await box.ok("rollback", "--reason", "drift", "--yes")).toBe(
    "Moved champion  v1.0.1 -> v1.0.0\n  archived   v1.0.1\n  unarchived v1.0.0\n",
  );
  expect(await box.ok("rev-parse", "champion")).toBe(`${commits[0]}\n`);
  expect(await box.refused("rollback", "--yes")).toMatchObject({ exit: 3, code: "REVISION_NOT_FOUND" });
});

test("S3.15 smc rollback --version tells from, to, reason and when", async () => {
  expect(await box.json("rollback", "--version", "1.0.1", "--reason", "fixed", "--yes")).toMatchObject({
    from: { version: "v1.0.0", commit: commits[0] },
    to: { version: "v1.0.1", commit: commits[1] },
    reason: "fixed",
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  });
  const ran = await box.smc(["rollback"]);
  expect([ran.code, ran.stderr]).toEqual([
    8,
    expect.stringContaining("About to move champion  v1.0.1 -> v1.0.0  (azi 71.28 -> 50.66)\n"),
  ]);
});
