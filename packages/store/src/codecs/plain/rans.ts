/** The rANS decoder of kernels/rans.ts, one symbol after another. */
import { damaged } from "../blocks.ts";

const STATES = 16;
const STATE_MIN = 32_768;
const STATE_END = 2 ** 31;
const PROBABILITY_BITS = 12;
const PROBABILITY_SUM = 1 << PROBABILITY_BITS;

/** Where reading goes on in a block. */
export interface Cursor {
  readonly name: string;
  readonly bytes: Uint8Array;
  at: number;
}

/** The next `length` bytes. Throws OBJECT_CORRUPT. */
export function take(cursor: Cursor, length: number): Uint8Array {
  const end = cursor.at + length;
  if (end > cursor.bytes.length) throw damaged(cursor.name, "a block is cut off");
  const bytes = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return bytes;
}

export function takeByte(cursor: Cursor): number {
  return take(cursor, 1)[0] ?? 0;
}

/** Slot → symbol, its offset inside of the symbol << 8, probability << 20. */
export type SlotTable = Uint32Array;

/** Reads a table whose symbols are at most `symbolMax`. Throws OBJECT_CORRUPT. */
export function takeTable(cursor: Cursor, symbolMax: number): SlotTable {
  const first = takeByte(cursor);
  const last = takeByte(cursor);
  if (first > last || last > symbolMax) throw damaged(cursor.name, `a table from ${first} to ${last}`);
  const slots = new Uint32Array(PROBABILITY_SUM);
  let slot = 0;
  for (let symbol = first; symbol <= last; symbol++) {
    let frequency = takeByte(cursor);
    if (frequency >= 128) frequency = (frequency - 128) * 256 + takeByte(cursor);
    if (frequency >= PROBABILITY_SUM || slot + frequency > PROBABILITY_SUM) {
      throw damaged(cursor.name, "the probabilities of a table are too large");
    }
    for (let offset = 0; offset < frequency; offset++) {
      slots[slot++] = symbol | (offset << 8) | (frequency << 20);
    }
  }
  if (slot !== PROBABILITY_SUM) throw damaged(cursor.name, `the probabilities of a table sum to ${slot}`);
  return slots;
}

/** Sixteen states and the words after them. */
export class SymbolReader {
  readonly #cursor: Cursor;
  readonly #states: Uint32Array;
  #index = 0;

  /** Throws OBJECT_CORRUPT for values that are no states. */
  constructor(cursor: Cursor) {
    const bytes = take(cursor, STATES * 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#cursor = cursor;
    this.#states = Uint32Array.from({ length: STATES }, (_, state) => view.getUint32(state * 4, true));
    if (this.#states.some((state) => state < STATE_MIN || state >= STATE_END)) {
      throw damaged(cursor.name, "a state is out of its range");
    }
  }

  /** The next symbol, from the slots of a table. */
  next(slots: SlotTable): number {
    const which = this.#index++ % STATES;
    const before = this.#states[which] as number;
    const entry = slots[before % PROBABILITY_SUM] as number;
    let state = (before >>> PROBABILITY_BITS) * (entry >>> 20) + ((entry >>> 8) & 4095);
    if (state < STATE_MIN) {
      const low = takeByte(this.#cursor);
      state = state * 65_536 + (low | (takeByte(this.#cursor) << 8));
    }
    this.#states[which] = state;
    return entry & 255;
  }

  /** Throws OBJECT_CORRUPT unless every state is back where the encoder began. */
  finish(): void {
    if (this.#states.some((state) => state !== STATE_MIN)) {
      throw damaged(this.#cursor.name, "the states do not end where they began");
    }
  }
}

export function decodeBytes(cursor: Cursor, out: Uint8Array, slots: SlotTable): void {
  const reader = new SymbolReader(cursor);
  for (let index = 0; index < out.length; index++) out[index] = reader.next(slots);
  reader.finish();
}
