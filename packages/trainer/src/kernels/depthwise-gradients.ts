/** Gradients of a depthwise convolution, NHWC. */
import * as tf from "@tensorflow/tfjs-core";
import { type ConvAttributes, type Shape4D, spreadGradient } from "./conv-gradients.ts";
import { newOutput, valuesOf } from "./heap.ts";

interface DepthwiseAttributes extends ConvAttributes {
  readonly dilations: [number, number] | number;
}

function describe(
  attributes: DepthwiseAttributes,
  shapes: { input: Shape4D; filter: Shape4D },
): tf.backend_util.Conv2DInfo {
  const { strides, pad, dilations, dimRoundingMode } = attributes;
  const { input, filter } = shapes;
  return tf.backend_util.computeConv2DInfo(input, filter, strides, dilations, pad, dimRoundingMode, true);
}

/** Kernel `DepthwiseConv2dNativeBackpropInput`: a depthwise convolution of the spread gradient with turned filters. */
export function depthwiseInputGradient({ inputs, attrs }: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const dy = inputs.dy as tf.Tensor4D;
  const filter = inputs.filter as tf.Tensor4D;
  const attributes = attrs as unknown as DepthwiseAttributes & { inputShape: Shape4D };
  const info = describe(attributes, { input: attributes.inputShape, filter: filter.shape });
  const [height, width, channels, multiplier] = filter.shape;
  return tf.tidy(() => {
    const turned = tf.reshape(tf.reverse(filter, [0, 1]), [height, width, channels * multiplier, 1]);
    const dilations: [number, number] = [info.dilationHeight, info.dilationWidth];
    const each = tf.depthwiseConv2d(
      spreadGradient(dy, info),
      turned as tf.Tensor4D,
      1,
      "valid",
      "NHWC",
      dilations,
    );
    if (multiplier === 1) return each;
    const { batchSize, inHeight, inWidth } = info;
    const rows = tf.reshape(each, [batchSize * inHeight * inWidth, channels, multiplier]);
    return tf.reshape(tf.sum(rows, 2), [batchSize, inHeight, inWidth, channels]);
  });
}

/** Kernel `DepthwiseConv2dNativeBackpropFilter`. */
export function depthwiseFilterGradient({
  inputs,
  attrs,
  backend,
}: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const x = inputs.x as tf.Tensor4D;
  const dy = inputs.dy as tf.Tensor4D;
  const attributes = attrs as unknown as DepthwiseAttributes & { filterShape: Shape4D };
  const info = describe(attributes, { input: x.shape, filter: attributes.filterShape });
  const output = newOutput(backend, [...attributes.filterShape]);
  sumFilterGradient({ x: valuesOf(backend, x), dy: valuesOf(backend, dy), gradient: output.values }, info);
  return output.info;
}

function sumFilterGradient(
  { x, dy, gradient }: { x: Float32Array; dy: Float32Array; gradient: Float32Array },
  info: tf.backend_util.Conv2DInfo,
): void {
  const { filterHeight, filterWidth, inChannels, outChannels, inHeight, inWidth, padInfo } = info;
  const multiplier = outChannels / inChannels;
  const sums = new Float64Array(gradient.length);
  for (let image = 0; image < info.batchSize; image += 1) {
    for (let row = 0; row < info.outHeight; row += 1) {
      for (let filterRow = 0; filterRow < filterHeight; filterRow += 1) {
        const inRow = row * info.strideHeight + filterRow * info.dilationHeight - padInfo.top;
        if (inRow < 0 || inRow >= inHeight) continue;
        for (let column = 0; column < info.outWidth; column += 1) {
          const from = ((image * info.outHeight + row) * info.outWidth + column) * outChannels;
          for (let filterColumn = 0; filterColumn < filterWidth; filterColumn += 1) {
            const inColumn = column * info.strideWidth + filterColumn * info.dilationWidth - padInfo.left;
            if (inColumn < 0 || inColumn >= inWidth) continue;
            const at = ((image * inHeight + inRow) * inWidth + inColumn) * inChannels;
            const to = (filterRow * filterWidth + filterColumn) * outChannels;
            addProducts({ x, dy, sums }, { at, from, to, count: outChannels, multiplier });
          }
        }
      }
    }
  }
  gradient.set(sums);
}

function addProducts(
  { x, dy, sums }: { x: Float32Array; dy: Float32Array; sums: Float64Array },
  place: { at: number; from: number; to: number; count: number; multiplier: number },
): void {
  const { at, from, to, count, multiplier } = place;
  // One input channel for each output channel is the usual case, and needs no division.
  if (multiplier === 1) {
    for (let channel = 0; channel < count; channel += 1) {
      sums[to + channel] = (sums[to + channel] ?? 0) + (x[at + channel] ?? 0) * (dy[from + channel] ?? 0);
    }
    return;
  }
  for (let channel = 0; channel < count; channel += 1) {
    const product = (x[at + Math.floor(channel / multiplier)] ?? 0) * (dy[from + channel] ?? 0);
    sums[to + channel] = (sums[to + channel] ?? 0) + product;
  }
}
