/** Addresses and lengths of an HDF5 file, whose widths its superblock tells. Layout: HDF5 File Format 3.0. */
import { BoundedReader } from "./bounded-reader.ts";
import type { ByteSource } from "./table.ts";

/** Messages, links, tree entries and chunks of one file. */
const STEPS_MAX = 4_000_000;
/** Of all links of one file, whether or not several share the bytes of a name. */
const NAMES_BYTES_MAX = 64 * 1024 * 1024;
const WIDTHS = new Set([2, 4, 8]);

/** A place in an object header. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  /** Of its content. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export class Hdf5Reader extends BoundedReader {
  addressBytes = 8;
  lengthBytes = 8;
  /** Added to every address: the bytes before the superblock belong to somebody else. */
  startOffset = 0;
  #steps = 0;
  #namesBytes = 0;
  readonly #visited = new Set<number>();

  constructor(source: ByteSource) {
    super(source, "HDF5");
  }

  setWidths(addressBytes: number, lengthBytes: number): void {
    if (!WIDTHS.has(addressBytes) || !WIDTHS.has(lengthBytes))
      this.fail(`addresses of ${addressBytes} and lengths of ${lengthBytes} bytes`);
    this.addressBytes = addressBytes;
    this.lengthBytes = lengthBytes;
  }

  /** Counts one more of whatever the file makes us do. Throws FILE_MALFORMED above STEPS_MAX. */
  step(): void {
    this.#steps += 1;
    if (this.#steps > STEPS_MAX) this.fail(`more than ${STEPS_MAX} messages, links and chunks`);
  }

  /** False when the structure at this place was met before: a cycle, or a second name. */
  isNew(offset: number): boolean {
    if (this.#visited.has(offset)) return false;
    this.#visited.add(offset);
    return true;
  }

  /** A whole number of 0 to 8 bytes. Throws FILE_MALFORMED beyond 2^53 - 1. */
  uint(widthBytes: number): number {
    let value = 0;
    let scale = 1;
    for (const byte of this.bytes(widthBytes)) {
      value += byte * scale;
      scale *= 256;
    }
    return Number.isSafeInteger(value) ? value : this.fail("a number above 2^53 - 1");
  }

  length(): number {
    return this.uint(this.lengthBytes);
  }

  /** Offset in the file; undefined for the address that stands for nowhere. */
  address(): number | undefined {
    const bytes = this.bytes(this.addressBytes);
    if (bytes.every((byte) => byte === 0xff)) return undefined;
    this.skip(-this.addressBytes);
    return this.startOffset + this.uint(this.addressBytes);
  }

  /** The address of something that must be there. */
  place(what: string): number {
    return this.address() ?? this.fail(`${what} is nowhere`);
  }

  /** Throws FILE_MALFORMED unless the four letters stand at the cursor. */
  expect(signature: string): void {
    const at = this.offset;
    const found = Buffer.from(this.bytes(signature.length)).toString("latin1");
    if (found !== signature) this.fail(`no ${signature} at ${at}`);
  }

  /** UTF-8 of so many bytes. */
  name(length: number): string {
    this.#countName(length);
    return Buffer.from(this.bytes(length)).toString("utf8");
  }

  /** UTF-8 up to a zero byte. */
  nullEnded(bytesMax: number): string {
    const bytes: number[] = [];
    for (;;) {
      const byte = this.u8();
      if (byte === 0) {
        this.#countName(bytes.length);
        return Buffer.from(bytes).toString("utf8");
      }
      if (bytes.length >= bytesMax) this.fail(`a name of more than ${bytesMax} bytes`);
      bytes.push(byte);
    }
  }

  #countName(length: number): void {
    // What a name costs beside its bytes.
    this.#namesBytes += length + 32;
    if (this.#namesBytes > NAMES_BYTES_MAX) this.fail(`names of more than ${NAMES_BYTES_MAX} bytes`);
  }
}
