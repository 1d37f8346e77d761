import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

import { truncateSync } from "node:fs";
import { sha256 } from "./sandbox.ts";

test("smc hash-object prints what sha256sum prints", async () => {
  const a = box.write("a.bin", Buffer.alloc(5 * 1024 * 1024 + 1, 7));
  const empty = box.write("empty", "");
  expect(await box.ok("hash-object", "a.bin", "empty")).toBe(`${a}\n${empty}\n`);
  const summed = await box.shell("sha256sum a.bin | cut -d' ' -f1");
  expect(summed.stdout).toBe(`${a}\n`);
  box.write("sparse", "");
  truncateSync(box.path("sparse"), 64 * 1024 * 1024);
  expect(await box.ok("hash-object", "sparse")).toBe(`${sha256(Buffer.alloc(64 * 1024 * 1024))}\n`);
});

test("smc hash-object --stdin, --json and -q", async () => {
  const ran = await box.smc(["hash-object", "--stdin", "--json"], { stdin: "text" });
  expect(JSON.parse(ran.stdout)).toEqual([{ path: "-", digest: sha256("text"), sizeBytes: 4 }]);
  expect(await box.json("hash-object", "empty")).toMatchObject([{ digest: sha256(""), sizeBytes: 0 }]);
  expect(await box.ok("hash-object", "-q", "empty")).toBe(`${sha256("")}\n`);
});

test.each([
  [["hash-object"], 2],
  [["hash-object", "absent"], 3],
  [["hash-object", "/dev/zero"], 5],
  [["hash-object", "."], 5],
] as const)("smc %j is refused", async (words, exit) => {
  expect((await box.refused(...words)).exit).toBe(exit);
});
