import { afterAll, expect, test } from "vitest";
import { createSandbox, sha256 } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc cat writes the very bytes of a file", async () => {
  const bytes = Buffer.alloc(9 * 1024 * 1024, "weights ");
  const digest = box.write("big.bin", bytes);
  box.write("small.txt", "no newline");
  box.write("empty", "");
  await box.commit("one");
  const summed = await box.shell("smc cat HEAD:big.bin | sha256sum");
  expect(summed.stdout).toBe(`${digest}  -\n`);
  expect(await box.ok("cat", "HEAD:small.txt")).toBe("no newline");
  expect(await box.ok("cat", "HEAD:empty")).toBe("");
  expect(await box.ok("cat", sha256("no newline"))).toBe("no newline");
});

test("smc cat :path is the staged file", async () => {
  box.write("small.txt", "staged");
  await box.ok("add", "small.txt");
  box.write("small.txt", "later");
  expect(await box.ok("cat", ":small.txt")).toBe("staged");
});

test("smc cat --json and -q tell the digest only", async () => {
  const digest = sha256("no newline");
  expect(await box.json("cat", "HEAD:small.txt")).toEqual({ digest, sizeBytes: 10 });
  expect(await box.ok("cat", "-q", "HEAD:small.txt")).toBe(`${digest}\n`);
});

test("smc cat of a large file ends quietly when the reader goes away", async () => {
  const script =
    'smc cat HEAD:big.bin | head -c 10 > /dev/null; echo "${PIPESTATUS[0]}"; smc cat HEAD:big.bin > /dev/full; echo "$?"';
  const ran = await box.shell(script);
  expect(ran.stdout).toBe("141\n11\n");
  expect(ran.stderr).toContain("error: cannot write to standard output");
});

test.each([
  [["cat"], 2, "USAGE"],
  [["cat", "HEAD"], 2, "REVISION_INVALID"],
  [["cat", "HEAD:absent"], 3, "PATH_NOT_FOUND"],
  [["cat", "f".repeat(64)], 3, "REVISION_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect((await box.refused(...words)).exit).toBe(exit);
  expect(["OBJECT_NOT_FOUND", code]).toContain((await box.refused(...words)).code);
});
