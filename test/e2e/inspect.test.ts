import { afterAll, expect, test } from "vitest";
import { safetensorsFile } from "../../packages/store/src/testing/tensors.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const tensors = Object.fromEntries(
  Array.from({ length: 12 }, (_, index) => [
    `layer.${index}\u001b[31m`,
    { dtype: "f32" as const, values: [index] },
  ]),
);
const WEIGHTS = safetensorsFile(tensors);

test("smc inspect tells what is in a file, local or committed, and lists all tensors with -l", async () => {
  box.write("w/m.safetensors", WEIGHTS);
  await box.commit("weights");
  const local = await box.ok("inspect", "w/m.safetensors");
  expect(local).toBe(await box.ok("inspect", "HEAD:w/m.safetensors"));
  const lines = local.trimEnd().split("\n");
  expect(lines.slice(0, 3)).toEqual([
    `safetensors, ${WEIGHTS.length} B`,
    "12 tensors, 48 B",
    "  f32  12 tensors  48 B",
  ]);
  expect(lines[3]).toMatch(/^layer\.0\\x1b\[31m +f32 {2}\[1\] {2}4 B {2}at \d+$/);
  expect(lines.at(-1)).toBe('… and 2 more; "smc inspect -l" lists them');
  expect((await box.ok("inspect", "-l", "w/m.safetensors")).trimEnd().split("\n")).toHaveLength(15);
  expect((await box.ok("inspect", "-q", "HEAD:w/m.safetensors")).trimEnd().split("\n")).toHaveLength(12);
});

test("smc inspect --json is what the daemon answers", async () => {
  expect(await box.json("inspect", "HEAD:w/m.safetensors")).toMatchObject({
    format: "safetensors",
    digest: box.digest("w/m.safetensors"),
    sizeBytes: WEIGHTS.length,
    risk: null,
    problem: null,
    tensorCount: 12,
    dtypes: [{ dtype: "f32", tensorCount: 12, sizeBytes: 48 }],
  });
});

test("smc inspect ends with 1 when something is wrong, and says what", async () => {
  box.write("cut.safetensors", WEIGHTS.subarray(0, -1));
  const ran = await box.smc(["inspect", "cut.safetensors"]);
  expect(ran.code).toBe(1);
  expect(ran.stdout).toMatch(
    /^safetensors, .*\nproblem: not valid safetensors: tensor 'layer\.\d+.* ends at 48 of 47 bytes\n$/,
  );
  box.write(
    "model.json",
    '{"modelTopology":{},"weightsManifest":[{"paths":["a.bin"],"weights":[{"name":"w","shape":[2],"dtype":"float32"}]}]}',
  );
  const missing = await box.smc(["inspect", "model.json"]);
  expect(missing.code).toBe(1);
  expect(missing.stdout).toContain("in other files:\n  a.bin  1 tensor  8 B  it is not there\n");
});

test("smc inspect tells the risk of a pickle, and works outside of a worktree", async () => {
  box.write("bad.pkl", "cos\nsystem\n(S'true'\ntR.");
  const ran = await box.smc(["inspect", box.path("bad.pkl")], { in: "." });
  expect(ran.stdout).toBe(
    "pickle, 23 B\nrisk: executable: a program that loads it may run code that is in it\n",
  );
  expect(ran.code).toBe(0);
});

test.each([
  [["inspect"], 2, "USAGE"],
  [["inspect", "absent"], 3, "PATH_NOT_FOUND"],
  [["inspect", "HEAD:absent"], 3, "PATH_NOT_FOUND"],
  [["inspect", "v9:absent"], 3, "REVISION_NOT_FOUND"],
  [["inspect", "HEAD:w"], 2, "REVISION_INVALID"],
  [["inspect", "."], 5, "FILE_UNSUPPORTED"],
  [["inspect", "/dev/zero"], 5, "FILE_UNSUPPORTED"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
