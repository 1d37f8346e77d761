/**
 * The operations that networks are made of, with their gradients. tfjs has gradients of its own, but only its umbrella
 * package registers them for Node, at three times the size; and these here are fused: one pass for what would be five.
 */
import * as tf from "@tensorflow/tfjs-core";

export type Activation = "linear" | "relu" | "relu6" | "swish";

type Backward = (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];

/** `forward` gives the value and what `backward` needs; `backward` gives one gradient for each of `inputs`. */
function differentiable(
  inputs: tf.Tensor[],
  forward: () => { value: tf.Tensor; saved: tf.Tensor[] },
  backward: Backward,
): tf.Tensor {
  const operation = tf.customGrad((...all: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const save = all.at(-1) as tf.GradSaveFunc;
    const { value, saved } = forward();
    save(saved);
    return { value, gradFunc: backward };
  });
  return operation(...inputs);
}

const KERNELS = {
  convInput: "Conv2DBackpropInput",
  convFilter: "Conv2DBackpropFilter",
  depthwiseInput: "DepthwiseConv2dNativeBackpropInput",
  depthwiseFilter: "DepthwiseConv2dNativeBackpropFilter",
  maxPool: "MaxPoolGrad",
} as const;

/** A gradient kernel of the backend; those that WASM lacks are in `kernels/`. */
function gradientKernel(
  kernel: keyof typeof KERNELS,
  inputs: Record<string, tf.Tensor>,
  attributes: Record<string, unknown>,
): tf.Tensor {
  const all = { dataFormat: "NHWC", ...attributes } as tf.NamedAttrMap;
  return tf.engine().runKernel(KERNELS[kernel], inputs, all);
}

/** The sum over everything but the channels, as a product with ones: WASM multiplies matrices faster than it sums. */
function channelSums(x: tf.Tensor): tf.Tensor {
  const channels = x.shape.at(-1) ?? 1;
  const rows = tf.reshape(x, [-1, channels]);
  return tf.reshape(tf.matMul(tf.ones([1, rows.shape[0] ?? 0]), rows as tf.Tensor2D), [channels]);
}

/** dy in front of an activation, told from what came out of it. */
function beforeActivation(dy: tf.Tensor, y: tf.Tensor, activation: "linear" | "relu" | "relu6"): tf.Tensor {
  if (activation === "linear") return dy;
  const passed = tf.mul(dy, tf.step(y));
  return activation === "relu" ? passed : tf.mul(passed, tf.cast(tf.less(y, 6), "float32"));
}

export interface ConvOptions {
  readonly stride: number;
  readonly activation: "linear" | "relu" | "relu6";
  /** False for the input of the network, whose gradient nobody needs. */
  readonly inputGradient: boolean;
}

/** Convolution, padding "same", with bias and activation. */
export function conv(
  [x, filter, bias]: readonly [tf.Tensor, tf.Tensor, tf.Tensor | undefined],
  { stride, activation, inputGradient }: ConvOptions,
): tf.Tensor {
  const attributes = { strides: [stride, stride], pad: "same" };
  const forward = (): { value: tf.Tensor; saved: tf.Tensor[] } => {
    const value = tf.fused.conv2d({
      x: x as tf.Tensor4D,
      filter: filter as tf.Tensor4D,
      strides: stride,
      pad: "same",
      activation,
      ...(bias === undefined ? {} : { bias }),
    });
    return { value, saved: [x, filter, value] };
  };
  const backward: Backward = (dy, [input, weights, output]) => {
    if (input === undefined || weights === undefined || output === undefined) return [];
    const before = beforeActivation(dy, output, activation);
    const byFilter = { ...attributes, filterShape: weights.shape };
    const gradients = [gradientKernel("convFilter", { x: input, dy: before }, byFilter)];
    if (bias !== undefined) gradients.push(channelSums(before));
    if (!inputGradient) return gradients;
    const byInput = { ...attributes, inputShape: input.shape };
    return [gradientKernel("convInput", { dy: before, filter: weights }, byInput), ...gradients];
  };
  const weights = bias === undefined ? [filter] : [filter, bias];
  return differentiable(inputGradient ? [x, ...weights] : weights, forward, backward);
}

/** Convolution of each channel by itself, padding "same", without bias. */
export function depthwise([x, filter]: readonly [tf.Tensor, tf.Tensor], stride: number): tf.Tensor {
  const attributes = { strides: [stride, stride], pad: "same", dilations: [1, 1] };
  return differentiable(
    [x, filter],
    () => ({
      value: tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, "same"),
      saved: [x, filter],
    }),
    (dy, [input, weights]) => {
      if (input === undefined || weights === undefined) return [];
      const byInput = { ...attributes, inputShape: input.shape };
      const byFilter = { ...attributes, filterShape: weights.shape };
      return [
        gradientKernel("depthwiseInput", { dy, filter: weights }, byInput),
        gradientKernel("depthwiseFilter", { x: input, dy }, byFilter),
      ];
    },
  );
}

/**
 * Rows times weights plus bias. Transposed by hand: WASM's product of transposed matrices takes eight times as long.
 */
export function dense(
  [x, weights, bias]: readonly [tf.Tensor, tf.Tensor, tf.Tensor],
  { activation, inputGradient }: Omit<ConvOptions, "stride">,
): tf.Tensor {
  const forward = (): { value: tf.Tensor; saved: tf.Tensor[] } => {
    const value = tf.fused.matMul({ a: x, b: weights, bias, activation });
    return { value, saved: [x, weights, value] };
  };
  const backward: Backward = (dy, [input, matrix, output]) => {
    if (input === undefined || matrix === undefined || output === undefined) return [];
    const before = beforeActivation(dy, output, activation);
    const gradients = [tf.matMul(tf.transpose(input), before), channelSums(before)];
    return inputGradient ? [tf.matMul(before, tf.transpose(matrix)), ...gradients] : gradients;
  };
  return differentiable(inputGradient ? [x, weights, bias] : [weights, bias], forward, backward);
}

export function activate(x: tf.Tensor, activation: Activation): tf.Tensor {
  if (activation === "linear") return x;
  if (activation === "swish") return swish(x);
  return differentiable(
    [x],
    () => {
      const value = activation === "relu" ? tf.relu(x) : tf.relu6(x);
      return { value, saved: [value] };
    },
    (dy, [output]) => (output === undefined ? [] : [beforeActivation(dy, output, activation)]),
  );
}

function swish(x: tf.Tensor): tf.Tensor {
  return differentiable(
    [x],
    () => {
      const gate = tf.sigmoid(x);
      const value = tf.mul(x, gate);
      return { value, saved: [gate, value] };
    },
    (dy, [gate, value]) => {
      if (gate === undefined || value === undefined) return [];
      // d(x·s)/dx = s + x·s·(1 - s)
      return [tf.mul(dy, tf.add(gate, tf.mul(value, tf.sub(1, gate))))];
    },
  );
}

/** Between 0 and 1. */
export function sigmoid(x: tf.Tensor): tf.Tensor {
  return differentiable(
    [x],
    () => {
      const value = tf.sigmoid(x);
      return { value, saved: [value] };
    },
    (dy, [value]) => (value === undefined ? [] : [tf.mul(dy, tf.mul(value, tf.sub(1, value)))]),
  );
}

/** Added to the variance of a batch, so that a channel that never changes divides by something. */
export const NORM_EPSILON = 1e-3;

/** Mean and variance of each channel. */
export function channelMoments(x: tf.Tensor): { mean: tf.Tensor; variance: tf.Tensor } {
  const rows = x.size / (x.shape.at(-1) ?? 1);
  const mean = tf.div(channelSums(x), rows);
  return { mean, variance: tf.div(channelSums(tf.square(tf.sub(x, mean))), rows) };
}

/** Batch normalisation by the moments of the batch itself. */
export function normalizeBatch(
  [x, gamma, beta]: readonly [tf.Tensor, tf.Tensor, tf.Tensor],
  { mean, variance }: { mean: tf.Tensor; variance: tf.Tensor },
): tf.Tensor {
  const rows = x.size / (x.shape.at(-1) ?? 1);
  return differentiable(
    [x, gamma, beta],
    () => {
      const inverse = tf.rsqrt(tf.add(variance, NORM_EPSILON));
      const centered = tf.mul(tf.sub(x, mean), inverse);
      return { value: tf.add(tf.mul(centered, gamma), beta), saved: [centered, inverse, gamma] };
    },
    (dy, [centered, inverse, scale]) => {
      if (centered === undefined || inverse === undefined || scale === undefined) return [];
      const byBeta = channelSums(dy);
      const byGamma = channelSums(tf.mul(dy, centered));
      // The batch's own mean and variance depend on x as well: both shares are taken out of dy.
      const shares = tf.add(tf.div(byBeta, rows), tf.mul(centered, tf.div(byGamma, rows)));
      return [tf.mul(tf.sub(dy, shares), tf.mul(scale, inverse)), byGamma, byBeta];
    },
  );
}

/** Batch normalisation by moments that were gathered before; without a gradient, for evaluation. */
export function normalizeFixed(
  [x, gamma, beta]: readonly [tf.Tensor, tf.Tensor, tf.Tensor],
  { mean, variance }: { mean: tf.Tensor; variance: tf.Tensor },
): tf.Tensor {
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, NORM_EPSILON)));
  return tf.add(tf.mul(x, scale), tf.sub(beta, tf.mul(mean, scale)));
}

/** The largest of each window of size × size; an edge that no window fills is left out. */
export function maxPool(x: tf.Tensor, size: number): tf.Tensor {
  const attributes = { filterSize: [size, size], strides: [size, size], pad: "valid" };
  return differentiable(
    [x],
    () => {
      const value = tf.maxPool(x as tf.Tensor4D, size, size, "valid");
      return { value, saved: [x, value] };
    },
    (dy, [input, output]) =>
      input === undefined || output === undefined
        ? []
        : [gradientKernel("maxPool", { dy, input, output }, attributes)],
  );
}

/** The mean of each channel of each image. */
export function globalAverage(x: tf.Tensor): tf.Tensor {
  const [batch = 0, height = 1, width = 1, channels = 1] = x.shape;
  const area = height * width;
  return differentiable(
    [x],
    () => ({ value: tf.mean(tf.reshape(x, [batch, area, channels]), 1), saved: [] }),
    (dy) => {
      const each = tf.reshape(tf.div(dy, area), [batch, 1, channels]);
      return [tf.reshape(tf.tile(each, [1, area, 1]), x.shape)];
    },
  );
}

/** Each image's channels times a number each: x [n,h,w,c], scale [n,c]. */
export function scaleChannels(x: tf.Tensor, scale: tf.Tensor): tf.Tensor {
  const [batch = 0, height = 1, width = 1, channels = 1] = x.shape;
  const spread = (factors: tf.Tensor): tf.Tensor => tf.reshape(factors, [batch, 1, 1, channels]);
  return differentiable(
    [x, scale],
    () => ({ value: tf.mul(x, spread(scale)), saved: [x, scale] }),
    (dy, [input, factors]) => {
      if (input === undefined || factors === undefined) return [];
      const products = tf.reshape(tf.mul(dy, input), [batch, height * width, channels]);
      return [tf.mul(dy, spread(factors)), tf.sum(products, 1)];
    },
  );
}

export function addBoth(left: tf.Tensor, right: tf.Tensor): tf.Tensor {
  return differentiable(
    [left, right],
    () => ({ value: tf.add(left, right), saved: [] }),
    (dy) => [tf.clone(dy), tf.clone(dy)],
  );
}

/** x times numbers that are not learned: a mask of dropout. */
export function timesMask(x: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  return differentiable(
    [x],
    () => ({ value: tf.mul(x, mask), saved: [mask] }),
    (dy, [kept]) => (kept === undefined ? [] : [tf.mul(dy, kept)]),
  );
}

export function flatten(x: tf.Tensor): tf.Tensor {
  return differentiable(
    [x],
    () => ({ value: tf.reshape(x, [x.shape[0] ?? 0, -1]), saved: [] }),
    (dy) => [tf.reshape(dy, x.shape)],
  );
}
