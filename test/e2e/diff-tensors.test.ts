import { afterAll, expect, test } from "vitest";
import { safetensorsFile, weights } from "../../packages/store/src/testing/tensors.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const body = { dtype: "bf16", shape: [100, 400], values: weights(40_000, 1) } as const;

test("smc diff --tensors tells which tensors changed, and how far", async () => {
  box.write(
    "w/m.safetensors",
    safetensorsFile({
      body,
      "head.weight": { dtype: "f32", shape: [2, 2], values: [3, 4, 0, 0] },
      "old.bias": { dtype: "f32", values: [1] },
    }),
  );
  await box.commit("one", { "notes.txt": "1" });
  await box.ok("tag", "v1.0.0");
  box.write(
    "w/m.safetensors",
    safetensorsFile({
      body,
      "head.weight": { dtype: "f32", shape: [2, 2], values: [3, 4, 12, NaN] },
      "new.bias": { dtype: "f16", values: [1, 2] },
    }),
  );
  await box.commit("two", { "notes.txt": "2" });
  await box.ok("tag", "v1.0.1");
  const lines = (await box.ok("diff", "--tensors", "v1.0.0", "v1.0.1")).split("\n");
  expect(lines.slice(0, 6)).toEqual([
    "notes.txt: no tensors",
    "w/m.safetensors (safetensors)",
    "Added:     new.bias     f16 [2]",
    "Modified:  head.weight  f32 [2,2]  L2 1.2e+1  rel 2.4e+0  cos 0.385  max 1.2e+1  NaN or infinite 0 -> 1",
    "Removed:   old.bias     f32 [1]",
    "summary: 1 added, 1 removed, 1 modified, 1 equal (99 % of their bytes)",
  ]);
  expect(lines[6]).toMatch(/^2 files, 7\d\.\d KiB of 78\.\d KiB \(\d+ %\) shared$/);
});

test("smc diff --tensors --json holds every figure", async () => {
  const printed = await box.ok("--json", "diff", "--tensors", "v1.0.0..v1.0.1", "--", "w");
  expect(JSON.parse(printed)).toMatchObject({
    tensors: {
      files: [
        {
          path: "w/m.safetensors",
          change: "modified",
          added: [{ name: "new.bias", dtype: "f16", shape: [2], sizeBytes: 4 }],
          removed: [{ name: "old.bias" }],
          changed: [
            {
              name: "head.weight",
              distance: {
                elementCount: 4,
                changedCount: 2,
                l2: 12,
                relativeL2: 2.4,
                cosine: 25 / (5 * 13),
                maxAbs: 12,
                nonFinite: { from: 0, to: 1 },
              },
            },
          ],
          equal: { count: 1, sizeBytes: 80_000 },
        },
      ],
      total: { added: 1, removed: 1, changed: 1, equal: 1, notCompared: 0 },
    },
  });
});

test("smc diff --tensors of the folder, as Markdown, with --exit-code, and of nothing", async () => {
  expect(await box.ok("diff", "--tensors")).toBe("");
  expect((await box.smc(["diff", "--tensors", "--exit-code", "v1.0.0", "v1.0.1"])).code).toBe(1);
  expect(await box.ok("diff", "--tensors", "--md", "v1.0.0", "v1.0.1")).toContain(
    "| Modified | head.weight | f32 [2,2] | 1.2e+1 | 2.4e+0 | 0.385 | 1.2e+1 |\n",
  );
  box.write("w/m.safetensors", safetensorsFile({ body: { ...body, values: weights(40_000, 2) } }));
  expect(await box.ok("diff", "--tensors", "HEAD")).toMatch(/Modified: {2}body +bf16 \[100,400\] {2}L2 /);
  box.write("w/m.safetensors", "{not weights at all");
  expect(await box.ok("diff", "--tensors")).toMatch(/^w\/m\.safetensors: no tensors: .*\n/);
});

test("smc diff --tensors of a revision that is not there is refused", async () => {
  expect(await box.refused("diff", "--tensors", "v9", "v1.0.0")).toMatchObject({
    exit: 3,
    code: "REVISION_NOT_FOUND",
  });
});
