/** Gradient of max pooling, NHWC. */
import * as tf from "@tensorflow/tfjs-core";
import { newOutput, valuesOf } from "./heap.ts";

interface PoolAttributes {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: "valid" | "same" | number;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

/** Kernel `MaxPoolGrad`: each gradient goes to the first of the largest values of its window. */
export function maxPoolGradient({ inputs, attrs, backend }: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const x = inputs.input as tf.Tensor4D;
  const dy = inputs.dy as tf.Tensor4D;
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as PoolAttributes;
  const info = tf.backend_util.computePool2DInfo(x.shape, filterSize, strides, 1, pad, dimRoundingMode);
  const output = newOutput(backend, [...x.shape]);
  scatter({ x: valuesOf(backend, x), dy: valuesOf(backend, dy), gradient: output.values }, info);
  return output.info;
}

function scatter(
  { x, dy, gradient }: { x: Float32Array; dy: Float32Array; gradient: Float32Array },
  info: tf.backend_util.Conv2DInfo,
): void {
  const { inHeight, inWidth, inChannels: channels, strideHeight, strideWidth, padInfo } = info;
  let from = 0;
  for (let image = 0; image < info.batchSize; image += 1) {
    for (let row = 0; row < info.outHeight; row += 1) {
      const top = Math.max(0, row * strideHeight - padInfo.top);
      const bottom = Math.min(inHeight, row * strideHeight - padInfo.top + info.filterHeight);
      for (let column = 0; column < info.outWidth; column += 1) {
        const left = Math.max(0, column * strideWidth - padInfo.left);
        const right = Math.min(inWidth, column * strideWidth - padInfo.left + info.filterWidth);
        for (let channel = 0; channel < channels; channel += 1) {
          let place = -1;
          let largest = Number.NEGATIVE_INFINITY;
          for (let inRow = top; inRow < bottom; inRow += 1) {
            for (let inColumn = left; inColumn < right; inColumn += 1) {
              const at = ((image * inHeight + inRow) * inWidth + inColumn) * channels + channel;
              const value = x[at] ?? 0;
              if (value > largest) {
                largest = value;
                place = at;
              }
            }
          }
          // Nothing is larger than a NaN: then there is no first one, and the loss says so.
          if (place >= 0) gradient[place] = (gradient[place] ?? 0) + (dy[from] ?? 0);
          from += 1;
        }
      }
    }
  }
}
