/** A network with its weights and the state of its optimiser: one step of learning, and evaluation. */
import * as tf from "@tensorflow/tfjs-core";
import { SmcError } from "@smc/store/errors";
import { randomOf } from "../random.ts";
import type { Batch } from "../data/batches.ts";
import { type LossName, lossOf } from "./losses.ts";
import { type Network, runNetwork, startWeights, type Variables } from "./network.ts";
import { applyGradients, type OptimizerSpec, type Slots } from "./optimizers.ts";

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}
export type NamedTensors = ReadonlyMap<string, NamedTensor>;

/** What a batch gave. */
export interface Score {
  /** Mean over the samples. */
  readonly loss: number;
  /** Sum over the samples: 1 for each right class, or how far each number is off. */
  readonly hits: number;
}

export interface ModelOptions {
  readonly network: Network;
  readonly seed: number;
  readonly loss: LossName;
  readonly optimizer: OptimizerSpec;
  /** What each class counts in the loss. */
  readonly classWeights: Float32Array | undefined;
}

/** Owns tensors: dispose of it. */
export class Model implements Disposable {
  readonly network: Network;
  private readonly options: ModelOptions;
  private readonly variables: Variables;
  private readonly slots: Slots = new Map();

  constructor(options: ModelOptions) {
    this.options = options;
    this.network = options.network;
    this.variables = startWeights(options.network, options.seed);
  }

  /**
   * One step down the gradient of one batch. `step` counts from 1 over the run: with the seed it decides what dropout
   * leaves out, so a step that is repeated gives the same weights.
   */
  learn(batch: Batch, { step, learningRate }: { step: number; learningRate: number }): Score {
    const { loss, seed, optimizer } = this.options;
    return tf.tidy(() => {
      const input = tf.tensor(batch.inputs, batch.shape, "float32");
      const targets = tf.tensor(batch.targets, [batch.count, batch.width], "float32");
      const counted = this.weighed(targets);
      const mode = { dropout: randomOf(seed, "dropout", step) };
      let outputs: tf.Tensor | undefined;
      const learned = [...this.variables.values()].filter(({ trainable }) => trainable);
      const { value, grads } = tf.variableGrads(() => {
        const result = runNetwork(this.network, input, { variables: this.variables, mode });
        outputs = tf.keep(tf.clone(result));
        return lossOf(loss, result, counted);
      }, learned);
      const updates = [...this.variables]
        .filter(([, weight]) => weight.trainable)
        .map(([name, weight]) => {
          const gradient = grads[weight.name];
          if (gradient === undefined) throw new SmcError("INTERNAL", `no gradient of '${name}'`);
          return { name, weight, gradient };
        });
      applyGradients(updates, { spec: optimizer, step: { learningRate, number: step }, slots: this.slots });
      const score = { loss: scalar(value), hits: outputs === undefined ? 0 : this.hits(outputs, targets) };
      outputs?.dispose();
      return score;
    });
  }

  /** Outputs and score of a batch, without learning from it. Class weights do not count here. */
  evaluate(batch: Batch): Score & { outputs: Float32Array } {
    return tf.tidy(() => {
      const input = tf.tensor(batch.inputs, batch.shape, "float32");
      const targets = tf.tensor(batch.targets, [batch.count, batch.width], "float32");
      const outputs = runNetwork(this.network, input, { variables: this.variables, mode: {} });
      const loss = scalar(lossOf(this.options.loss, outputs, targets));
      const shown = this.options.loss === "cross-entropy" ? tf.softmax(outputs) : outputs;
      return { loss, hits: this.hits(outputs, targets), outputs: numbersOf(shown) };
    });
  }

  private weighed(targets: tf.Tensor): tf.Tensor {
    const { classWeights } = this.options;
    return classWeights === undefined ? targets : tf.mul(targets, tf.tensor1d(classWeights));
  }

  private hits(outputs: tf.Tensor, targets: tf.Tensor): number {
    if (this.options.loss !== "cross-entropy") return scalar(tf.sum(tf.abs(tf.sub(outputs, targets))));
    const right = tf.equal(tf.argMax(outputs, 1), tf.argMax(targets, 1));
    return scalar(tf.sum(tf.cast(right, "float32")));
  }

  /** Copies of the weights, in the order of the network. */
  weights(): NamedTensors {
    return copies(this.variables);
  }

  /** Copies of the optimiser's running means. */
  slotValues(): NamedTensors {
    return copies(this.slots);
  }

  /** Throws FILE_MALFORMED when a weight is missing or has another shape; then nothing is changed. */
  setWeights(tensors: NamedTensors): void {
    for (const { name, shape } of this.network.weights) {
      const given = tensors.get(name);
      if (given !== undefined && given.shape.join() === shape.join()) continue;
      const found = given === undefined ? "is missing" : `has the shape [${given.shape.join(", ")}]`;
      throw new SmcError("FILE_MALFORMED", `the weight '${name}' ${found}; no weights were taken over`);
    }
    for (const [name, variable] of this.variables) replace(variable, tensors.get(name));
  }

  setSlots(tensors: NamedTensors): void {
    for (const slot of this.slots.values()) slot.dispose();
    this.slots.clear();
    for (const [name, { shape, values }] of tensors) {
      const tensor = tf.tensor(values, [...shape], "float32");
      this.slots.set(name, tf.variable(tensor, false));
      tensor.dispose();
    }
  }

  [Symbol.dispose](): void {
    for (const variable of [...this.variables.values(), ...this.slots.values()]) variable.dispose();
  }
}

function copies(variables: ReadonlyMap<string, tf.Variable>): NamedTensors {
  const named = [...variables].map(
    ([name, variable]) => [name, { shape: [...variable.shape], values: numbersOf(variable) }] as const,
  );
  return new Map(named);
}

function replace(variable: tf.Variable, given: NamedTensor | undefined): void {
  if (given === undefined) return;
  const tensor = tf.tensor(given.values, [...given.shape], "float32");
  variable.assign(tensor);
  tensor.dispose();
}

/** A copy: what WASM gives out lies in its own memory. */
function numbersOf(tensor: tf.Tensor): Float32Array {
  return tensor.dataSync<"float32">().slice();
}

function scalar(tensor: tf.Tensor): number {
  return tensor.dataSync()[0] ?? Number.NaN;
}
