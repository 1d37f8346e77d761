/**
 * safetensors (https://github.com/huggingface/safetensors): u64 length of the header, the header in JSON, the data.
 * Holds the file to every rule of that page, so what passes here is read alike by everybody.
 */
import { BoundedReader, malformed, quoted } from "./bounded-reader.ts";
import { checkedTable, elementCount, relativeFile, TableRoom } from "./checked-table.ts";
import { JsonScanner } from "./json-scanner.ts";
import {
  type ByteSource,
  type Dtype,
  type ExternalSpan,
  type Format,
  NAME_LENGTH_MAX,
  RANK_MAX,
  type TensorSpan,
  type TensorTable,
} from "./table.ts";

const NAME = "safetensors";
/** Of the reference implementation. */
const HEADER_BYTES_MAX = 100_000_000;
const LENGTH_BYTES = 8;
const INDEX_BYTES_MAX = 100_000_000;
const DTYPE_BYTES_MAX = 64;
const OPEN_OBJECT = 0x7b;
const QUOTE = 0x22;

/** Name in the file → ours, and bits of an element. */
const DTYPES = new Map<string, { readonly dtype: Dtype; readonly bits: number }>([
  ["F64", { dtype: "f64", bits: 64 }],
  ["F32", { dtype: "f32", bits: 32 }],
  ["F16", { dtype: "f16", bits: 16 }],
  ["BF16", { dtype: "bf16", bits: 16 }],
  ["F8_E4M3", { dtype: "f8e4m3", bits: 8 }],
  ["F8_E5M2", { dtype: "f8e5m2", bits: 8 }],
  ["F8_E4M3FNUZ", { dtype: "opaque", bits: 8 }],
  ["F8_E5M2FNUZ", { dtype: "opaque", bits: 8 }],
  ["F8_E8M0", { dtype: "opaque", bits: 8 }],
  ["F6_E2M3", { dtype: "opaque", bits: 6 }],
  ["F6_E3M2", { dtype: "opaque", bits: 6 }],
  ["F4", { dtype: "opaque", bits: 4 }],
  ["I64", { dtype: "i64", bits: 64 }],
  ["I32", { dtype: "i32", bits: 32 }],
  ["I16", { dtype: "i16", bits: 16 }],
  ["I8", { dtype: "i8", bits: 8 }],
  ["U64", { dtype: "u64", bits: 64 }],
  ["U32", { dtype: "u32", bits: 32 }],
  ["U16", { dtype: "u16", bits: 16 }],
  ["U8", { dtype: "u8", bits: 8 }],
  ["BOOL", { dtype: "bool", bits: 8 }],
  ["C64", { dtype: "c64", bits: 64 }],
  ["C128", { dtype: "c128", bits: 128 }],
]);

export const safetensors: Format = {
  name: NAME,
  matches(head, fileName) {
    if (fileName.toLowerCase().endsWith(".safetensors")) return true;
    // The length of a header is below 2^32, and the header is an object with a key, or without one.
    const isObject =
      head[LENGTH_BYTES] === OPEN_OBJECT && head.subarray(4, LENGTH_BYTES).every((byte) => byte === 0);
    return isObject && (head[LENGTH_BYTES + 1] === QUOTE || head[LENGTH_BYTES + 1] === 0x20);
  },
  parse(source) {
    const reader = new BoundedReader(source, NAME);
    const dataStart = LENGTH_BYTES + headerLength(reader);
    const tensors = readHeader(reader, dataStart);
    assertCovered(tensors, dataStart, source.sizeBytes);
    return checkedTable(NAME, { tensors }, source.sizeBytes);
  },
};

/** `model.safetensors.index.json`: which tensor is in which of several files. */
export const safetensorsIndex: Format = {
  name: "safetensors index",
  matches: (_, fileName) => /\.(safetensors|bin)\.index\.json$/i.test(fileName),
  parse: parseIndex,
};

function headerLength(reader: BoundedReader): number {
  const { sizeBytes } = reader;
  if (sizeBytes < LENGTH_BYTES) reader.fail(`${sizeBytes} bytes are too few for a header`);
  const length = reader.u64();
  if (length > BigInt(sizeBytes - LENGTH_BYTES))
    reader.fail(`header length ${length} exceeds file size ${sizeBytes}`);
  if (length > BigInt(HEADER_BYTES_MAX)) reader.fail(`header length ${length} exceeds ${HEADER_BYTES_MAX}`);
  if (length < 2n) reader.fail(`header length ${length} is too short for "{}"`);
  if (reader.peek() !== OPEN_OBJECT) reader.fail('the header does not begin with "{"');
  return Number(length);
}

function readHeader(reader: BoundedReader, dataStart: number): TensorSpan[] {
  const json = new JsonScanner(reader, dataStart);
  const tensors: TensorSpan[] = [];
  const names = new Set<string>();
  const room = new TableRoom(NAME);
  json.openObject();
  for (let name = json.key(NAME_LENGTH_MAX); name !== undefined; name = json.key(NAME_LENGTH_MAX)) {
    if (names.has(name)) reader.fail(`key ${quoted(name)} stands twice`);
    names.add(name);
    if (name === "__metadata__") {
      readMetadata(json);
    } else {
      const tensor = readTensor(reader, json, { name, dataStart });
      room.take(name.length, tensor.shape.length);
      tensors.push(tensor);
    }
  }
  json.finish();
  return tensors;
}

function readMetadata(json: JsonScanner): void {
  json.openObject();
  while (json.key(NAME_LENGTH_MAX) !== undefined) json.skipString();
}

function readTensor(
  reader: BoundedReader,
  json: JsonScanner,
  { name, dataStart }: { readonly name: string; readonly dataStart: number },
): TensorSpan {
  const fail = (problem: string): never => reader.fail(`tensor ${quoted(name)} ${problem}`);
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  json.openObject();
  for (let key = json.key(NAME_LENGTH_MAX); key !== undefined; key = json.key(NAME_LENGTH_MAX)) {
    if (key === "dtype" && dtype === undefined) dtype = json.string(DTYPE_BYTES_MAX);
    else if (key === "shape" && shape === undefined) shape = readIntegers(json, RANK_MAX);
    else if (key === "data_offsets" && offsets === undefined) offsets = readIntegers(json, 2);
    else if (key === "dtype" || key === "shape" || key === "data_offsets") fail(`has ${quoted(key)} twice`);
    else json.skip();
  }
  if (dtype === undefined) return fail("has no dtype");
  if (shape === undefined) return fail(`has no shape of at most ${RANK_MAX} dimensions`);
  const [begin, end] = offsets ?? [];
  if (begin === undefined || end === undefined) return fail("does not have two offsets");
  if (begin < 0) fail(`begins at ${begin}`);
  if (end < begin) fail(`ends at ${end} before it begins at ${begin}`);
  const kind = DTYPES.get(dtype);
  const count = elementCount(shape);
  if (count === undefined) return fail(`has shape [${shape.join()}], which no file can hold`);
  if (kind !== undefined) {
    const bits = count * kind.bits;
    if (!Number.isSafeInteger(bits) || bits % 8 !== 0)
      return fail(`of ${count} × ${kind.bits} bits has no whole bytes`);
    if (bits / 8 !== end - begin)
      fail(`of ${dtype} and shape [${shape.join()}] needs ${bits / 8} bytes and has ${end - begin}`);
  }
  return { name, dtype: kind?.dtype ?? "opaque", shape, offset: dataStart + begin, length: end - begin };
}

/** Undefined for more than `countMax` of them. */
function readIntegers(json: JsonScanner, countMax: number): number[] | undefined {
  const values: number[] = [];
  json.openList();
  while (json.item()) {
    const value = json.integer();
    if (values.length <= countMax) values.push(value);
  }
  // A list that grew has room for many more; a copy has not.
  return values.length > countMax ? undefined : values.slice();
}

/** Throws unless the tensors lie one after the other from the first byte of the data to the end of the file. */
function assertCovered(tensors: TensorSpan[], dataStart: number, sizeBytes: number): void {
  tensors.sort((a, b) => a.offset - b.offset || a.length - b.length);
  const dataBytes = sizeBytes - dataStart;
  let end = 0;
  for (const { name, offset, length } of tensors) {
    const begin = offset - dataStart;
    if (begin + length > dataBytes)
      throw malformed(NAME, `tensor ${quoted(name)} ends at ${begin + length} of ${dataBytes} bytes`);
    if (begin > end) throw malformed(NAME, `tensor ${quoted(name)} leaves a hole at ${end}`);
    if (begin < end) throw malformed(NAME, `tensor ${quoted(name)} overlaps the one before it at ${begin}`);
    end = begin + length;
  }
  if (end !== dataBytes)
    throw malformed(NAME, `the tensors end at ${end}, but there are ${dataBytes} bytes of them`);
}

/** Only names and files are in it; dtypes, shapes and places are in the files themselves. */
function parseIndex(source: ByteSource): TensorTable {
  const format = safetensorsIndex.name;
  if (source.sizeBytes > INDEX_BYTES_MAX) throw malformed(format, `longer than ${INDEX_BYTES_MAX} bytes`);
  const reader = new BoundedReader(source, format);
  const json = new JsonScanner(reader, source.sizeBytes);
  let external: ExternalSpan[] | undefined;
  json.openObject();
  for (let key = json.key(NAME_LENGTH_MAX); key !== undefined; key = json.key(NAME_LENGTH_MAX)) {
    if (key === "weight_map" && external === undefined) external = readWeightMap(json);
    else json.skip();
  }
  json.finish();
  if (external === undefined) return reader.fail('it has no "weight_map"');
  return checkedTable(format, { tensors: [], external }, source.sizeBytes);
}

function readWeightMap(json: JsonScanner): ExternalSpan[] {
  const format = safetensorsIndex.name;
  const external: ExternalSpan[] = [];
  const names = new Set<string>();
  const room = new TableRoom(format);
  json.openObject();
  for (let name = json.key(NAME_LENGTH_MAX); name !== undefined; name = json.key(NAME_LENGTH_MAX)) {
    if (names.has(name)) throw malformed(format, `key ${quoted(name)} stands twice`);
    names.add(name);
    const file = relativeFile(format, json.string(NAME_LENGTH_MAX));
    room.take(name.length + file.length, 0);
    external.push({ name, file, dtype: "opaque", shape: [], offset: 0, length: 0 });
  }
  return external;
}
