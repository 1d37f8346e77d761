/** One TensorProto of ONNX: what it is, and where its bytes are. The bytes themselves are passed over. */
import { quoted } from "./bounded-reader.ts";
import { elementCount, relativeFile } from "./checked-table.ts";
import { BYTES, VARINT, type WireReader } from "./onnx-wire.ts";
import { type Dtype, NAME_LENGTH_MAX, RANK_MAX } from "./table.ts";

/** Numbers of TensorProto.DataType → ours, and bits of an element; texts have none. */
const DTYPES = new Map<number, { readonly dtype: Dtype; readonly bits: number | undefined }>([
  [1, { dtype: "f32", bits: 32 }],
  [2, { dtype: "u8", bits: 8 }],
  [3, { dtype: "i8", bits: 8 }],
  [4, { dtype: "u16", bits: 16 }],
  [5, { dtype: "i16", bits: 16 }],
  [6, { dtype: "i32", bits: 32 }],
  [7, { dtype: "i64", bits: 64 }],
  [8, { dtype: "opaque", bits: undefined }],
  [9, { dtype: "bool", bits: 8 }],
  [10, { dtype: "f16", bits: 16 }],
  [11, { dtype: "f64", bits: 64 }],
  [12, { dtype: "u32", bits: 32 }],
  [13, { dtype: "u64", bits: 64 }],
  [14, { dtype: "c64", bits: 64 }],
  [15, { dtype: "c128", bits: 128 }],
  [16, { dtype: "bf16", bits: 16 }],
  [17, { dtype: "f8e4m3", bits: 8 }],
  [18, { dtype: "opaque", bits: 8 }],
  [19, { dtype: "f8e5m2", bits: 8 }],
  [20, { dtype: "opaque", bits: 8 }],
  [21, { dtype: "opaque", bits: 4 }],
  [22, { dtype: "opaque", bits: 4 }],
  [23, { dtype: "opaque", bits: 4 }],
  [24, { dtype: "opaque", bits: 8 }],
  [25, { dtype: "opaque", bits: 2 }],
  [26, { dtype: "opaque", bits: 2 }],
]);
const UNKNOWN = { dtype: "opaque", bits: undefined } as const;

// Fields of TensorProto.
const DIMS = 1;
const DATA_TYPE = 2;
const FLOAT_DATA = 4;
const INT32_DATA = 5;
const STRING_DATA = 6;
const INT64_DATA = 7;
const NAME = 8;
const RAW_DATA = 9;
const DOUBLE_DATA = 10;
const UINT64_DATA = 11;
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;
const EXTERNAL = 1;
/** Fields with values, and the dtypes of which they hold the very bytes. */
const VALUES = new Map<number, readonly Dtype[]>([
  [FLOAT_DATA, ["f32", "c64"]],
  [INT32_DATA, []],
  [INT64_DATA, []],
  [DOUBLE_DATA, ["f64", "c128"]],
  [UINT64_DATA, []],
]);
const ENTRIES_MAX = 64;
/** Of a scalar: ten bytes are the longest number. */
const SCALAR_BYTES_MAX = 10;

export interface OnnxTensor {
  /** Empty in the value of a Constant: the node's output has the name. */
  name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Undefined where the values have no one place: texts, lists that are not packed, no values at all. */
  readonly place: { readonly offset: number; readonly length: number; readonly file?: string } | undefined;
  /** Of a tensor of one number that is in the file. */
  readonly scalar: number | undefined;
}

interface Values {
  readonly field: number;
  readonly offset: number;
  readonly length: number;
}

/** What the fields say, before anything was compared. */
interface Fields {
  name: string;
  dataType: number;
  readonly shape: number[];
  values: Values | undefined;
  /** More than one field has values, or one has them one by one. */
  isScattered: boolean;
  isExternal: boolean;
  /** Of external data; made when there are any. */
  entries: Map<string, string> | undefined;
}

/** Reads the TensorProto from the cursor to `end`. Throws FILE_MALFORMED when its sizes do not agree. */
export function readTensor(wire: WireReader, end: number): OnnxTensor {
  const fields = readFields(wire, end);
  const { name, shape, values } = fields;
  const { dtype, bits } = DTYPES.get(fields.dataType) ?? UNKNOWN;
  const fail = (problem: string): never => wire.reader.fail(`tensor ${quoted(name)} ${problem}`);
  const count = elementCount(shape) ?? fail(`has shape [${shape.join()}], which no file can hold`);
  const bytes = bits === undefined ? undefined : Math.ceil((count * bits) / 8);
  if (bytes !== undefined && !Number.isSafeInteger(bytes))
    fail(`has shape [${shape.join()}], which no file can hold`);
  if (fields.isExternal)
    return { name, dtype, shape, place: externalPlace(wire, fields, bytes), scalar: undefined };
  if (values === undefined || fields.isScattered)
    return { name, dtype, shape, place: undefined, scalar: undefined };
  const isPlain = values.field === RAW_DATA || (VALUES.get(values.field) ?? []).includes(dtype);
  if (isPlain && bytes !== undefined && bytes !== values.length)
    fail(`of shape [${shape.join()}] needs ${bytes} bytes and has ${values.length}`);
  const scalar = count === 1 ? readScalar(wire, values, dtype) : undefined;
  return { name, dtype: isPlain ? dtype : "opaque", shape, place: values, scalar };
}

function readFields(wire: WireReader, end: number): Fields {
  const fields: Fields = {
    name: "",
    dataType: 0,
    shape: [],
    values: undefined,
    isScattered: false,
    isExternal: false,
    entries: undefined,
  };
  while (wire.next(end)) {
    const { field } = wire;
    if (field === DIMS) readDimensions(wire, end, fields.shape);
    else if (field === DATA_TYPE) fields.dataType = wire.number(end);
    else if (field === NAME) fields.name = wire.text(end, NAME_LENGTH_MAX);
    else if (field === DATA_LOCATION) fields.isExternal = wire.number(end) === EXTERNAL;
    else if (field === EXTERNAL_DATA) readEntry(wire, wire.open(end), (fields.entries ??= new Map()));
    else if (field === RAW_DATA || (VALUES.has(field) && wire.type === BYTES)) takeValues(wire, end, fields);
    else {
      if (VALUES.has(field) || field === STRING_DATA) fields.isScattered = true;
      wire.skip(end);
    }
  }
  return fields;
}

function takeValues(wire: WireReader, end: number, fields: Fields): void {
  const { field } = wire;
  const close = wire.open(end);
  const { offset } = wire.reader;
  // Other writers put an empty list beside the values.
  if (close > offset || fields.values === undefined) {
    if ((fields.values?.length ?? 0) > 0) fields.isScattered = true;
    fields.values = { field, offset, length: close - offset };
  }
  wire.reader.seek(close);
}

/** Packed or one by one. */
function readDimensions(wire: WireReader, end: number, shape: number[]): void {
  const add = (dimension: number): void => {
    if (shape.length === RANK_MAX) wire.reader.fail(`a tensor has more than ${RANK_MAX} dimensions`);
    shape.push(dimension);
  };
  if (wire.type === VARINT) return add(wire.number(end));
  const close = wire.open(end);
  while (wire.reader.offset < close) add(wire.varint(close));
}

/** A StringStringEntryProto: key and value. */
function readEntry(wire: WireReader, end: number, entries: Map<string, string>): void {
  let key = "";
  let value = "";
  while (wire.next(end)) {
    if (wire.field === 1) key = wire.text(end, NAME_LENGTH_MAX);
    else if (wire.field === 2) value = wire.text(end, NAME_LENGTH_MAX);
    else wire.skip(end);
  }
  if (entries.size === ENTRIES_MAX) wire.reader.fail(`external data with more than ${ENTRIES_MAX} entries`);
  entries.set(key, value);
}

/** Where another file has the bytes. That file is only named; whether it is there is not asked. */
function externalPlace(
  { reader }: WireReader,
  { name, entries }: Fields,
  bytes: number | undefined,
): OnnxTensor["place"] {
  const whole = (key: string): number | undefined => {
    const text = entries?.get(key);
    if (text === undefined) return undefined;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) reader.fail(`tensor ${quoted(name)} has ${key} ${quoted(text)}`);
    return value;
  };
  const file = relativeFile(reader.format, entries?.get("location") ?? "");
  const offset = whole("offset") ?? 0;
  const length = whole("length") ?? bytes;
  if (length === undefined) return undefined;
  if (bytes !== undefined && length !== bytes)
    reader.fail(`tensor ${quoted(name)} needs ${bytes} bytes and has ${length} in ${quoted(file)}`);
  if (!Number.isSafeInteger(offset + length)) reader.fail(`tensor ${quoted(name)} ends beyond 2^53`);
  return { file, offset, length };
}

/** The one number of a tensor: scales and zero points of quantised ones. Undefined for types that those do not have. */
function readScalar(wire: WireReader, values: Values, dtype: Dtype): number | undefined {
  const { field, offset, length } = values;
  if (length === 0 || length > SCALAR_BYTES_MAX) return undefined;
  const { reader } = wire;
  const after = reader.offset;
  reader.seek(offset);
  const raw = Buffer.from(reader.bytes(length));
  reader.seek(after);
  if (field === INT32_DATA) {
    // Of a negative number there are ten bytes, of which five hold these 32 bits.
    let value = 0;
    for (let index = 0; index < Math.min(length, 5); index += 1)
      value |= ((raw[index] ?? 0) & 0x7f) << (7 * index);
    return dtype === "f16" ? halfToNumber(value) : value;
  }
  if (dtype === "f32" && length === 4) return raw.readFloatLE();
  if (dtype === "f64" && length === 8) return raw.readDoubleLE();
  if (dtype === "f16" && length === 2) return halfToNumber(raw.readUInt16LE());
  if (dtype === "u8") return raw[0];
  if (dtype === "i8") return raw.readInt8();
  if (dtype === "i32" && length === 4) return raw.readInt32LE();
  return undefined;
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (fraction + 1024) * 2 ** (exponent - 25);
}
