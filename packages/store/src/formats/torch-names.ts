/** The names in PyTorch's pickles that stand for data, and what they mean for bytes. From torch 1.13 to 2.15. */
import type { Dtype } from "./table.ts";

/** An element type and its bytes; known also for types that have no name in a tensor table. */
export interface Element {
  readonly dtype: Dtype;
  readonly widthBytes: number;
}

const element = (dtype: Dtype, widthBytes: number): Element => ({ dtype, widthBytes });

/** By the name of the type in the module `torch`. Types of less than a byte are not here. */
const ELEMENTS = new Map<string, Element>([
  ["float64", element("f64", 8)],
  ["float32", element("f32", 4)],
  ["float16", element("f16", 2)],
  ["bfloat16", element("bf16", 2)],
  ["float8_e4m3fn", element("f8e4m3", 1)],
  ["float8_e5m2", element("f8e5m2", 1)],
  ["float8_e4m3fnuz", element("opaque", 1)],
  ["float8_e5m2fnuz", element("opaque", 1)],
  ["float8_e8m0fnu", element("opaque", 1)],
  ["float4_e2m1fn_x2", element("opaque", 1)],
  ["int64", element("i64", 8)],
  ["int32", element("i32", 4)],
  ["int16", element("i16", 2)],
  ["int8", element("i8", 1)],
  ["uint64", element("u64", 8)],
  ["uint32", element("u32", 4)],
  ["uint16", element("u16", 2)],
  ["uint8", element("u8", 1)],
  ["bool", element("bool", 1)],
  ["complex32", element("opaque", 4)],
  ["complex64", element("c64", 8)],
  ["complex128", element("c128", 16)],
]);

/** By the name of the storage class, without `Storage`. */
const STORAGE_TYPES = new Map<string, string>([
  ["Double", "float64"],
  ["Float", "float32"],
  ["Half", "float16"],
  ["BFloat16", "bfloat16"],
  ["Long", "int64"],
  ["Int", "int32"],
  ["Short", "int16"],
  ["Char", "int8"],
  ["Byte", "uint8"],
  ["Bool", "bool"],
  ["ComplexFloat", "complex64"],
  ["ComplexDouble", "complex128"],
  ["QInt8", "int8"],
  ["QUInt8", "uint8"],
  ["QInt32", "int32"],
  // Bytes whose type the tensor tells.
  ["Untyped", "uint8"],
]);

/** The element type of `torch.<name>`. */
export function elementOfType(path: string): Element | undefined {
  return path.startsWith("torch.") ? ELEMENTS.get(path.slice("torch.".length)) : undefined;
}

/** The element type of a storage class such as `torch.FloatStorage`. */
export function elementOfStorage(path: string): Element | undefined {
  const [, name = ""] = /^torch\.(?:cuda\.|storage\.)?(\w+)Storage$/.exec(path) ?? [];
  return ELEMENTS.get(STORAGE_TYPES.get(name) ?? "");
}

/** Functions that make tensors of a storage: their first arguments are storage, offset, shape and strides. */
export const REBUILD_TENSOR: ReadonlySet<string> = new Set([
  "torch._utils._rebuild_tensor",
  "torch._utils._rebuild_tensor_v2",
  "torch._utils._rebuild_tensor_v3",
  "torch._utils._rebuild_qtensor",
]);

/** Functions that give a tensor, their first argument, another type. */
export const REBUILD_PARAMETER: ReadonlySet<string> = new Set([
  "torch._utils._rebuild_parameter",
  "torch._utils._rebuild_parameter_with_state",
]);

export const REBUILD_OF_TYPE = "torch._tensor._rebuild_from_type_v2";
export const ORDERED_DICT = "collections.OrderedDict";
