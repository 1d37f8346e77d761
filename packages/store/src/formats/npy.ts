/** NumPy's .npy: a header that is a Python literal, then the elements. Layout: numpy/lib/format.py of NumPy 2.3. */
import { basename } from "node:path/posix";
import { BoundedReader, malformed, quoted } from "./bounded-reader.ts";
import { checkedTable, elementCount } from "./checked-table.ts";
import { type Literal, parseLiteral } from "./python-literal.ts";
import type { ByteSource, Dtype, Format, TensorSpan, TensorTable } from "./table.ts";

const MAGIC = "\u0093NUMPY";
/** NumPy itself reads 10,000 bytes unless it is told to trust the file. */
const HEADER_BYTES_MAX = 64 * 1024;
const PREFIX_BYTES_MAX = 12;

export interface NpyHeader {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Undefined for Python objects, which are a pickle. */
  readonly widthBytes: number | undefined;
  /** Elements lie in the order of the shape. */
  readonly isRowMajor: boolean;
  /** Bytes of all before the elements. */
  readonly headerBytes: number;
}

export const npy: Format = {
  name: "NPY",
  matches: (head) => Buffer.from(head.subarray(0, MAGIC.length)).toString("latin1") === MAGIC,
  parse(source, fileName) {
    const reader = new BoundedReader(source, "NPY");
    const name = basename(fileName.replaceAll("\\", "/")).replace(/\.npy$/, "") || "array";
    return arrayTable(readNpyHeader(reader), name, source);
  },
};

function arrayTable(header: NpyHeader, name: string, source: ByteSource): TensorTable {
  const { tensors, scattered } = placeArray(header, name, {
    offset: header.headerBytes,
    sizeBytes: source.sizeBytes - header.headerBytes,
    format: "NPY",
  });
  const table = checkedTable("NPY", { tensors, scattered }, source.sizeBytes);
  return { ...table, risk: header.widthBytes === undefined ? "executable" : "data-only" };
}

/**
 * Span of an array whose elements begin at `offset`, with `sizeBytes` to the end. An array in column order has a
 * span of its bytes, `<name>#storage`, and stands in `scattered`; objects have no span. Throws FILE_MALFORMED when
 * the elements do not fit.
 */
export function placeArray(
  header: NpyHeader,
  name: string,
  place: { readonly offset: number; readonly sizeBytes: number; readonly format: string },
): { tensors: TensorSpan[]; scattered: Pick<TensorSpan, "name" | "dtype" | "shape">[] } {
  const { dtype, shape, widthBytes, isRowMajor } = header;
  const whole = { name, dtype, shape };
  if (widthBytes === undefined) return { tensors: [], scattered: [whole] };
  const count = elementCount(shape) ?? 0;
  const length = count * widthBytes;
  if (!(length <= place.sizeBytes)) {
    const problem = `array ${quoted(name)} needs ${length} bytes where ${place.sizeBytes} are left`;
    throw malformed(place.format, problem);
  }
  const span = { ...whole, offset: place.offset, length };
  if (isRowMajor) return { tensors: [span], scattered: [] };
  return { tensors: [{ ...span, name: `${name}#storage`, shape: [count] }], scattered: [whole] };
}

/** Reads from the cursor. Throws FILE_MALFORMED for any header that NumPy would not write. */
export function readNpyHeader(reader: BoundedReader): NpyHeader {
  const start = reader.offset;
  if (Buffer.from(reader.bytes(MAGIC.length)).toString("latin1") !== MAGIC) reader.fail("wrong magic");
  const major = reader.u8();
  const minor = reader.u8();
  if (major < 1 || major > 3 || minor !== 0) reader.fail(`version ${major}.${minor}`);
  const length = major === 1 ? reader.u16() : reader.u32();
  if (length > HEADER_BYTES_MAX) reader.fail(`a header of ${length} bytes, more than ${HEADER_BYTES_MAX}`);
  const bytes = Buffer.from(reader.bytes(length));
  const text = bytes.toString(major === 3 ? "utf8" : "latin1");
  const fail = (problem: string): never => reader.fail(problem);
  const literal = parseLiteral(text, fail);
  const fields = new Map(
    literal.kind === "dict" ? literal.entries.map(({ key, value }) => [key, value]) : [],
  );
  const descr = fields.get("descr");
  const order = fields.get("fortran_order");
  const shape = fields.get("shape");
  const isWhole = literal.kind === "dict" && literal.entries.length === 3;
  if (!isWhole || descr === undefined || order?.kind !== "bool" || shape?.kind !== "tuple")
    return fail("its header has other fields than descr, fortran_order and shape");
  const dimensions = shape.items.map((item) => (item.kind === "int" ? item.value : -1));
  if (elementCount(dimensions) === undefined) fail("its shape cannot be");
  const isVector = dimensions.filter((dimension) => dimension !== 1).length <= 1;
  return {
    ...elementOf(descr, fail),
    shape: dimensions,
    isRowMajor: !order.value || isVector,
    headerBytes: reader.offset - start,
  };
}

/** The prefix of a member that is enough to know how long its header is. */
export function npyHeaderBytes(prefix: Uint8Array): number | undefined {
  if (prefix.length < PREFIX_BYTES_MAX) return undefined;
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const bytes = prefix[6] === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
  return bytes > HEADER_BYTES_MAX ? undefined : bytes;
}

type Fail = (problem: string) => never;

const KINDS = new Map<string, (bytes: number) => Dtype | undefined>([
  ["f", (bytes) => ({ 2: "f16", 4: "f32", 8: "f64" })[bytes] as Dtype | undefined],
  ["i", (bytes) => ({ 1: "i8", 2: "i16", 4: "i32", 8: "i64" })[bytes] as Dtype | undefined],
  ["u", (bytes) => ({ 1: "u8", 2: "u16", 4: "u32", 8: "u64" })[bytes] as Dtype | undefined],
  ["c", (bytes) => ({ 8: "c64", 16: "c128" })[bytes] as Dtype | undefined],
  ["b", (bytes) => ({ 1: "bool" })[bytes] as Dtype | undefined],
]);

/**
 * Element type of a descr: "<f4", or a list of fields. `V2` may be a bfloat16, but nothing says so. Literals are
 * nested only so deep, and so is this.
 */
function elementOf(descr: Literal, fail: Fail): Pick<NpyHeader, "dtype" | "widthBytes"> {
  if (descr.kind === "list") return { dtype: "opaque", widthBytes: recordBytes(descr.items, fail) };
  // A type with metadata is written as a pair.
  if (descr.kind === "tuple" && descr.items[0] !== undefined) return elementOf(descr.items[0], fail);
  if (descr.kind !== "text") return fail("its descr is no type");
  const [, order = "", kind = "", digits = ""] =
    /^([<>|=]?)([a-zA-Z])(\d{0,9})(?:\[\w+\])?$/.exec(descr.value) ?? [];
  if (kind === "O") return { dtype: "opaque", widthBytes: undefined };
  if (kind === "" || !"biufcmMSaUV".includes(kind)) return fail(`type ${quoted(descr.value)}`);
  const widthBytes = Number(digits) * (kind === "U" ? 4 : 1);
  const isLittle = order === "<" || (order === "|" && widthBytes <= 1);
  return { dtype: (isLittle ? KINDS.get(kind)?.(widthBytes) : undefined) ?? "opaque", widthBytes };
}

/** Bytes of a record: (name, type) or (name, type, shape) each. */
function recordBytes(fields: readonly Literal[], fail: Fail): number | undefined {
  let total = 0;
  for (const field of fields) {
    if (field.kind !== "tuple") return fail("a field of its descr is no pair");
    const [, type, shape] = field.items;
    if (type === undefined) return fail("a field of its descr is no pair");
    const { widthBytes } = elementOf(type, fail);
    if (widthBytes === undefined) return undefined;
    const dimensions =
      shape?.kind === "tuple" ? shape.items.map((item) => (item.kind === "int" ? item.value : -1)) : [];
    const count = elementCount(shape?.kind === "int" ? [shape.value] : dimensions);
    if (count === undefined) return fail("a field of its descr has a shape that cannot be");
    total += count * widthBytes;
    if (!Number.isSafeInteger(total)) return fail("its descr is too large");
  }
  return total;
}
