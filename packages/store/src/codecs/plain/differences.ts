/** The decoder of kernels/fxd-decode.ts in plain TypeScript. */
import { damaged, type PlainBlock } from "../blocks.ts";
import type { FloatType } from "../floats.ts";
import { type Cursor, type SlotTable, SymbolReader, take, takeTable } from "./rans.ts";

const NAME = "FXD";
const RAW = 0;
const CODED = 1;
const HEADER_BYTES = 12;
const CONTEXTS = 16;

/** Reads numbers of a few bits, lowest bit first. */
class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Throws OBJECT_CORRUPT behind the end. */
  take(count: number): bigint {
    let value = 0n;
    for (let bit = 0; bit < count; bit++, this.#at++) {
      const byte = this.#bytes[this.#at >>> 3];
      if (byte === undefined) throw damaged(NAME, "there are not enough raw bits");
      value |= BigInt((byte >>> (this.#at & 7)) & 1) << BigInt(bit);
    }
    return value;
  }

  /** Throws OBJECT_CORRUPT when whole bytes are left. */
  finish(): void {
    if (Math.ceil(this.#at / 8) !== this.#bytes.length) throw damaged(NAME, "raw bits are left over");
  }
}

/** A float's bits → its place in the order of the values; its own inverse. */
function ordered(bits: bigint, width: number): bigint {
  const sign = 1n << BigInt(width * 8 - 1);
  return (bits & sign) === 0n ? bits : bits ^ (sign - 1n);
}

function readElement(bytes: Uint8Array, at: number, width: number): bigint {
  let value = 0n;
  for (let byte = width - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(bytes[at + byte] as number);
  return value;
}

function writeElement(bytes: Uint8Array, at: number, width: number, element: bigint): void {
  for (let byte = 0, rest = element; byte < width; byte++, rest >>= 8n)
    bytes[at + byte] = Number(rest & 255n);
}

function takeTables(cursor: Cursor, used: number, tokenMax: number): (SlotTable | undefined)[] {
  return Array.from({ length: CONTEXTS }, (_, context) =>
    (used & (1 << context)) === 0 ? undefined : takeTable(cursor, tokenMax),
  );
}

/** Decodes one block. Throws OBJECT_CORRUPT. */
export function decodeDifferences({ stored, raw, parent, count }: PlainBlock, type: FloatType): void {
  const cursor: Cursor = { name: NAME, bytes: stored, at: 0 };
  if (stored[0] === RAW) {
    if (stored.length !== raw.length + 1) throw damaged(NAME, "a raw block of another length");
    raw.set(stored.subarray(1));
    return;
  }
  const header = Buffer.from(take(cursor, HEADER_BYTES));
  if (header.readUInt16LE(0) !== CODED || header.readUInt16LE(6) !== 0) {
    throw damaged(NAME, "the header of a block is damaged");
  }
  const bits = new BitReader(take(cursor, header.readUInt32LE(8)));
  const { width, mantissaBits, exponentMask } = type;
  const tables = takeTables(cursor, header.readUInt16LE(4), width * 32 - 5);
  const reader = new SymbolReader(cursor);
  const mask = (1n << BigInt(width * 8)) - 1n;
  for (let index = 0; index < count; index++) {
    const old = readElement(parent, index * width, width);
    const exponent = Number(old >> BigInt(mantissaBits)) & exponentMask;
    const context = Math.min(CONTEXTS - 1, (header.readUInt16LE(2) - exponent) >>> 0);
    const slots = tables[context];
    if (slots === undefined) throw damaged(NAME, `no table for context ${context}`);
    const token = reader.next(slots);
    const rawBits = token < 8 ? 0 : (token >>> 2) - 1;
    const top = BigInt(token < 8 ? token : 4 | (token & 3));
    const z = (top << BigInt(rawBits)) | bits.take(rawBits);
    const difference = (z & 1n) === 0n ? z >> 1n : -(z >> 1n) - 1n;
    writeElement(raw, index * width, width, ordered((ordered(old, width) + difference) & mask, width));
  }
  reader.finish();
  bits.finish();
  if (cursor.at !== stored.length) throw damaged(NAME, "a block has bytes left over");
}
