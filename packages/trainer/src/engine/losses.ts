/** What training makes small. Each loss is the mean over the samples of a batch. */
import * as tf from "@tensorflow/tfjs-core";
import { SmcError } from "@smc/store/errors";

export const LOSSES = ["cross-entropy", "mse", "mae", "huber"] as const;
export type LossName = (typeof LOSSES)[number];

/** Where the Huber loss turns from square to straight. */
const HUBER_DELTA = 1;

type Loss = (outputs: tf.Tensor, targets: tf.Tensor) => { loss: tf.Tensor; gradient: () => tf.Tensor };

/** The loss as a scalar that can be differentiated by `outputs`: logits of classes, or predicted numbers. */
export function lossOf(name: LossName, outputs: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  const operation = tf.customGrad((...all: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [predicted, save] = all as [tf.Tensor, tf.GradSaveFunc];
    const { loss, gradient } = formula(name)(predicted, targets);
    save([gradient()]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor => tf.mul(dy, saved[0] ?? dy);
    return { value: loss, gradFunc };
  });
  return operation(outputs) as tf.Scalar;
}

function formula(name: LossName): Loss {
  switch (name) {
    case "cross-entropy":
      return crossEntropy;
    case "mse":
      return (outputs, targets) => {
        const error = tf.sub(outputs, targets);
        return { loss: tf.mean(tf.square(error)), gradient: () => tf.mul(error, 2 / error.size) };
      };
    case "mae":
      return (outputs, targets) => {
        const error = tf.sub(outputs, targets);
        return { loss: tf.mean(tf.abs(error)), gradient: () => tf.div(tf.sign(error), error.size) };
      };
    case "huber":
      return huber;
    default: {
      const unknown: never = name;
      throw new SmcError("INTERNAL", `no loss '${String(unknown)}'`);
    }
  }
}

/** Targets are shares of each class; a row may sum to its weight instead of 1. */
function crossEntropy(logits: tf.Tensor, targets: tf.Tensor): ReturnType<Loss> {
  const samples = logits.shape[0] ?? 1;
  const logShares = tf.logSoftmax(logits);
  const loss = tf.neg(tf.div(tf.sum(tf.mul(targets, logShares)), samples));
  const gradient = (): tf.Tensor => {
    const weights = tf.sum(targets, 1, true);
    return tf.div(tf.sub(tf.mul(tf.exp(logShares), weights), targets), samples);
  };
  return { loss, gradient };
}

function huber(outputs: tf.Tensor, targets: tf.Tensor): ReturnType<Loss> {
  const error = tf.sub(outputs, targets);
  const within = tf.clipByValue(error, -HUBER_DELTA, HUBER_DELTA);
  // within · (error - within / 2) is the square inside and the straight line outside.
  const loss = tf.mean(tf.mul(within, tf.sub(error, tf.div(within, 2))));
  return { loss, gradient: () => tf.div(within, error.size) };
}
