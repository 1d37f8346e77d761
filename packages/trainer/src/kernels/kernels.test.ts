import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { chooseBackend } from "../engine/backend.ts";
import { randomOf } from "../random.ts";

beforeAll(async () => {
  await chooseBackend("cpu");
  expect(await chooseBackend("wasm")).toEqual({ name: "wasm", warning: undefined });
});

interface Values {
  readonly shape: number[];
  readonly values: Float32Array;
}

function values(name: string, shape: number[]): Values {
  const random = randomOf(7, name);
  const numbers = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
  return { shape, values: numbers };
}

/** What the kernel of a backend computes. */
async function run(
  backend: "wasm" | "cpu",
  kernel: string,
  inputs: Readonly<Record<string, Values>>,
  attributes: tf.NamedAttrMap,
): Promise<Values> {
  await tf.setBackend(backend);
  const tensors: Record<string, tf.Tensor> = {};
  for (const [name, { shape, values: numbers }] of Object.entries(inputs)) {
    tensors[name] = tf.tensor(numbers, shape);
  }
  const all = { dataFormat: "NHWC", ...attributes };
  const output = tf.engine().runKernel<tf.Tensor>(kernel, tensors, all);
  const result = { shape: [...output.shape], values: output.dataSync<"float32">().slice() };
  tf.dispose([output, ...Object.values(tensors)]);
  return result;
}

function expectSame(ours: Values, theirs: Values): void {
  expect(ours.shape).toEqual(theirs.shape);
  const largest = theirs.values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  const apart = ours.values.reduce(
    (most, value, at) => Math.max(most, Math.abs(value - (theirs.values[at] ?? Number.NaN))),
    0,
  );
  expect(apart / largest).toBeLessThan(1e-5);
}

/**
 * [input, filter, stride, padding] of convolutions: odd and even, pointwise, wider than high, rows that no filter
 * reaches.
 */
const CONVOLUTIONS: readonly [
  [number, number, number, number],
  [number, number, number, number],
  number,
  "same" | "valid",
][] = [
  [[2, 7, 6, 3], [3, 3, 3, 4], 1, "same"],
  [[2, 7, 6, 3], [3, 3, 3, 4], 2, "same"],
  [[2, 8, 8, 3], [3, 3, 3, 4], 2, "same"],
  [[2, 8, 9, 3], [3, 3, 3, 4], 2, "valid"],
  [[3, 6, 6, 2], [2, 3, 2, 5], 1, "valid"],
  [[2, 5, 5, 6], [1, 1, 6, 3], 1, "same"],
  [[2, 6, 5, 6], [1, 1, 6, 3], 2, "same"],
  [[1, 9, 9, 1], [5, 5, 1, 2], 3, "same"],
  [[2, 9, 7, 2], [4, 4, 2, 2], 3, "valid"],
];

function outputShape(
  [batch, height, width]: readonly number[],
  [filterHeight = 1, filterWidth = 1]: readonly number[],
  { stride, pad, channels }: { stride: number; pad: "same" | "valid"; channels: number },
): number[] {
  const length = (size: number, filter: number): number =>
    pad === "same" ? Math.ceil(size / stride) : Math.floor((size - filter) / stride) + 1;
  return [batch ?? 1, length(height ?? 1, filterHeight), length(width ?? 1, filterWidth), channels];
}

test.for(CONVOLUTIONS)(
  "convolution %j by %j, stride %d, %s: WASM gradients are the CPU backend's",
  async ([input, filter, stride, pad]) => {
    const x = values("x", input);
    const weights = values("filter", filter);
    const dy = values("dy", outputShape(input, filter, { stride, pad, channels: filter[3] }));
    const attributes = { strides: [stride, stride], pad, filterShape: filter, inputShape: input };
    for (const [kernel, inputs] of [
      ["Conv2DBackpropFilter", { x, dy }],
      ["Conv2DBackpropInput", { dy, filter: weights }],
    ] as const) {
      const ours = await run("wasm", kernel, inputs, attributes);
      expectSame(ours, await run("cpu", kernel, inputs, attributes));
    }
  },
);

test.for([
  [[2, 6, 6, 4], [3, 3, 4, 1], 1, "same"],
  [[2, 7, 8, 4], [3, 3, 4, 1], 2, "same"],
  [[2, 7, 8, 4], [3, 2, 4, 1], 2, "valid"],
  [[2, 5, 6, 3], [3, 3, 3, 2], 1, "same"],
] as [[number, number, number, number], [number, number, number, number], number, "same" | "valid"][])(
  "depthwise convolution %j by %j, stride %d, %s: WASM gradients are the CPU backend's",
  async ([input, filter, stride, pad]) => {
    const x = values("x", input);
    const weights = values("filter", filter);
    const dy = values("dy", outputShape(input, filter, { stride, pad, channels: filter[2] * filter[3] }));
    const attributes = {
      strides: [stride, stride],
      pad,
      dilations: [1, 1],
      filterShape: filter,
      inputShape: input,
    };
    for (const [kernel, inputs] of [
      ["DepthwiseConv2dNativeBackpropFilter", { x, dy }],
      ["DepthwiseConv2dNativeBackpropInput", { dy, filter: weights }],
    ] as const) {
      const ours = await run("wasm", kernel, inputs, attributes);
      expectSame(ours, await run("cpu", kernel, inputs, attributes));
    }
  },
);

test.for([
  [2, 2, "valid"],
  [3, 2, "same"],
  [3, 1, "same"],
] as const)(
  "max pooling %d, stride %d, %s: the WASM gradient is the CPU backend's, ties too",
  async ([size, stride, pad]) => {
    const rough = values("x", [2, 7, 6, 3]);
    // Rounded, so that a window has several largest values.
    const input = { shape: rough.shape, values: rough.values.map(Math.round) };
    const shape = outputShape(input.shape, [size, size], { stride, pad, channels: 3 });
    const inputs = { dy: values("dy", shape), input, output: values("y", shape) };
    const attributes = { filterSize: [size, size], strides: [stride, stride], pad };
    const ours = await run("wasm", "MaxPoolGrad", inputs, attributes);
    expectSame(ours, await run("cpu", "MaxPoolGrad", inputs, attributes));
  },
);
