import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

await box.commit(
  "one",
  { "a.bin": "1" },
  "--metric",
  "mag=98.36",
  "--metric",
  "azi=50.66",
  "--tag",
  "v1.0.0",
);
await box.commit(
  "two",
  { "a.bin": "2" },
  "--metric",
  "mag=97.63",
  "--metric",
  "azi=71.28",
  "--tag",
  "v1.0.1",
);

test("smc promote makes a champion and archives the one before", async () => {
  expect(await box.ok("promote", "v1.0.0", "--reason", "first", "--yes")).toBe("Moved champion  v1.0.0\n");
  expect(await box.ok("promote", "v1.0.1", "--reason", "azi", "-y")).toBe(
    "Moved champion  v1.0.0 -> v1.0.1\n  archived   v1.0.0\n",
  );
  expect(await box.ok("promote", "1.0.1", "--reason", "azi", "-y")).toBe("v1.0.1 is champion already\n");
  expect(await box.ok("promote", "v1.0.0", "--to", "challenger", "--reason", "again")).toMatch(
    /^Moved challenger/,
  );
});

test("S3.18 smc promote --require: a worse one is refused with a table, --force goes on and is audited", async () => {
  await box.ok("promote", "v1.0.0", "--reason", "start", "--yes");
  const gate = "azi>=champion.azi and mag>=champion.mag";
  const words = ["promote", "v1.0.1", "--require", gate, "--reason", "trade-off"];
  const ran = await box.smc(words);
  expect([ran.code, ran.stdout]).toEqual([
    1,
    `not met: ${gate}\n  TERM               LEFT   RIGHT\n  mag>=champion.mag  97.63  98.36\n`,
  ]);
  expect(await box.ok("champion", "-q")).toBe(await box.ok("rev-parse", "v1.0.0"));
  expect(await box.ok(...words.with(3, `${gate}-1`), "--yes")).toContain("v1.0.0 -> v1.0.1");
  await box.ok(
    "promote",
    "v1.0.0",
    "--require",
    "azi > champion.azi",
    "--force",
    "--reason",
    "old one",
    "-y",
  );
  expect(await box.ok("audit", "--ref", "champion", "-n", "1")).toContain(
    "promote: old one (forced: not azi > champion.azi)",
  );
});

test("smc promote asks: without a terminal it is refused, told, and written down", async () => {
  const ran = await box.smc(["promote", "v1.0.1", "--reason", "azi"]);
  expect(ran.code).toBe(8);
  expect(ran.stderr).toContain(
    "About to move champion  v1.0.0 -> v1.0.1  (azi 50.66 -> 71.28, mag 98.36 -> 97.63)\n",
  );
  expect(ran.stderr).toContain("  reason: azi\n");
  expect(await box.ok("audit", "-n", "1")).toContain("declined: champion v1.0.0 -> v1.0.1 (azi)");
});

test("smc promote shows where a condition is wrong", async () => {
  const ran = await box.smc(["promote", "v1.0.1", "--reason", "x", "--require", "azi >= = 3"]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("  azi >= = 3\n         ^\n");
});

test.each([
  [["promote", "v1.0.1", "-y"], 2, "ARGUMENT_INVALID"],
  [["promote", "v9", "--reason", "x", "-y"], 3, "REVISION_NOT_FOUND"],
  [["promote", "v1.0.1", "--reason", "x", "--require", "nope > 1"], 2, "EXPRESSION_INVALID"],
  [["promote", "v1.0.1", "--reason", "x"], 8, "CONFIRMATION_NEEDED"],
  [["tag", "-d", "v1.0.1"], 5, "REF_PROTECTED"],
  [["tag", "-f", "v1.0.0", "v1.0.1"], 5, "REF_PROTECTED"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
