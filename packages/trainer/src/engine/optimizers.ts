/** One step down the gradient. Written here because the state of tfjs' own optimisers is not restored to the bit. */
import * as tf from "@tensorflow/tfjs-core";
import { SmcError } from "@smc/store/errors";

export const OPTIMIZERS = ["sgd", "momentum", "adam", "adamw", "rmsprop"] as const;

export interface OptimizerSpec {
  readonly name: (typeof OPTIMIZERS)[number];
  /** Of momentum. */
  readonly momentum: number;
  /** Of adam and adamw: decay of the mean. */
  readonly beta1: number;
  /** Of adam and adamw: decay of the square. */
  readonly beta2: number;
  /** Of rmsprop: decay of the square. */
  readonly rho: number;
  readonly epsilon: number;
  /** adamw takes this share of a weight away in each step; the others add it to the gradient. Not of biases. */
  readonly weightDecay: number;
}

interface Step {
  readonly learningRate: number;
  /** Counted from 1 over the whole run. */
  readonly number: number;
}

interface Update {
  readonly name: string;
  readonly weight: tf.Variable;
  readonly gradient: tf.Tensor;
}

/** Running means of an optimiser, by "<kind>/<name of the weight>". */
export type Slots = Map<string, tf.Variable>;

/** Changes the weights and the slots in place. */
export function applyGradients(
  updates: readonly Update[],
  { spec, step, slots }: { spec: OptimizerSpec; step: Step; slots: Slots },
): void {
  for (const update of updates) {
    tf.tidy(() => {
      const { weight } = update;
      const decayed = spec.weightDecay > 0 && weight.rank > 1;
      const gradient =
        decayed && spec.name !== "adamw"
          ? tf.add(update.gradient, tf.mul(weight, spec.weightDecay))
          : update.gradient;
      const change = changeOf({ ...update, gradient }, { spec, step, slots });
      const kept =
        decayed && spec.name === "adamw" ? tf.mul(weight, 1 - step.learningRate * spec.weightDecay) : weight;
      weight.assign(tf.sub(kept, tf.mul(change, step.learningRate)));
    });
  }
}

function changeOf(
  { name, weight, gradient }: Update,
  { spec, step, slots }: { spec: OptimizerSpec; step: Step; slots: Slots },
): tf.Tensor {
  const slot = (kind: string): tf.Variable => {
    const key = `${kind}/${name}`;
    const known = slots.get(key);
    if (known !== undefined) return known;
    const made = tf.variable(tf.zeros(weight.shape), false);
    slots.set(key, made);
    return made;
  };
  switch (spec.name) {
    case "sgd":
      return gradient;
    case "momentum": {
      const speed = slot("speed");
      speed.assign(tf.add(tf.mul(speed, spec.momentum), gradient));
      return speed;
    }
    case "rmsprop": {
      const square = slot("square");
      square.assign(mixed(square, tf.square(gradient), spec.rho));
      return tf.div(gradient, tf.add(tf.sqrt(square), spec.epsilon));
    }
    case "adam":
    case "adamw": {
      const mean = slot("mean");
      const square = slot("square");
      mean.assign(mixed(mean, gradient, spec.beta1));
      square.assign(mixed(square, tf.square(gradient), spec.beta2));
      // Both start at zero, which the first steps must not feel.
      const meanShare = 1 - spec.beta1 ** step.number;
      const squareShare = 1 - spec.beta2 ** step.number;
      const root = tf.add(tf.sqrt(tf.div(square, squareShare)), spec.epsilon);
      return tf.div(tf.div(mean, meanShare), root);
    }
    default: {
      const unknown: never = spec.name;
      throw new SmcError("INTERNAL", `no optimiser '${String(unknown)}'`);
    }
  }
}

function mixed(old: tf.Tensor, next: tf.Tensor, decay: number): tf.Tensor {
  return tf.add(tf.mul(old, decay), tf.mul(next, 1 - decay));
}
