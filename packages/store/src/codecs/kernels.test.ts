import { expect, test } from "vitest";
import { openKernels, runKernels } from "./kernels.ts";
import { PLN } from "./pln.ts";
import { weights } from "./testing/numbers.ts";

test("kernels that trapped are replaced by new ones", () => {
  const kernels = openKernels();
  expect(kernels).toBeDefined();
  if (kernels === undefined) return;
  expect(openKernels()).toBe(kernels);
  const raw = new Uint8Array(weights(10_000, 1).buffer);
  const before = PLN.encode(raw, { dtype: "f32" })?.slice();
  const outside = kernels.memory.length;
  expect(runKernels(kernels, ({ call }) => call.encodePlanes(outside, 100, outside))).toBeUndefined();
  expect(openKernels()).not.toBe(kernels);
  expect(PLN.encode(raw, { dtype: "f32" })?.slice()).toEqual(before);
});

test("what is no trap passes through, and the kernels stay", () => {
  const kernels = openKernels();
  if (kernels === undefined) return;
  expect(() =>
    runKernels(kernels, () => {
      throw new RangeError("a bug");
    }),
  ).toThrow(RangeError);
  expect(openKernels()).toBe(kernels);
});
