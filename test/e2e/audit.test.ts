import { join } from "node:path";
import { flip } from "@smc/store/testing";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc audit tells who did what, newest first", async () => {
  const one = await box.commit("one", { "a.txt": "1" });
  const two = await box.commit("two", { "a.txt": "2" });
  await box.ok("tag", "v1");
  const lines = (await box.ok("audit", "--ref", "main")).trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT\S+ +Ada <ada@example\.org> +commit +work refs\/heads\/main /);
  expect(lines[0]).toContain(`${one.slice(0, 9)} -> ${two.slice(0, 9)}`);
  expect(lines[1]).toContain(`absent -> ${one.slice(0, 9)}`);
  const { entries } = await box.json<{ entries: { op: string; ref: string | null }[] }>("audit");
  expect(entries[0]).toMatchObject({ op: "tag", ref: "refs/tags/v1" });
  expect(entries.at(-1)).toMatchObject({ op: "init" });
  expect((await box.ok("audit", "-q", "-2")).trimEnd().split("\n")).toHaveLength(2);
  expect(await box.ok("audit", "--op", "merge")).toBe("");
});

test("smc audit verify checks the chain; a flipped byte gives 4 and the place", async () => {
  const verified = await box.ok("audit", "verify");
  expect(verified).toMatch(/^\d+ records in 1 file, .*\nfrom \d{4}.* to \d{4}.*\nhead [0-9a-f]{64}\nok\n$/);
  flip(join(box.home, "journal", "000001.log"), 400);
  for (const restart of [false, true]) {
    if (restart) await box.ok("daemon", "stop");
    const refused = await box.refused("audit", "verify");
    expect(refused).toMatchObject({ exit: 4, code: "JOURNAL_CORRUPT" });
    expect(refused.message).toMatch(/000001\.log' is damaged at byte \d+/);
  }
  flip(join(box.home, "journal", "000001.log"), 400);
  expect(await box.ok("audit", "verify")).toBe(verified);
});

test.each([
  [["audit", "x"], 2, "ARGUMENT_INVALID"],
  [["audit", "--since", "soon"], 2, "DATE_INVALID"],
  [["audit", "-n", "x"], 2, "ARGUMENT_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

test("S4.25 every command that changed something is one record of smc audit", async () => {
  const journal = async () => (await box.json<{ entries: { seq: number }[] }>("audit")).entries;
  const before = new Set((await journal()).map(({ seq }) => seq));
  box.write("data/models/downloads/best.pt", "weights");
  const changing = [
    ["setup"],
    ["backup", "data/models/downloads/best.pt", "copy.pt"],
    ["backup", "HEAD", "version"],
    ["restore-backup", "copy.pt"],
    ["activate", "best.pt", "--yes"],
    ["backups", "rm", "version.tar"],
    ["tag", "v2"],
    ["promote", "v2", "--reason", "best", "--yes"],
    ["layout", "sync", "copies"],
  ];
  for (const words of changing) await box.ok(...words);
  const idle = [
    ["setup"],
    ["restore-backup", "copy.pt"],
    ["activate", "best.pt"],
    ["backups", "verify"],
    ["layout", "sync", "copies"],
    ["list"],
  ];
  for (const words of idle) await box.ok(...words);
  const records = new Set((await journal()).map(({ seq }) => seq));
  expect(records.size - before.size).toBe(changing.length);
  const told = await box.ok("audit", "-n", "20");
  expect(told).toContain("restore-backup: ");
  expect(told).toMatch(/activate +work +activate: \S+best\.pt as \S+active\/best\.pt, [0-9a-f]{64}\n/);
});

test("S4.25 an activation that was declined is in smc audit", async () => {
  box.write("data/models/trained/other.pt", "other");
  expect(await box.refused("activate", "other.pt")).toMatchObject({ exit: 8 });
  expect(await box.ok("audit", "-n", "1")).toMatch(/ activate: declined: \S+other\.pt as /);
});
