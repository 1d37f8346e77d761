import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { resolveSpec } from "../spec.ts";
import { chooseBackend } from "./backend.ts";
import { applyGradients, type Slots } from "./optimizers.ts";

beforeAll(async () => {
  await chooseBackend("wasm");
});

/** Three steps with the gradients 1, 2 and -1 from a weight of 1, at a rate of 0.1. */
function steps(optimizer: Record<string, unknown>): number[] {
  const { optimizer: spec } = resolveSpec({ data: { kind: "digits" }, optimizer });
  const slots: Slots = new Map();
  const weight = tf.variable(tf.tensor2d([[1]]));
  const after = [1, 2, -1].map((value, index) => {
    const gradient = tf.tensor2d([[value]]);
    const step = { learningRate: 0.1, number: index + 1 };
    applyGradients([{ name: "w", weight, gradient }], { spec, step, slots });
    gradient.dispose();
    return Number((weight.dataSync()[0] ?? Number.NaN).toFixed(4));
  });
  tf.dispose([weight, ...slots.values()]);
  return after;
}

/** By the formulas of the papers, worked out with pencil or in doubles. */
function adamByHand(decay: number): number[] {
  let [weight, mean, square] = [1, 0, 0];
  return [1, 2, -1].map((gradient, index) => {
    mean = 0.9 * mean + 0.1 * gradient;
    square = 0.999 * square + 0.001 * gradient ** 2;
    const step = mean / (1 - 0.9 ** (index + 1)) / (Math.sqrt(square / (1 - 0.999 ** (index + 1))) + 1e-7);
    weight = weight * (1 - 0.1 * decay) - 0.1 * step;
    return Number(weight.toFixed(4));
  });
}

test("the optimisers step as their formulas say", () => {
  expect(steps({ name: "sgd" })).toEqual([0.9, 0.7, 0.8]);
  expect(steps({ name: "sgd", weightDecay: 0.5 })).toEqual([0.85, 0.6075, 0.6771]);
  expect(steps({ name: "momentum", momentum: 0.5 })).toEqual([0.9, 0.65, 0.625]);
  // Squares 0.1, 0.49, 0.541: steps of 1, 2 and -1 over their roots.
  expect(steps({ name: "rmsprop", rho: 0.9 })).toEqual([0.6838, 0.3981, 0.534]);
  expect(steps({ name: "adam" })).toEqual(adamByHand(0));
  expect(steps({ name: "adamw", weightDecay: 0.5 })).toEqual(adamByHand(0.5));
});

test("chooseBackend() falls back from the native backend, with a word, and warns of none where it was asked for", async () => {
  expect(await chooseBackend("native")).toEqual({
    name: "wasm",
    warning: "the package @tensorflow/tfjs-node does not load; WASM computes instead",
  });
  expect(await chooseBackend()).toEqual({ name: "wasm", warning: undefined });
  expect(await chooseBackend("cpu")).toEqual({ name: "cpu", warning: undefined });
});
