/** The float types that FXD and DRV know. */
import type { Dtype } from "../formats/table.ts";

export interface FloatType {
  /** Its number in payloads and in the kernels. */
  readonly kind: number;
  readonly width: 2 | 4 | 8;
  readonly mantissaBits: number;
  readonly exponentMask: number;
}

const TYPES: ReadonlyMap<Dtype, FloatType> = new Map([
  ["f16", { kind: 1, width: 2, mantissaBits: 10, exponentMask: 31 }],
  ["bf16", { kind: 2, width: 2, mantissaBits: 7, exponentMask: 255 }],
  ["f32", { kind: 3, width: 4, mantissaBits: 23, exponentMask: 255 }],
  ["f64", { kind: 4, width: 8, mantissaBits: 52, exponentMask: 2047 }],
]);

/** Complex numbers are pairs of floats. */
export function floatType(dtype: Dtype | undefined): FloatType | undefined {
  if (dtype === "c64") return TYPES.get("f32");
  if (dtype === "c128") return TYPES.get("f64");
  return dtype === undefined ? undefined : TYPES.get(dtype);
}

export function floatTypeOfKind(kind: number): FloatType | undefined {
  return [...TYPES.values()].find((type) => type.kind === kind);
}
