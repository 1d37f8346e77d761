import { afterAll, expect, test } from "vitest";
import { safetensorsFile } from "../../packages/store/src/testing/tensors.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc ls-tree lists a folder of a revision", async () => {
  const digest = box.write("a.txt", "a");
  box.write("dir/b.txt", "bb");
  box.write("dir/sub/c.txt", "ccc");
  await box.commit("one");
  const [file, folder] = (await box.ok("ls-tree", "HEAD")).trimEnd().split("\n");
  expect(file).toBe(`100644  blob  ${digest}  a.txt`);
  expect(folder).toMatch(/^040000 {2}tree {2}[0-9a-f]{64} {2}dir$/);
  expect(await box.ok("ls-tree", "-r", "--name-only", "HEAD")).toBe("a.txt\ndir/b.txt\ndir/sub/c.txt\n");
  expect(await box.ok("ls-tree", "--name-only", "HEAD:dir")).toBe("b.txt\nsub\n");
});

test("smc ls-tree -l, -d, --json and -q", async () => {
  expect(await box.ok("ls-tree", "-l", "-r", "HEAD", "dir/b.txt")).toMatch(/ {2}2 B {2}dir\/b\.txt\n$/);
  expect(await box.ok("ls-tree", "-d", "--name-only", "HEAD")).toBe("dir\n");
  expect(await box.json("ls-tree", "HEAD", "a.txt")).toMatchObject([
    { path: "a.txt", mode: "100644", kind: "blob", sizeBytes: 1 },
  ]);
  expect(await box.ok("ls-tree", "-q", "HEAD", "a.txt")).toBe(`${box.digest("a.txt")}\n`);
});

test.each([
  [["ls-tree", "v9"], 3, "REVISION_NOT_FOUND"],
  [["ls-tree", "HEAD", "absent"], 3, "PATH_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

test("smc ls-tree --tensors lists the tensors below each file", async () => {
  box.write(
    "w/m.safetensors",
    safetensorsFile({ "a\u001b[31m": { dtype: "u8", shape: [1, 2], values: [1, 2] } }),
  );
  await box.commit("weights");
  const lines = (await box.ok("ls-tree", "-l", "--tensors", "HEAD", "w/m.safetensors")).split("\n");
  expect(lines[0]).toMatch(/^100644 {2}blob {2}[0-9a-f]{64} +\d+ B {2}w\/m\.safetensors$/);
  expect(lines[1]).toMatch(/^ {4}a\\x1b\[31m {2}u8 {2}\[1,2\] {2}2 B {2}at \d+$/);
  expect(lines[2]).toBe("    safetensors, 1 tensor, 2 B");
  expect(await box.json("ls-tree", "-r", "--tensors", "HEAD", "w")).toMatchObject([
    { path: "w/m.safetensors", tensors: { format: "safetensors", tensors: [{ dtype: "u8", sizeBytes: 2 }] } },
  ]);
});
