import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { safetensorsFile, weights } from "../../packages/store/src/testing/tensors.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const body = { dtype: "bf16", shape: [300, 400], values: weights(120_000, 1) } as const;
const head = { dtype: "f32", shape: [2, 2], values: [1, 2, 3, 4] } as const;

test("smc checkout --tensors writes a smaller file with the same bytes", async () => {
  box.write("w/m.safetensors", safetensorsFile({ body, "head.weight": head }, { format: "pt" }));
  await box.commit("one");
  await box.ok("tag", "v1.0.0");
  box.write("w/m.safetensors", "something else");
  await box.commit("two");
  expect(await box.ok("checkout", "--tensors", "head.*", "v1.0.0", "--", "w/m.safetensors")).toBe(
    "1 tensor of w/m.safetensors written to m.tensors.safetensors, 128 B\n",
  );
  const expected = safetensorsFile({ "head.weight": head }, { format: "pt" });
  expect(readFileSync(box.path("m.tensors.safetensors")).equals(expected)).toBe(true);
  expect(box.read("w/m.safetensors")).toBe("something else");
  expect(await box.json("status")).toMatchObject({ untracked: ["m.tensors.safetensors"], modified: [] });
});

test("smc checkout --tensors never overwrites without --force", async () => {
  const words = ["checkout", "--tensors", "head.*", "--tensors", "body", "-o", "w/m.safetensors", "v1.0.0"];
  expect(await box.refused(...words)).toMatchObject({ exit: 5, code: "WOULD_OVERWRITE" });
  expect(box.read("w/m.safetensors")).toBe("something else");
  expect(await box.ok("-q", ...words, "--force")).toBe("w/m.safetensors\n");
  expect(await box.json("diff", "--tensors", "v1.0.0")).toMatchObject({ files: { modified: [] } });
});

test("smc checkout --tensors --json says what was written", async () => {
  const words = ["checkout", "--tensors", "*", "-o", "all.safetensors", "v1.0.0"];
  expect(await box.json(...words)).toMatchObject({
    tensors: { path: "all.safetensors", tensorCount: 2, sources: ["w/m.safetensors"], skipped: [] },
  });
});

test.each([
  [["checkout", "--tensors", "nothing", "v1.0.0"], 3, "PATH_NOT_FOUND"],
  [["checkout", "--tensors", "*", "v9"], 3, "REVISION_NOT_FOUND"],
  [["checkout", "--tensors", "*", "-b", "x", "v1.0.0"], 2, "ARGUMENT_INVALID"],
  [["checkout", "-o", "x", "v1.0.0"], 2, "ARGUMENT_INVALID"],
  [["checkout", "--tensors", "*", "-o", "../x", "v1.0.0"], 5, "UNSAFE_PATH"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
