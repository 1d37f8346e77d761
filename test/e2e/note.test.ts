import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("S4.17 smc note adds to what is known of a version, and show tells it", async () => {
  await box.commit("one", { m: "1" }, "--metric", "azi=50.66", "--tag", "v1.0.0");
  expect(await box.ok("note", "v1.0.0")).toBe("");
  expect(await box.ok("note", "v1.0.0", "-m", "drifts on site 3")).toMatch(/^Noted about [0-9a-f]{9}\n$/);
  await box.ok("note", "v1.0.0", "-m", "test set of May", "--metric", "azi=49");
  expect(await box.json("note", "v1.0.0")).toMatchObject({
    action: "list",
    notes: [
      { text: "drifts on site 3", kind: "text", author: "Ada <ada@example.org>" },
      { kind: "evaluation", metrics: { azi: 49 } },
    ],
  });
  const shown = await box.ok("show", "v1.0.0");
  expect(shown).toContain("    drifts on site 3\n");
  expect(shown).toContain("Metrics: azi=49\n");
  expect(await box.ok("log", "--oneline", "--all")).toMatch(/^[0-9a-f]{9} \(.*\) one: azi=49 .*\n$/);
  expect(await box.ok("refs", "-q")).not.toContain("notes");
  await box.ok("gc");
  expect(await box.ok("note", "v1.0.0")).toContain("test set of May");
});

test.each([
  [["note", "v9", "-m", "x"], 3, "REVISION_NOT_FOUND"],
  [["note", "v1.0.0", "-m", " "], 2, "MESSAGE_INVALID"],
  [["note", "v1.0.0", "text"], 2, "USAGE"],
  [["note", "v1.0.0", "--metric", "azi=low"], 2, "ARGUMENT_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
