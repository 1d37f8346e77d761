/** The question before what is live changes, on a real terminal: the pseudo-terminal of util-linux's script(1). */
import { afterAll, expect, test } from "vitest";
import { createSandbox, runProgram, type Ran } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());
await box.commit("one", { "a.bin": "one" }, "--metric", "azi=50.66", "--tag", "v1.0.0");
await box.commit("two", { "a.bin": "two" }, "--metric", "azi=71.28", "--tag", "v1.0.1");
await box.ok("promote", "v1.0.0", "--reason", "first", "--yes");

const readAudit = async (): Promise<readonly unknown[]> =>
  (await box.json<{ entries: unknown[] }>("audit")).entries;

/** `smc promote v1.0.1` with these keys typed. */
function promoteAndType(keys: string): Promise<Ran> {
  const line = `"$SMC_TEST_NODE" "$SMC_TEST_BIN" promote v1.0.1 --reason better`;
  const env = { ...box.env, SMC_TEST_NODE: process.execPath, SMC_TEST_BIN: box.bin };
  return runProgram("script", ["-qec", line, "/dev/null"], { cwd: box.work, env, stdin: keys });
}

test.each([
  ["n", "n\n"],
  ["nothing but Enter", "\n"],
  ["something else", "maybe\n"],
  ["the end of the input", "\u0004"],
])("%s is no: exit 8, nothing moves, and the audit log says so", async (_name, keys) => {
  const before = (await readAudit()).length;
  const ran = await promoteAndType(keys);
  expect(ran.stdout).toContain("About to move champion  v1.0.0 -> v1.0.1  (azi 50.66 -> 71.28)");
  expect(ran.stdout).toContain("Proceed? [y/N] ");
  expect([ran.code, ran.stdout]).toEqual([8, expect.stringContaining("declined; nothing was changed")]);
  expect(await box.ok("champion", "-q")).toBe(await box.ok("rev-parse", "v1.0.0"));
  const entries = await readAudit();
  expect(entries).toHaveLength(before + 1);
  expect(JSON.stringify(entries)).toContain("declined");
});

test("y is yes", async () => {
  const ran = await promoteAndType("y\n");
  expect([ran.code, ran.stdout]).toEqual([0, expect.stringContaining("v1.0.0 -> v1.0.1")]);
  expect(await box.ok("champion", "-q")).toBe(await box.ok("rev-parse", "v1.0.1"));
});
