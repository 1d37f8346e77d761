/** Direct access to the memory of the WASM backend, for loops that no primitive of it does fast. */
import type * as tf from "@tensorflow/tfjs-core";

/** The part of tfjs' BackendWasm that is used; the package does not export its type. */
export interface Heap {
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  typedArrayFromHeap(info: tf.TensorInfo): tf.TypedArray;
}

/** New float32 memory of zeros and the tensor that stands for it. */
export function newOutput(backend: unknown, shape: number[]): { info: tf.TensorInfo; values: Float32Array } {
  const heap = backend as Heap;
  const info = heap.makeOutput(shape, "float32");
  const values = heap.typedArrayFromHeap(info) as Float32Array;
  values.fill(0);
  return { info, values };
}

/** The values of a float32 tensor where they lie. Growing memory detaches them: make outputs first. */
export function valuesOf(backend: unknown, info: tf.TensorInfo): Float32Array {
  return (backend as Heap).typedArrayFromHeap(info) as Float32Array;
}
