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

test("S4.17 smc note FILE adds to what is known of a file, and show and list tell it", async () => {
  box.write("data/models/trained/best.pt", "weights");
  expect(await box.ok("note", "best.pt", "-m", "for site 3")).toMatch(
    /^Noted about \/.*trained\/best\.pt\n$/,
  );
  await box.ok("note", "data/models/trained/best.pt", "-m", "drifts");
  expect(await box.ok("note", "best.pt")).toMatch(
    /^note by Ada .*\n {4}for site 3\nnote by Ada .*\n {4}drifts\n$/,
  );
  expect(await box.json("show", "best.pt")).toMatchObject({
    isAsRecorded: true,
    notes: [{ text: "for site 3", author: "Ada <ada@example.org>" }, { text: "drifts" }],
  });
  expect(await box.json("list")).toMatchObject({
    trained: [{ name: "best.pt", record: { notes: [{}, { text: "drifts" }] } }],
  });
  expect(await box.refused("note", "best.pt", "-m", "x", "--metric", "a=1")).toMatchObject({
    code: "ARGUMENT_INVALID",
  });
  box.write("mine.pt", "1");
  box.write("mine.pt.json", "{}");
  expect(await box.refused("note", "mine.pt", "-m", "x")).toMatchObject({ code: "WOULD_OVERWRITE", exit: 5 });
  expect(box.read("mine.pt.json")).toBe("{}");
});
