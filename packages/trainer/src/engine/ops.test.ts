/** Gradients against differences: what a loss does when one number is moved a little. */
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { randomOf } from "../random.ts";
import { chooseBackend } from "./backend.ts";
import { lossOf, LOSSES } from "./losses.ts";
import * as ops from "./ops.ts";

const STEP = 1e-2;

function normals(name: string, shape: number[]): tf.Tensor {
  const random = randomOf(3, name);
  const count = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: count }, () => random.normal()),
    shape,
  );
}

/** A number that depends on every value of y, differently on each. */
function weighed(y: tf.Tensor): tf.Scalar {
  const weights = tf.tidy(() => tf.sin(tf.reshape(tf.range(1, y.size + 1), y.shape)));
  const scored = tf.customGrad((...all: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [x, save] = all as [tf.Tensor, tf.GradSaveFunc];
    save([weights]);
    return { value: tf.sum(tf.mul(x, weights)), gradFunc: (dy, [kept]) => tf.mul(dy, kept ?? dy) };
  });
  return scored(y) as tf.Scalar;
}

function expectGradients(inputs: tf.Tensor[], operation: (...inputs: tf.Tensor[]) => tf.Scalar): void {
  const gradients = tf.grads((...all: tf.Tensor[]) => operation(...all))(inputs);
  for (const [place, input] of inputs.entries()) {
    const values = input.dataSync<"float32">().slice();
    const expected = values.map((value, at) => {
      const scoreAt = (moved: number): number => {
        const changed = values.slice();
        changed[at] = moved;
        return tf.tidy(() => {
          const replaced = inputs.map((each, index) =>
            index === place ? tf.tensor(changed, input.shape) : each,
          );
          return operation(...replaced).dataSync()[0] ?? Number.NaN;
        });
      };
      return (scoreAt(value + STEP) - scoreAt(value - STEP)) / (2 * STEP);
    });
    const actual = gradients[place]?.dataSync<"float32">() ?? new Float32Array(0);
    expect(actual.length).toBe(expected.length);
    const apart = expected.map((value, at) => Math.abs(value - (actual[at] ?? Number.NaN)));
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    expect(Math.max(...apart) / largest, `gradient of input ${place}`).toBeLessThan(1e-2);
  }
}

const OPERATIONS: readonly [string, number[][], (...inputs: tf.Tensor[]) => tf.Tensor][] = [
  [
    "conv",
    [[2, 5, 5, 2], [3, 3, 2, 3], [3]],
    (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) =>
      ops.conv([x, w, b], { stride: 2, activation: "linear", inputGradient: true }),
  ],
  [
    "depthwise",
    [
      [2, 4, 4, 2],
      [3, 3, 2, 1],
    ],
    (x: tf.Tensor, w: tf.Tensor) => ops.depthwise([x, w], 1),
  ],
  [
    "dense",
    [[3, 4], [4, 2], [2]],
    (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) =>
      ops.dense([x, w, b], { activation: "linear", inputGradient: true }),
  ],
  ["swish", [[3, 4]], (x: tf.Tensor) => ops.activate(x, "swish")],
  ["relu", [[3, 4]], (x: tf.Tensor) => ops.activate(x, "relu")],
  ["relu6", [[3, 4]], (x: tf.Tensor) => ops.activate(x, "relu6")],
  ["sigmoid", [[3, 4]], (x: tf.Tensor) => ops.sigmoid(x)],
  [
    "normalizeBatch",
    [[2, 3, 3, 2], [2], [2]],
    (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) =>
      ops.normalizeBatch([x, gamma, beta], ops.channelMoments(x)),
  ],
  ["maxPool", [[2, 4, 4, 2]], (x: tf.Tensor) => ops.maxPool(x, 2)],
  ["globalAverage", [[2, 3, 3, 2]], (x: tf.Tensor) => ops.globalAverage(x)],
  [
    "scaleChannels",
    [
      [2, 3, 3, 2],
      [2, 2],
    ],
    (x: tf.Tensor, scale: tf.Tensor) => ops.scaleChannels(x, scale),
  ],
  [
    "addBoth",
    [
      [2, 3],
      [2, 3],
    ],
    (left: tf.Tensor, right: tf.Tensor) => ops.addBoth(left, right),
  ],
  ["flatten", [[2, 3, 2]], (x: tf.Tensor) => ops.flatten(x)],
];

describe.for(["cpu", "wasm"] as const)("on %s", (backend) => {
  beforeAll(async () => {
    await chooseBackend(backend);
  });

  test.for(OPERATIONS)("the gradients of %s are those of its values", ([name, shapes, operation]) => {
    const inputs = shapes.map((shape, at) => normals(`${name} ${at}`, shape));
    expectGradients(inputs, (...all) => weighed(operation(...all)));
  });

  test("a fused activation gives the gradients of one that follows", () => {
    const inputs = [normals("x", [2, 4, 4, 2]), normals("w", [3, 3, 2, 3]), normals("b", [3])];
    for (const activation of ["relu", "relu6"] as const) {
      const options = { stride: 1, inputGradient: true } as const;
      const fused = tf.grads((x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) =>
        weighed(ops.conv([x, w, b], { ...options, activation })),
      )(inputs);
      const apart = tf.grads((x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) =>
        weighed(ops.activate(ops.conv([x, w, b], { ...options, activation: "linear" }), activation)),
      )(inputs);
      for (const [at, gradient] of fused.entries()) {
        const difference = tf.max(tf.abs(tf.sub(gradient, apart[at] ?? gradient))).dataSync()[0];
        expect(difference).toBeLessThan(1e-5);
      }
    }
  });

  test.for(LOSSES)("the gradient of the loss %s is that of its value", (name) => {
    const outputs = normals("outputs", [4, 3]);
    const targets =
      name === "cross-entropy" ? tf.softmax(normals("targets", [4, 3])) : normals("targets", [4, 3]);
    expectGradients([outputs], (x: tf.Tensor) => lossOf(name, x, targets));
  });
});
