/**
 * GGUF versions 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): numbers, key-value pairs, places
 * of tensors, then their bytes. Of the values only the alignment is read. The shape is given as everywhere else, the
 * fastest dimension last; the file has it first.
 */
import { BoundedReader, quoted } from "./bounded-reader.ts";
import { checkedTable, elementCount, TableRoom } from "./checked-table.ts";
import { GGML_TYPES } from "./gguf-types.ts";
import { type Format, NAME_LENGTH_MAX, type TensorSpan, TENSORS_MAX } from "./table.ts";

const NAME = "GGUF";
const MAGIC = "GGUF";
const PAIRS_MAX = 65_536;
/** Of a key; the format's own limit. */
const KEY_BYTES_MAX = 65_535;
const STRING_BYTES_MAX = 16 * 1024 * 1024;
/** Lists of lists; GGML itself writes none. */
const LIST_DEPTH_MAX = 4;
const DIMENSIONS_MAX = 4;
const ALIGNMENT_DEFAULT = 32;
const ALIGNMENT_MAX = 1024 * 1024;
/** Length of the key, type, and a value of one byte. */
const PAIR_BYTES_MIN = 8 + 4 + 1;
/** Length of the name, number of dimensions, one dimension, type, offset. */
const INFO_BYTES_MIN = 8 + 4 + 8 + 4 + 8;

const U32 = 4;
const STRING = 8;
const LIST = 9;
/** Type of a value → its bytes, where they are always the same. */
const VALUE_BYTES = new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [U32, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [10, 8],
  [11, 8],
  [12, 8],
]);

export const gguf: Format = {
  name: NAME,
  matches(head, fileName) {
    const magic = Buffer.from(head.subarray(0, 4)).toString("latin1");
    return magic === MAGIC || magic === reversed(MAGIC) || fileName.toLowerCase().endsWith(".gguf");
  },
  parse(source) {
    const reader = new BoundedReader(source, NAME);
    readVersion(reader);
    const tensorCount = reader.count("n_tensors", INFO_BYTES_MIN);
    if (tensorCount > TENSORS_MAX) reader.fail(`n_tensors ${tensorCount} exceeds ${TENSORS_MAX}`);
    const pairCount = reader.count("n_kv", PAIR_BYTES_MIN);
    if (pairCount > PAIRS_MAX) reader.fail(`n_kv ${pairCount} exceeds ${PAIRS_MAX}`);
    const alignment = readPairs(reader, pairCount);
    const tensors: Info[] = [];
    const names = new Set<string>();
    const room = new TableRoom(NAME);
    for (let index = 0; index < tensorCount; index += 1) {
      const info = readInfo(reader, alignment, names);
      room.take(info.name.length, info.shape.length);
      tensors.push(info);
    }
    const dataStart = Math.ceil(reader.offset / alignment) * alignment;
    for (const tensor of tensors) tensor.offset += dataStart;
    return checkedTable(NAME, { tensors }, source.sizeBytes);
  },
};

function readVersion(reader: BoundedReader): void {
  if (reader.sizeBytes < 24) reader.fail(`${reader.sizeBytes} bytes are too few for a header`);
  const magic = reader.text(4, "the first word");
  const version = reader.u32();
  // The version is below 2^16: from a machine of the other byte order it looks larger.
  if (magic === reversed(MAGIC) || (magic === MAGIC && version !== 0 && version % 2 ** 16 === 0))
    reader.fail("it is big-endian; only little-endian files are read");
  if (magic !== MAGIC) reader.fail(`it begins with ${quoted(magic)}, not with '${MAGIC}'`);
  if (version !== 2 && version !== 3) reader.fail(`version ${version} is not known; 2 and 3 are`);
}

/** Passes over all pairs; the alignment. */
function readPairs(reader: BoundedReader, pairCount: number): number {
  const keys = new Set<string>();
  let alignment = ALIGNMENT_DEFAULT;
  for (let index = 0; index < pairCount; index += 1) {
    const key = readString(reader, "a key", KEY_BYTES_MAX);
    if (keys.has(key)) reader.fail(`key ${quoted(key)} stands twice`);
    keys.add(key);
    const kind = reader.u32();
    if (key !== "general.alignment") skipValue(reader, { key: quoted(key), kind, depth: 0 });
    else if (kind === U32) alignment = checkedAlignment(reader);
    else reader.fail(`key 'general.alignment' has type ${kind} instead of ${U32}`);
  }
  return alignment;
}

function checkedAlignment(reader: BoundedReader): number {
  const alignment = reader.u32();
  const isPowerOfTwo = alignment > 0 && (alignment & (alignment - 1)) === 0;
  if (!isPowerOfTwo || alignment > ALIGNMENT_MAX)
    reader.fail(`alignment ${alignment} is no power of two up to ${ALIGNMENT_MAX}`);
  return alignment;
}

interface Value {
  /** In quotes. */
  readonly key: string;
  readonly kind: number;
  readonly depth: number;
}

function skipValue(reader: BoundedReader, { key, kind, depth }: Value): void {
  const bytes = VALUE_BYTES.get(kind);
  if (bytes !== undefined) {
    if (bytes > reader.remaining) reader.fail(`key ${key} has no value`);
    reader.skip(bytes);
  } else if (kind === STRING) {
    reader.skip(stringLength(reader, `the value of ${key}`, STRING_BYTES_MAX));
  } else if (kind === LIST) {
    skipList(reader, key, depth + 1);
  } else {
    reader.fail(`key ${key} has the unknown type ${kind}`);
  }
}

function skipList(reader: BoundedReader, key: string, depth: number): void {
  if (depth > LIST_DEPTH_MAX) reader.fail(`key ${key} has lists nested deeper than ${LIST_DEPTH_MAX}`);
  const kind = reader.u32();
  const bytes = VALUE_BYTES.get(kind);
  const what = `the list of ${key} of`;
  if (bytes !== undefined) return reader.skip(reader.count(what, bytes) * bytes);
  const count = reader.count(what, 8);
  for (let index = 0; index < count; index += 1) skipValue(reader, { key, kind, depth });
}

type Info = Omit<TensorSpan, "offset"> & { offset: number };

/** The offset is still from the start of the data. */
function readInfo(reader: BoundedReader, alignment: number, names: Set<string>): Info {
  const name = readString(reader, "the name of a tensor", NAME_LENGTH_MAX);
  const fail = (problem: string): never => reader.fail(`tensor ${quoted(name)} ${problem}`);
  if (names.has(name)) fail("stands twice");
  names.add(name);
  const rank = reader.u32();
  if (rank === 0 || rank > DIMENSIONS_MAX) fail(`has ${rank} dimensions, not 1 to ${DIMENSIONS_MAX}`);
  const shape = Array.from({ length: rank }, () => reader.safeU64("a dimension", name)).reverse();
  const kind = reader.u32();
  const offset = reader.safeU64("the offset", name);
  const type = GGML_TYPES.get(kind) ?? fail(`has the unknown type ${kind}`);
  const count = elementCount(shape);
  if (count === undefined || count === 0) return fail(`has shape [${shape.join()}], which no file can hold`);
  if ((shape.at(-1) ?? 0) % type.blockElements !== 0)
    fail(`has rows of ${shape.at(-1)} elements, which are no whole blocks of ${type.blockElements}`);
  const length = (count / type.blockElements) * type.blockBytes;
  if (!Number.isSafeInteger(length)) fail(`has shape [${shape.join()}], which no file can hold`);
  if (offset % alignment !== 0) fail(`begins at ${offset}, which is no multiple of ${alignment}`);
  const { dtype, blockBytes, scaleBytes } = type;
  if (scaleBytes === 0) return { name, dtype, shape, offset, length };
  return { name, dtype, shape, offset, length, block: { strideBytes: blockBytes, scaleBytes } };
}

function stringLength(reader: BoundedReader, what: string, bytesMax: number): number {
  const length = reader.count(`the length of ${what}`);
  if (length > bytesMax) reader.fail(`the length of ${what} ${length} exceeds ${bytesMax}`);
  return length;
}

function readString(reader: BoundedReader, what: string, bytesMax: number): string {
  return reader.text(stringLength(reader, what, bytesMax), what);
}

function reversed(text: string): string {
  return [...text].reverse().join("");
}
