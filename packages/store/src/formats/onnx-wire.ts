/**
 * Walks the wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding/): fields and lengths, no
 * schema. Every field lies inside of its message and every message inside of its parent.
 */
import type { BoundedReader } from "./bounded-reader.ts";

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;
const VARINT_BYTES_MAX = 10;

/** One field at a time: `next` says what it is, then one of the other methods takes its value. */
export class WireReader {
  readonly reader: BoundedReader;
  field = 0;
  type = 0;

  constructor(reader: BoundedReader) {
    this.reader = reader;
  }

  /** Reads the key of the next field of the message that ends at `end`; false when there is none. */
  next(end: number): boolean {
    if (this.reader.offset >= end) return false;
    const key = this.varint(end);
    this.type = key % 8;
    this.field = Math.floor(key / 8);
    if (this.field === 0 || this.field >= 2 ** 29) this.#fail("is no number of a field");
    if (this.type !== VARINT && this.type !== FIXED64 && this.type !== BYTES && this.type !== FIXED32)
      this.#fail(`has wire type ${this.type}`);
    return true;
  }

  /** Beyond 2^53 the value is not exact, and is no safe integer. */
  varint(end: number): number {
    let value = 0;
    let scale = 1;
    for (let bytes = 0; bytes < VARINT_BYTES_MAX && this.reader.offset < end; bytes += 1) {
      const byte = this.reader.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    return this.#fail("has a number without an end");
  }

  /** The value of a field of type VARINT. */
  number(end: number): number {
    this.#expect(VARINT);
    return this.varint(end);
  }

  /** The value of a field of type BYTES: offset after its last byte; the cursor is at its first. */
  open(end: number): number {
    this.#expect(BYTES);
    const length = this.varint(end);
    const close = this.reader.offset + length;
    if (close > end) this.#fail(`has ${length} bytes, but ${end - this.reader.offset} are left`);
    return close;
  }

  /** The value of a field of type BYTES, as text of at most `bytesMax` bytes. */
  text(end: number, bytesMax: number): string {
    const close = this.open(end);
    const length = close - this.reader.offset;
    if (length > bytesMax) this.#fail(`is a text of more than ${bytesMax} bytes`);
    return this.reader.text(length, `field ${this.field}`);
  }

  /** Passes over the value, whatever it is. */
  skip(end: number): void {
    if (this.type === VARINT) this.varint(end);
    else if (this.type === BYTES) this.reader.seek(this.open(end));
    else {
      const length = this.type === FIXED32 ? 4 : 8;
      if (this.reader.offset + length > end) this.#fail("is cut");
      this.reader.skip(length);
    }
  }

  #expect(type: number): void {
    if (this.type !== type) this.#fail(`has wire type ${this.type} instead of ${type}`);
  }

  #fail(problem: string): never {
    return this.reader.fail(`field ${this.field} before ${this.reader.offset} ${problem}`);
  }
}
