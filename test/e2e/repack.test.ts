import { existsSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Result {
  readonly files: number;
  readonly packs: { readonly before: number; readonly after: number; readonly removed: number };
  readonly bytes: { readonly before: number; readonly after: number };
  readonly problems: readonly string[];
}

test("smc repack puts small packs together and changes nothing that can be seen", async () => {
  for (let number = 0; number < 8; number += 1)
    await box.commit(`commit ${number}`, { "notes.txt": `line ${number}\n` });
  const log = await box.ok("log", "--oneline");
  const result = await box.json<Result>("repack");
  expect(result).toMatchObject({ problems: [], packs: { after: 1 } });
  expect(result.packs.removed).toBe(result.packs.before);
  expect(result.bytes.after).toBeLessThan(result.bytes.before);
  expect(await box.ok("log", "--oneline")).toBe(log);
  expect((await box.smc(["fsck", "--full"])).code).toBe(0);
  expect(await box.ok("cat", "HEAD~7:notes.txt")).toBe("line 0\n");
  const { stdout } = await box.smc(["repack", "--again"]);
  expect(stdout).toMatch(/looked at 0 files: 0 chunks stored shorter\npacks: 1 before, 1 now\non disk: /);
  expect(await box.ok("repack", "-q")).toBe(`${result.bytes.after}\n`);
});

test("smc repack takes no arguments", async () => {
  expect(await box.refused("repack", "now")).toMatchObject({ exit: 2, code: "USAGE" });
  expect(existsSync(box.home)).toBe(true);
});
