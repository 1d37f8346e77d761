/**
 * Which numbers a quantised tensor of an ONNX model is made of: value = scale × (stored − zero point), one scale for
 * the whole tensor. Quantisers of onnxruntime call the tensor that was `X` `X_quantized` and put `X_scale` and
 * `X_zero_point` beside it; others keep the name, and the node that reads the tensor names all three.
 */
import type { OnnxTensor } from "./onnx-tensor.ts";
import type { TensorSpan } from "./table.ts";

const QUANTIZED = "_quantized";

/** Kind of node → inputs that are a quantised tensor, its scale and its zero point. */
const INPUTS = new Map<string, readonly (readonly [number, number, number])[]>([
  ["DequantizeLinear", [[0, 1, 2]]],
  ["QLinearConv", [[3, 4, 5]]],
  [
    "QLinearMatMul",
    [
      [0, 1, 2],
      [3, 4, 5],
    ],
  ],
  [
    "QGemm",
    [
      [0, 1, 2],
      [3, 4, 5],
    ],
  ],
  ["DynamicQuantizeMatMul", [[1, 2, 3]]],
  [
    "MatMulIntegerToFloat",
    [
      [0, 2, 4],
      [1, 3, 5],
    ],
  ],
]);
/** Tensors that nodes may name; what later nodes say is not kept, and costs only space. */
const SOURCES_MAX = 100_000;
/** Inputs of a node that are looked at. */
export const INPUTS_MAX = 9;

/** True for a kind of node that reads quantised tensors: `addNode` wants to know its inputs. */
export function isQuantized(kind: string): boolean {
  return INPUTS.has(kind);
}

interface Source {
  readonly scale: string;
  /** Empty: zero. */
  readonly zeroPoint: string;
}

/** Collects what nodes and tensors say in the order of the file, and then answers. */
export class Quantizations {
  readonly #sources = new Map<string, Source>();
  readonly #scalars = new Map<string, number>();

  addNode(kind: string, inputs: readonly string[]): void {
    for (const [tensor, scale, zeroPoint] of INPUTS.get(kind) ?? []) {
      const name = inputs[tensor];
      const source = { scale: inputs[scale] ?? "", zeroPoint: inputs[zeroPoint] ?? "" };
      if (name !== undefined && name !== "" && this.#sources.size < SOURCES_MAX)
        this.#sources.set(name, source);
    }
  }

  addScalar({ name, scalar }: OnnxTensor): void {
    if (scalar !== undefined) this.#scalars.set(name, scalar);
  }

  /** Undefined when the tensor is not quantised, or with more than one scale. */
  of({ name, dtype, scalar }: OnnxTensor): TensorSpan["affine"] {
    if ((dtype !== "u8" && dtype !== "i8") || scalar !== undefined) return undefined;
    const base = name.endsWith(QUANTIZED) ? name.slice(0, -QUANTIZED.length) : name;
    const isNamed = base !== name && base !== "";
    const beside = isNamed ? { scale: `${base}_scale`, zeroPoint: `${base}_zero_point` } : undefined;
    const source = this.#sources.get(name) ?? beside;
    if (source === undefined) return undefined;
    const scale = this.#scalars.get(source.scale);
    const zeroPoint = source.zeroPoint === "" ? 0 : this.#scalars.get(source.zeroPoint);
    if (scale === undefined || zeroPoint === undefined) return undefined;
    const [low, high] = dtype === "u8" ? [0, 255] : [-128, 127];
    const isUsable = Number.isFinite(scale) && scale > 0 && Number.isInteger(zeroPoint);
    if (!isUsable || zeroPoint < low || zeroPoint > high) return undefined;
    return { of: isNamed ? base : name, scale, zeroPoint };
  }
}
