/**
 * The element types of GGML (https://github.com/ggml-org/ggml: `enum ggml_type` and the `block_…` structures): how many
 * elements a block has, in how many bytes, and how many of its first bytes are scales.
 */
import type { Dtype } from "./table.ts";

export interface GgmlType {
  readonly dtype: Dtype;
  readonly blockElements: number;
  readonly blockBytes: number;
  /** 0 where elements are no blocks, or the scales stand behind the rest. */
  readonly scaleBytes: number;
}

function type(dtype: Dtype, blockElements: number, blockBytes: number, scaleBytes = 0): GgmlType {
  return { dtype, blockElements, blockBytes, scaleBytes };
}

/** By number. Numbers that are missing were given up and are in no file. */
export const GGML_TYPES = new Map<number, GgmlType>([
  [0, type("f32", 1, 4)],
  [1, type("f16", 1, 2)],
  [2, type("q4_0", 32, 18, 2)],
  [3, type("q4_1", 32, 20, 4)],
  [6, type("q5_0", 32, 22, 2)],
  [7, type("q5_1", 32, 24, 4)],
  [8, type("q8_0", 32, 34, 2)],
  [9, type("q8_1", 32, 36, 4)],
  [10, type("q2_k", 256, 84, 16)],
  [11, type("q3_k", 256, 110)],
  [12, type("q4_k", 256, 144, 16)],
  [13, type("q5_k", 256, 176, 16)],
  [14, type("q6_k", 256, 210)],
  [15, type("q8_k", 256, 292, 4)],
  [16, type("iq2_xxs", 256, 66, 2)],
  [17, type("iq2_xs", 256, 74, 2)],
  [18, type("iq3_xxs", 256, 98, 2)],
  [19, type("iq1_s", 256, 50, 2)],
  [20, type("iq4_nl", 32, 18, 2)],
  [21, type("iq3_s", 256, 110, 2)],
  [22, type("iq2_s", 256, 82, 2)],
  [23, type("iq4_xs", 256, 136, 8)],
  [24, type("i8", 1, 1)],
  [25, type("i16", 1, 2)],
  [26, type("i32", 1, 4)],
  [27, type("i64", 1, 8)],
  [28, type("f64", 1, 8)],
  [29, type("iq1_m", 256, 56)],
  [30, type("bf16", 1, 2)],
  [34, type("tq1_0", 256, 54)],
  [35, type("tq2_0", 256, 66)],
  [39, type("mxfp4", 32, 17, 1)],
  [40, type("nvfp4", 64, 36, 4)],
  [41, type("q1_0", 128, 18, 2)],
]);
