/** A cursor over a file from outside: no number in it is believed before it was compared with the bytes there are. */
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { type ByteSource, PARSE_BYTES_MAX, READ_BYTES_MAX } from "./table.ts";

/** Read after a jump: most parsers look at a few fields and jump on. */
const WINDOW_BYTES_MIN = 512;
/** Read when it goes on and on. */
const WINDOW_BYTES_MAX = 1024 * 1024;
const NAME_SHOWN_MAX = 80;
const EMPTY = new Uint8Array(0);
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The one error of every parser: FILE_MALFORMED, saying which format was expected and what is wrong. */
export function malformed(format: string, problem: string): SmcError {
  return new SmcError("FILE_MALFORMED", `not valid ${format}: ${problem}`, { details: { format } });
}

/** A name from a file, in quotes, fit for a message. */
export function quoted(name: string): string {
  return `'${show(name, NAME_SHOWN_MAX)}'`;
}

/** UTF-8 to text; undefined when it is not valid. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  // Nearly all names are ASCII, and that is decoded several times as fast.
  let all = 0;
  for (const byte of bytes) all |= byte;
  if (all < 0x80) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_ENCODING_INVALID_ENCODED_DATA") throw error;
    return undefined;
  }
}

/**
 * Little endian. Every method throws FILE_MALFORMED at the end of the file and after PARSE_BYTES_MAX bytes read.
 * Views that it gives are good until the next call.
 */
export class BoundedReader {
  readonly format: string;
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  #window: Uint8Array = EMPTY;
  /** Place of the window in the file, and of the cursor in the window. */
  #start = 0;
  #position = 0;
  #readBytes = 0;

  constructor(source: ByteSource, format: string) {
    this.#source = source;
    this.format = format;
    this.sizeBytes = source.sizeBytes;
  }

  get offset(): number {
    return this.#start + this.#position;
  }

  /** Bytes from the cursor to the end of the file. */
  get remaining(): number {
    return this.sizeBytes - this.offset;
  }

  fail(problem: string): never {
    throw malformed(this.format, problem);
  }

  /** Moves the cursor; nothing is read. */
  seek(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.sizeBytes)
      this.fail(`offset ${offset} lies outside of the file of ${this.sizeBytes} bytes`);
    const position = offset - this.#start;
    if (position >= 0 && position <= this.#window.length) {
      this.#position = position;
      return;
    }
    this.#window = EMPTY;
    this.#start = offset;
    this.#position = 0;
  }

  skip(length: number): void {
    this.seek(this.offset + length);
  }

  u8(): number {
    if (this.#position === this.#window.length) this.#fill(1);
    const byte = this.#window[this.#position] ?? 0;
    this.#position += 1;
    return byte;
  }

  /** The next byte, without going past it; -1 at the end of the file. */
  peek(): number {
    if (this.#position === this.#window.length) {
      if (this.remaining === 0) return -1;
      this.#fill(1);
    }
    return this.#window[this.#position] ?? -1;
  }

  u16(): number {
    const bytes = this.bytes(2);
    return (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
  }

  u32(): number {
    const bytes = this.bytes(4);
    return (
      ((bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8) | ((bytes[2] ?? 0) << 16) | ((bytes[3] ?? 0) << 24)) >>> 0
    );
  }

  u64(): bigint {
    const low = this.u32();
    return toBigInt(this.u32(), low);
  }

  /** A u64 as a number; `of` is whose it is. Throws FILE_MALFORMED beyond 2^53 - 1: JavaScript would round it. */
  safeU64(what: string, of?: string): number {
    const low = this.u32();
    const high = this.u32();
    const value = high * 2 ** 32 + low;
    if (!Number.isSafeInteger(value))
      this.fail(`${of === undefined ? what : `${what} of ${quoted(of)}`} is ${toBigInt(high, low)}`);
    return value;
  }

  /** A u64 that counts things of at least `bytesEach` bytes which follow it. */
  count(what: string, bytesEach = 1): number {
    const low = this.u32();
    const high = this.u32();
    const value = high * 2 ** 32 + low;
    if (value > this.remaining / bytesEach)
      this.fail(`${what} ${toBigInt(high, low)} cannot fit in ${this.remaining} bytes`);
    return value;
  }

  /** `length` ≤ READ_BYTES_MAX. */
  bytes(length: number): Uint8Array {
    if (this.#window.length - this.#position < length) this.#fill(length);
    const end = this.#position + length;
    const view = this.#window.subarray(this.#position, end);
    this.#position = end;
    return view;
  }

  /** UTF-8. `length` ≤ READ_BYTES_MAX. */
  text(length: number, what: string): string {
    const text = decodeUtf8(this.bytes(length));
    if (text === undefined) this.fail(`${what} is not UTF-8`);
    return text;
  }

  /** Moves the window to the cursor, so that at least `length` bytes are in it. */
  #fill(length: number): void {
    const at = this.offset;
    if (length > this.remaining) this.fail(`it ends at ${this.sizeBytes}, in the middle of something`);
    // A jump empties the window; without one the next part is likely wanted too.
    const aim =
      this.#window.length > 0 ? Math.min(this.#window.length * 4, WINDOW_BYTES_MAX) : WINDOW_BYTES_MIN;
    const wanted = Math.min(Math.max(length, aim), this.remaining, READ_BYTES_MAX);
    if (length > wanted) this.fail(`${length} bytes in one piece at ${at}`);
    if (this.#readBytes + wanted > PARSE_BYTES_MAX)
      this.fail(`more than ${PARSE_BYTES_MAX} bytes describe the tensors`);
    this.#window = this.#source.read(at, wanted);
    this.#start = at;
    this.#position = 0;
    this.#readBytes += wanted;
    if (this.#window.length < length) this.fail(`it ended at ${at + this.#window.length} while it was read`);
  }
}

function toBigInt(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}
