/** For tests: safetensors files made of numbers. */
import type { Dtype } from "../formats/table.ts";
import { type FloatDtype, isFloat, writeElements } from "../tensors/elements.ts";
import { layoutSafetensors } from "../tensors/safetensors-layout.ts";

export interface TestTensor {
  readonly dtype: Dtype;
  /** One dimension with all elements when left out. */
  readonly shape?: readonly number[];
  /** Elements of a float type, else bytes. */
  readonly values: readonly number[];
}

const WIDTHS: Readonly<Record<FloatDtype, number>> = { f64: 8, f32: 4, f16: 2, bf16: 2 };

function bytesOf({ dtype, values }: TestTensor): Uint8Array {
  if (!isFloat(dtype)) return Uint8Array.from(values);
  const bytes = new Uint8Array(values.length * WIDTHS[dtype]);
  writeElements(dtype, Float64Array.from(values), bytes);
  return bytes;
}

/** The bytes of a valid safetensors file. */
export function safetensorsFile(
  tensors: Readonly<Record<string, TestTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const rows = Object.entries(tensors).map(([name, tensor]) => {
    const bytes = bytesOf(tensor);
    const shape = tensor.shape ?? [tensor.values.length];
    return { name, dtype: tensor.dtype, shape, length: bytes.length, bytes };
  });
  const layout = layoutSafetensors(rows, metadata);
  return new Uint8Array(Buffer.concat([layout.header, ...layout.tensors.map(({ bytes }) => bytes)]));
}

/** Numbers that look like weights: small, around zero, the same for the same seed. */
export function weights(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.sin((index + 1) * (seed + 0.5)) * 0.05);
}
