/**
 * Gradients of a convolution as convolutions: XNNPACK's forward kernel is the fastest piece of the WASM backend, so
 * both gradients are written as one call of it. Layout NHWC, no dilation, as tfjs asks of these kernels.
 */
import * as tf from "@tensorflow/tfjs-core";

/** What tfjs hands to the gradient kernels of convolutions. */
export interface ConvAttributes {
  readonly strides: [number, number] | number;
  readonly pad: "valid" | "same" | number | tf.backend_util.ExplicitPadding;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

export type Shape4D = [number, number, number, number];

function describe(
  attributes: ConvAttributes,
  shapes: { input: Shape4D; filter: Shape4D },
): tf.backend_util.Conv2DInfo {
  const { strides, pad, dimRoundingMode } = attributes;
  return tf.backend_util.computeConv2DInfo(shapes.input, shapes.filter, strides, 1, pad, dimRoundingMode);
}

/** Kernel `Conv2DBackpropFilter`. */
export function convFilterGradient({ inputs, attrs }: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const x = inputs.x as tf.Tensor4D;
  const dy = inputs.dy as tf.Tensor4D;
  const attributes = attrs as unknown as ConvAttributes & { filterShape: Shape4D };
  return tf.tidy(() =>
    filterGradient({ x, dy }, describe(attributes, { input: x.shape, filter: attributes.filterShape })),
  );
}

function filterGradient(
  { x, dy }: { x: tf.Tensor4D; dy: tf.Tensor4D },
  info: tf.backend_util.Conv2DInfo,
): tf.Tensor4D {
  const { filterHeight, filterWidth, inChannels, outChannels, strideHeight, strideWidth } = info;
  if (isPointwise(info)) {
    const rows = tf.transpose(tf.reshape(x, [-1, inChannels]));
    const product = tf.matMul(rows, tf.reshape(dy, [-1, outChannels]));
    return tf.reshape(product, [1, 1, inChannels, outChannels]);
  }
  // An input channel becomes an image, the batch its channels, and dy the filter that is laid over it.
  const height = (info.outHeight - 1) * strideHeight + filterHeight;
  const width = (info.outWidth - 1) * strideWidth + filterWidth;
  const images = tf.transpose<tf.Tensor4D>(fitted(x, { info, height, width }), [3, 1, 2, 0]);
  const filters = tf.transpose<tf.Tensor4D>(dy, [1, 2, 0, 3]);
  const gradient = tf.conv2d(images, filters, 1, "valid", "NHWC", [strideHeight, strideWidth]);
  return tf.transpose(gradient, [1, 2, 0, 3]);
}

function isPointwise(info: tf.backend_util.Conv2DInfo): boolean {
  const { top, bottom, left, right } = info.padInfo;
  const sizes = info.filterHeight * info.filterWidth * info.strideHeight * info.strideWidth;
  return sizes === 1 && top + bottom + left + right === 0;
}

/** The input with its padding, and without the rows and columns that no filter reaches. */
function fitted(
  x: tf.Tensor4D,
  { info, height, width }: { info: tf.backend_util.Conv2DInfo; height: number; width: number },
): tf.Tensor4D {
  const [batch, inHeight, inWidth, channels] = x.shape;
  const { top, left } = info.padInfo;
  const bottom = Math.max(0, height - inHeight - top);
  const right = Math.max(0, width - inWidth - left);
  const padded =
    top + left + bottom + right === 0
      ? x
      : tf.pad(x, [
          [0, 0],
          [top, bottom],
          [left, right],
          [0, 0],
        ]);
  if (padded.shape[1] === height && padded.shape[2] === width) return padded;
  return tf.slice(padded, [0, 0, 0, 0], [batch, height, width, channels]);
}

/** Kernel `Conv2DBackpropInput`. */
export function convInputGradient({ inputs, attrs }: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const dy = inputs.dy as tf.Tensor4D;
  const filter = inputs.filter as tf.Tensor4D;
  const attributes = attrs as unknown as ConvAttributes & { inputShape: Shape4D };
  const info = describe(attributes, { input: attributes.inputShape, filter: filter.shape });
  return tf.tidy(() => {
    const turned = tf.transpose<tf.Tensor4D>(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
    return tf.conv2d(spreadGradient(dy, info), turned, 1, "valid");
  });
}

/**
 * dy with zeros between its rows and columns where the stride skipped some, and around it, so that a turned filter at
 * stride 1 reaches every pixel of the input once from each output that used it.
 */
export function spreadGradient(dy: tf.Tensor4D, info: tf.backend_util.Conv2DInfo): tf.Tensor4D {
  const { strideHeight, strideWidth, effectiveFilterHeight, effectiveFilterWidth, padInfo } = info;
  const spread = withGaps(dy, { strideHeight, strideWidth });
  const [, height, width] = spread.shape;
  const top = effectiveFilterHeight - 1 - padInfo.top;
  const left = effectiveFilterWidth - 1 - padInfo.left;
  // The convolution that follows takes filter - 1 rows and columns away.
  const bottom = info.inHeight + effectiveFilterHeight - 1 - height - top;
  const right = info.inWidth + effectiveFilterWidth - 1 - width - left;
  return resized(spread, { top, bottom, left, right });
}

/** Rows of zeros after each row, columns after each column; in two steps because WASM pads few dimensions fast. */
function withGaps(dy: tf.Tensor4D, strides: { strideHeight: number; strideWidth: number }): tf.Tensor4D {
  const { strideHeight, strideWidth } = strides;
  const [batch, height, width, channels] = dy.shape;
  if (strideHeight === 1 && strideWidth === 1) return dy;
  const columns = tf.pad(tf.reshape(dy, [batch * height * width, 1, channels]), [
    [0, 0],
    [0, strideWidth - 1],
    [0, 0],
  ]);
  const rows = tf.pad(tf.reshape(columns, [batch * height, 1, width * strideWidth * channels]), [
    [0, 0],
    [0, strideHeight - 1],
    [0, 0],
  ]);
  return tf.reshape(rows, [batch, height * strideHeight, width * strideWidth, channels]);
}

/** Adds rows and columns of zeros, or takes away where a number is negative. */
function resized(
  image: tf.Tensor4D,
  sides: { top: number; bottom: number; left: number; right: number },
): tf.Tensor4D {
  const { top, bottom, left, right } = sides;
  const [batch, height, width, channels] = image.shape;
  const more = (side: number): number => Math.max(0, side);
  const less = (side: number): number => Math.max(0, -side);
  const cut = tf.slice(
    image,
    [0, less(top), less(left), 0],
    [batch, height - less(top) - less(bottom), width - less(left) - less(right), channels],
  );
  return tf.pad(cut, [
    [0, 0],
    [more(top), more(bottom)],
    [more(left), more(right)],
    [0, 0],
  ]);
}
