/** A network as plain data, and what follows from it: shapes, weights, and the way of a batch through it. */
import * as tf from "@tensorflow/tfjs-core";
import { SmcError } from "@smc/store/errors";
import { type Random, randomOf } from "../random.ts";
import * as ops from "./ops.ts";

export type Layer =
  | { readonly kind: "flatten" | "globalAverage" }
  | { readonly kind: "maxPool"; readonly size: number }
  | { readonly kind: "dropout"; readonly rate: number }
  | {
      readonly kind: "dense";
      readonly name: string;
      readonly units: number;
      readonly activation: "linear" | "relu";
    }
  | {
      readonly kind: "conv";
      readonly name: string;
      readonly filters: number;
      readonly size: number;
      readonly stride: number;
      readonly activation: "linear" | "relu";
      /** False where batch normalisation follows, which takes a bias away again. */
      readonly bias: boolean;
    }
  | { readonly kind: "depthwise"; readonly name: string; readonly size: number; readonly stride: number }
  | { readonly kind: "norm"; readonly name: string; readonly activation: ops.Activation }
  | { readonly kind: "squeeze"; readonly name: string; readonly units: number }
  | {
      readonly kind: "residual";
      readonly body: readonly Layer[];
      /** Empty: the input itself is added. */
      readonly shortcut: readonly Layer[];
      readonly activation: ops.Activation;
    };

type Start =
  | "zeros"
  | "ones"
  | { readonly kind: "he" | "glorot"; readonly fanIn: number; readonly fanOut: number };

interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly start: Start;
  /** False for the running moments of batch normalisation. */
  readonly learned: boolean;
}

/** One line of a table of the network. */
export interface LayerRow {
  readonly kind: Layer["kind"];
  /** Empty where it has no weights. */
  readonly name: string;
  /** What comes out of it. */
  readonly shape: readonly number[];
  /** Numbers that are learned. */
  readonly weights: number;
}

export interface Network {
  readonly inputShape: readonly number[];
  readonly outputs: number;
  readonly layers: readonly Layer[];
  readonly weights: readonly Weight[];
  /** The layers in the order in which they compute; a short way stands behind what it is beside. */
  readonly rows: readonly LayerRow[];
}

/** What is gathered while the layers are walked. */
interface Plan {
  readonly weights: Weight[];
  readonly rows: LayerRow[];
}

/** More weights than this are a mistake in a number: they take 4 bytes each, several times over. */
const WEIGHTS_MAX = 100_000_000;

/** Throws CONFIG_INVALID when the input is too small for the layers, or the network too large. */
export function planNetwork(layers: readonly Layer[], inputShape: readonly number[]): Network {
  const plan: Plan = { weights: [], rows: [] };
  const shape = planLayers(layers, inputShape, plan);
  const { weights, rows } = plan;
  const count = weights.reduce((sum, weight) => sum + sizeOf(weight.shape), 0);
  if (count > WEIGHTS_MAX) {
    throw new SmcError("CONFIG_INVALID", `the network has ${count} weights, more than ${WEIGHTS_MAX}`, {
      hint: "choose a smaller inputSize, width or number of layers",
    });
  }
  return { inputShape, outputs: shape[0] ?? 1, layers, weights, rows };
}

/** How many numbers are learned. */
export function learnedCount({ rows }: Network): number {
  return rows.reduce((sum, { weights }) => sum + weights, 0);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** What one step may take; the memory of WASM ends at 2 GiB, and it cannot go on once it is full. */
const STEP_BYTES_MAX = 1.5 * 2 ** 30;
/** What each layer keeps of a sample: its output, the gradient of it, and something to compute them with. */
const COPIES = 3;

/** Throws LIMIT_EXCEEDED when the values of a batch do not fit into memory together. */
export function assertStepFits({ inputShape, rows }: Network, batch: number): void {
  const values = rows.reduce((sum, { shape }) => sum + sizeOf(shape), sizeOf(inputShape));
  const sampleBytes = values * COPIES * Float32Array.BYTES_PER_ELEMENT;
  if (sampleBytes * batch <= STEP_BYTES_MAX) return;
  const fits = Math.floor(STEP_BYTES_MAX / sampleBytes);
  throw new SmcError(
    "LIMIT_EXCEEDED",
    `a batch of ${batch} samples takes about ${Math.round((sampleBytes * batch) / 2 ** 20)} MiB, more than ` +
      `${STEP_BYTES_MAX / 2 ** 20}; nothing was trained`,
    { hint: fits < 1 ? "use smaller images" : `use a batch of ${fits} at most, or smaller images` },
  );
}

function planLayers(layers: readonly Layer[], input: readonly number[], plan: Plan): readonly number[] {
  let shape = input;
  for (const layer of layers) {
    const before = plan.weights.length;
    shape = planLayer(layer, shape, plan);
    if (layer.kind !== "residual") {
      const learned = plan.weights.slice(before).filter((weight) => weight.learned);
      const count = learned.reduce((sum, weight) => sum + sizeOf(weight.shape), 0);
      const name = "name" in layer ? layer.name : "";
      plan.rows.push({ kind: layer.kind, name, shape, weights: count });
    }
    if (shape.every((length) => length >= 1)) continue;
    throw new SmcError(
      "CONFIG_INVALID",
      `an input of ${input.join("x")} is too small: after a ${layer.kind} layer nothing is left of it`,
      { hint: "use a larger backbone.inputSize or fewer backbone.layers" },
    );
  }
  return shape;
}

function planLayer(layer: Layer, shape: readonly number[], plan: Plan): readonly number[] {
  const [height = 1, width = 1, channels = shape[0] ?? 1] = shape;
  const add = (name: string, size: readonly number[], start: Start, learned = true): void => {
    plan.weights.push({ name, shape: size, start, learned });
  };
  switch (layer.kind) {
    case "flatten":
      return [sizeOf(shape)];
    case "globalAverage":
      return [channels];
    case "dropout":
      return shape;
    case "maxPool":
      return [Math.floor(height / layer.size), Math.floor(width / layer.size), channels];
    case "dense": {
      const fanIn = shape[0] ?? 1;
      const kind = layer.activation === "linear" ? "glorot" : "he";
      add(`${layer.name}.weight`, [fanIn, layer.units], { kind, fanIn, fanOut: layer.units });
      add(`${layer.name}.bias`, [layer.units], "zeros");
      return [layer.units];
    }
    case "conv": {
      const { name, filters, size, stride } = layer;
      const area = size * size;
      add(`${name}.weight`, [size, size, channels, filters], {
        kind: "he",
        fanIn: area * channels,
        fanOut: area * filters,
      });
      if (layer.bias) add(`${name}.bias`, [filters], "zeros");
      return [Math.ceil(height / stride), Math.ceil(width / stride), filters];
    }
    case "depthwise": {
      const { name, size, stride } = layer;
      add(`${name}.weight`, [size, size, channels, 1], {
        kind: "he",
        fanIn: size * size,
        fanOut: size * size,
      });
      return [Math.ceil(height / stride), Math.ceil(width / stride), channels];
    }
    case "norm":
      add(`${layer.name}.gamma`, [channels], "ones");
      add(`${layer.name}.beta`, [channels], "zeros");
      add(`${layer.name}.mean`, [channels], "zeros", false);
      add(`${layer.name}.variance`, [channels], "ones", false);
      return shape;
    case "squeeze": {
      const { name, units } = layer;
      add(`${name}.down.weight`, [channels, units], { kind: "he", fanIn: channels, fanOut: units });
      add(`${name}.down.bias`, [units], "zeros");
      add(`${name}.up.weight`, [units, channels], { kind: "glorot", fanIn: units, fanOut: channels });
      add(`${name}.up.bias`, [channels], "zeros");
      return shape;
    }
    case "residual": {
      const result = planLayers(layer.body, shape, plan);
      planLayers(layer.shortcut, shape, plan);
      return result;
    }
    default: {
      const unknown: never = layer;
      throw new SmcError("INTERNAL", `no layer ${JSON.stringify(unknown)}`);
    }
  }
}

export type Variables = Map<string, tf.Variable>;

/** The first values of the weights, each from the seed and its own name. The caller disposes of them. */
export function startWeights(network: Network, seed: number): Variables {
  const variables: Variables = new Map();
  for (const { name, shape, start, learned } of network.weights) {
    const values = firstValues(sizeOf(shape), start, randomOf(seed, "start", name));
    const tensor = tf.tensor(values, [...shape], "float32");
    variables.set(name, tf.variable(tensor, learned));
    tensor.dispose();
  }
  return variables;
}

function firstValues(count: number, start: Start, random: Random): Float32Array {
  const values = new Float32Array(count);
  if (start === "zeros") return values;
  if (start === "ones") return values.fill(1);
  const he = Math.sqrt(2 / start.fanIn);
  const glorot = Math.sqrt(6 / (start.fanIn + start.fanOut));
  for (let index = 0; index < count; index += 1) {
    values[index] = start.kind === "he" ? he * random.normal() : glorot * (2 * random.next() - 1);
  }
  return values;
}

export interface Mode {
  /** Given while training: what dropout leaves out. Absent in evaluation. */
  readonly dropout?: Random;
}

/** How much of the running moments stays in each step. */
const MOMENTS_KEPT = 0.9;

/** The outputs for a batch. Call it inside of tf.tidy. In training it also moves the running moments. */
export function runNetwork(
  { layers }: Network,
  input: tf.Tensor,
  { variables, mode }: { variables: Variables; mode: Mode },
): tf.Tensor {
  return runLayers(layers, input, { variables, mode, first: true });
}

interface Run {
  readonly variables: Variables;
  readonly mode: Mode;
  /** True as long as nothing learned lies in front of the layer. */
  readonly first: boolean;
}

function runLayers(layers: readonly Layer[], input: tf.Tensor, run: Run): tf.Tensor {
  let first = run.first;
  let x = input;
  for (const layer of layers) {
    x = runLayer(layer, x, { ...run, first });
    if (layer.kind !== "flatten" && layer.kind !== "dropout") first = false;
  }
  return x;
}

function runLayer(layer: Layer, x: tf.Tensor, run: Run): tf.Tensor {
  const weight = (name: string): tf.Tensor => {
    const found = run.variables.get(name);
    if (found === undefined) throw new SmcError("INTERNAL", `no weight '${name}'`);
    return found;
  };
  const inputGradient = !run.first;
  switch (layer.kind) {
    case "flatten":
      return inputGradient ? ops.flatten(x) : tf.reshape(x, [x.shape[0] ?? 0, -1]);
    case "globalAverage":
      return ops.globalAverage(x);
    case "maxPool":
      return ops.maxPool(x, layer.size);
    case "dropout":
      return dropout(x, layer.rate, run);
    case "dense": {
      const { name, activation } = layer;
      return ops.dense([x, weight(`${name}.weight`), weight(`${name}.bias`)], { activation, inputGradient });
    }
    case "conv": {
      const { name, stride, activation } = layer;
      const bias = layer.bias ? weight(`${name}.bias`) : undefined;
      return ops.conv([x, weight(`${name}.weight`), bias], { stride, activation, inputGradient });
    }
    case "depthwise":
      return ops.depthwise([x, weight(`${layer.name}.weight`)], layer.stride);
    case "norm":
      return ops.activate(normalize(x, layer.name, run), layer.activation);
    case "squeeze": {
      const { name } = layer;
      const options = { inputGradient: true };
      const down = ops.dense(
        [ops.globalAverage(x), weight(`${name}.down.weight`), weight(`${name}.down.bias`)],
        { ...options, activation: "relu" },
      );
      const up = ops.dense([down, weight(`${name}.up.weight`), weight(`${name}.up.bias`)], {
        ...options,
        activation: "linear",
      });
      return ops.scaleChannels(x, ops.sigmoid(up));
    }
    case "residual": {
      const body = runLayers(layer.body, x, run);
      const shortcut = runLayers(layer.shortcut, x, run);
      return ops.activate(ops.addBoth(body, shortcut), layer.activation);
    }
    default: {
      const unknown: never = layer;
      throw new SmcError("INTERNAL", `no layer ${JSON.stringify(unknown)}`);
    }
  }
}

function dropout(x: tf.Tensor, rate: number, { mode, first }: Run): tf.Tensor {
  const random = mode.dropout;
  if (random === undefined || rate === 0) return x;
  const kept = 1 / (1 - rate);
  const mask = new Float32Array(x.size);
  for (let index = 0; index < mask.length; index += 1) mask[index] = random.next() < rate ? 0 : kept;
  const tensor = tf.tensor(mask, x.shape, "float32");
  return first ? tf.mul(x, tensor) : ops.timesMask(x, tensor);
}

function normalize(x: tf.Tensor, name: string, { variables, mode }: Run): tf.Tensor {
  const [gamma, beta, mean, variance] = ["gamma", "beta", "mean", "variance"].map((part) =>
    variables.get(`${name}.${part}`),
  );
  if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) {
    throw new SmcError("INTERNAL", `no weights of '${name}'`);
  }
  if (mode.dropout === undefined) return ops.normalizeFixed([x, gamma, beta], { mean, variance });
  const moments = ops.channelMoments(x);
  mean.assign(tf.add(tf.mul(mean, MOMENTS_KEPT), tf.mul(moments.mean, 1 - MOMENTS_KEPT)));
  variance.assign(tf.add(tf.mul(variance, MOMENTS_KEPT), tf.mul(moments.variance, 1 - MOMENTS_KEPT)));
  return ops.normalizeBatch([x, gamma, beta], moments);
}
