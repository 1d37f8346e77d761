/**
 * Trees and their canonical DAG-CBOR, written and read without a general encoder: a folder may have a million
 * entries, and a tree is read on the daemon's event loop. Tested equal to @ipld/dag-cbor. Pure.
 */
import { DIGEST_BYTES, type Digest, digestFromBytes } from "./digest.ts";
import { SmcError } from "../errors.ts";
import { assertEntryName, foldName } from "./names.ts";

export type FileMode = "100644" | "100755" | "120000";
export type EntryMode = FileMode | "040000";
const MODES = new Map<number, EntryMode>([
  [0o100644, "100644"],
  [0o100755, "100755"],
  [0o120000, "120000"],
  [0o040000, "040000"],
]);

export const TREE_ENTRIES_MAX = 1_000_000;

export interface TreeEntry {
  readonly name: string;
  readonly mode: EntryMode;
  readonly digest: Digest;
  /** Bytes of the file, or of all files below the folder. */
  readonly sizeBytes: number;
}

const ZERO = "0".repeat(64);
/** Names for which every rule of `assertEntryName` and the folding are known at a glance. */
const SIMPLE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/;
/** Map of two: "type" → "tree", "entries" → …; the list's head follows. */
const HEAD = Buffer.from("\xa2dtypedtreegentries", "latin1");
const MAJOR = { uint: 0, text: 3, list: 4 } as const;
/** Heads and fixed parts of one entry, at most. */
const ENTRY_OVERHEAD_BYTES = 64;

function invalid(message: string): SmcError {
  return new SmcError("OBJECT_INVALID", message);
}

/** Order of the UTF-8 bytes of two texts. */
export function compareNames(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let at = 0; at < end; at += 1) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left === right) continue;
    // In UTF-16 surrogates sort below U+E000 to U+FFFF, in UTF-8 above.
    const isLeftHigh = left >= 0xd800 && left <= 0xdfff;
    const isRightHigh = right >= 0xd800 && right <= 0xdfff;
    return isLeftHigh === isRightHigh ? left - right : isLeftHigh ? 1 : -1;
  }
  return a.length - b.length;
}

/** Encodes entries in canonical order. Throws OBJECT_INVALID for a bad, doubled or colliding name. */
export function encodeTree(entries: readonly TreeEntry[]): Uint8Array {
  const sorted = [...entries].sort((a, b) => compareNames(a.name, b.name));
  assertTree(sorted);
  const sizeMax = sorted.reduce(
    (sum, { name }) => sum + name.length * 3 + ENTRY_OVERHEAD_BYTES,
    HEAD.length + 9,
  );
  const bytes = Buffer.allocUnsafe(sizeMax);
  let at = HEAD.copy(bytes);
  at = writeHead(bytes, at, MAJOR.list, sorted.length);
  for (const { name, mode, digest, sizeBytes } of sorted) {
    bytes[at] = 0x84;
    at = writeHead(bytes, at + 1, MAJOR.text, Buffer.byteLength(name));
    at += bytes.write(name, at);
    at = writeHead(bytes, at, MAJOR.uint, Number.parseInt(mode, 8));
    bytes[at] = 0x58;
    bytes[at + 1] = DIGEST_BYTES;
    at += 2 + bytes.write(digest, at + 2, "hex");
    at = writeHead(bytes, at, MAJOR.uint, sizeBytes);
  }
  return bytes.subarray(0, at);
}

/** The head of a CBOR item in its shortest form (RFC 8949 §4.2.1). */
function writeHead(bytes: Buffer, at: number, major: number, value: number): number {
  const type = major << 5;
  if (value < 24) return bytes.writeUInt8(type | value, at);
  if (value < 0x100) return bytes.writeUInt8(value, bytes.writeUInt8(type | 24, at));
  if (value < 0x10000) return bytes.writeUInt16BE(value, bytes.writeUInt8(type | 25, at));
  if (value < 0x1_0000_0000) return bytes.writeUInt32BE(value, bytes.writeUInt8(type | 26, at));
  return bytes.writeBigUInt64BE(BigInt(value), bytes.writeUInt8(type | 27, at));
}

/** Reads CBOR heads and refuses every form but the shortest. */
class Reader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(raw: Uint8Array) {
    this.#bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  /** The value of a head of this major type, or -1 when another item is there. */
  head(major: number): number {
    const first = this.#take(1)[0] ?? 0;
    if (first >> 5 !== major) return -1;
    const info = first & 31;
    if (info < 24) return info;
    if (info === 24) return shortest(this.#take(1).readUInt8(), 24);
    if (info === 25) return shortest(this.#take(2).readUInt16BE(), 0x100);
    if (info === 26) return shortest(this.#take(4).readUInt32BE(), 0x10000);
    if (info === 27) return shortest(Number(this.#take(8).readBigUInt64BE()), 0x1_0000_0000);
    throw invalid("tree: not canonical DAG-CBOR");
  }

  text(length: number): string {
    const bytes = this.#take(length);
    const text = bytes.toString("utf8");
    if (text.includes("\ufffd") && Buffer.compare(Buffer.from(text), bytes) !== 0)
      throw invalid("tree: text is not UTF-8");
    return text;
  }

  digest(): Digest {
    const head = this.#take(2);
    if (head[0] !== 0x58 || head[1] !== DIGEST_BYTES) return ZERO as Digest;
    return digestFromBytes(this.#take(DIGEST_BYTES));
  }

  startsWith(expected: Buffer): boolean {
    const fits = this.#bytes.subarray(0, expected.length).equals(expected);
    if (fits) this.at = expected.length;
    return fits;
  }

  #take(length: number): Buffer {
    if (length > this.left) throw invalid("tree: the bytes end too early");
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}

function shortest(value: number, least: number): number {
  if (value < least || !Number.isSafeInteger(value)) throw invalid("tree: not canonical DAG-CBOR");
  return value;
}

/** Throws OBJECT_INVALID unless the bytes are the one canonical encoding of a valid tree. */
export function decodeTree(bytes: Uint8Array): TreeEntry[] {
  const reader = new Reader(bytes);
  if (!reader.startsWith(HEAD))
    throw invalid("tree: the type is not 'tree' with entries alone, in canonical DAG-CBOR");
  const count = reader.head(MAJOR.list);
  if (count < 0) throw invalid("tree: 'entries' is not a list");
  if (count > TREE_ENTRIES_MAX) throw invalid(`tree: 'entries' has more than ${TREE_ENTRIES_MAX} entries`);
  const entries: TreeEntry[] = [];
  for (let position = 0; position < count; position += 1) entries.push(readEntry(reader, position));
  if (reader.left > 0) throw invalid("tree: not canonical DAG-CBOR: bytes after its end");
  assertTree(entries);
  return entries;
}

function readEntry(reader: Reader, position: number): TreeEntry {
  if (reader.head(MAJOR.list) !== 4) throw invalid(`tree entry ${position}: not four values`);
  const nameBytes = reader.head(MAJOR.text);
  if (nameBytes < 0) throw invalid(`tree entry ${position}: the name is not text`);
  const name = reader.text(nameBytes);
  const modeBits = reader.head(MAJOR.uint);
  const mode = MODES.get(modeBits);
  if (mode === undefined)
    throw invalid(`tree entry ${position}: mode ${modeBits.toString(8)} is not one of ours`);
  const digest = reader.digest();
  if (digest === ZERO)
    throw invalid(`tree entry ${position}: zero digest, or one that does not have 32 bytes`);
  const sizeBytes = reader.head(MAJOR.uint);
  if (sizeBytes < 0) throw invalid(`tree entry ${position}: bad size`);
  return { name, mode, digest, sizeBytes };
}

function assertTree(entries: readonly TreeEntry[]): void {
  if (entries.length > TREE_ENTRIES_MAX) throw invalid(`a tree has at most ${TREE_ENTRIES_MAX} entries`);
  const folded = new Map<string, string>();
  let previous: string | undefined;
  for (const [position, { name, digest, sizeBytes }] of entries.entries()) {
    const isSimple = SIMPLE_NAME.test(name);
    if (!isSimple) assertEntryName(name);
    if (digest === ZERO) throw invalid(`tree entry ${position} '${name}': zero digest`);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw invalid(`tree entry ${position}: bad size`);
    if (previous === name) throw invalid(`duplicate entry '${name}'`);
    if (previous !== undefined && compareNames(previous, name) > 0)
      throw invalid(`tree not sorted at entry ${position}`);
    const fold = isSimple ? name.toLowerCase() : foldName(name);
    const other = folded.get(fold);
    if (other !== undefined) throw invalid(`names collide: '${other}' and '${name}'`);
    folded.set(fold, name);
    previous = name;
  }
}
