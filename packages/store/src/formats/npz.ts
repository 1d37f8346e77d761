/** NumPy's .npz: a ZIP archive of .npy files, stored by numpy.savez and deflated by numpy.savez_compressed. */
import { constants, inflateRawSync } from "node:zlib";
import { BoundedReader, quoted } from "./bounded-reader.ts";
import { assertRoom, checkedTable } from "./checked-table.ts";
import { bytesSource, partSource } from "./nested-source.ts";
import { type NpyHeader, npyHeaderBytes, placeArray, readNpyHeader } from "./npy.ts";
import type { ByteSource, TensorSpan, TensorTable } from "./table.ts";
import { isInflateError, type ZipMember } from "./zip.ts";

const FORMAT = "NPZ";
const STORED = 0;
/** Of a deflated member this much is inflated for its header, then this much: 1 byte can become 1032. */
const PREFIX_BYTES = [512, 16 * 1024];
const INFLATED_BYTES_MAX = 1032 * 16 * 1024;
/** Of all members together. */
const INFLATED_TOTAL_MAX = 512 * 1024 * 1024;

/** True when every member is an array. */
export function isNpz(members: readonly ZipMember[]): boolean {
  return members.every(({ name }) => name.endsWith(".npy"));
}

/** Members that are stored have spans, deflated ones are scattered. Throws FILE_MALFORMED. */
export function parseNpz(source: ByteSource, members: readonly ZipMember[]): TensorTable {
  const tensors: TensorSpan[] = [];
  const scattered: Pick<TensorSpan, "name" | "dtype" | "shape">[] = [];
  const inflater = new HeaderInflater(source);
  let isData = true;
  for (const member of members) {
    assertRoom(FORMAT, tensors.length + scattered.length);
    const name = member.name.slice(0, -".npy".length);
    const header = member.method === STORED ? storedHeader(source, member) : inflater.header(member);
    const { dtype, shape, headerBytes } = header;
    if (header.widthBytes === undefined) isData = false;
    const place = {
      offset: member.offset + headerBytes,
      sizeBytes: member.sizeBytes - headerBytes,
      format: FORMAT,
    };
    const placed = placeArray(header, name, place);
    if (member.method === STORED) {
      tensors.push(...placed.tensors);
      scattered.push(...placed.scattered);
    } else {
      scattered.push({ name, dtype, shape });
    }
  }
  const table = checkedTable(FORMAT, { tensors, scattered }, source.sizeBytes);
  return { ...table, risk: isData ? "data-only" : "executable" };
}

function storedHeader(source: ByteSource, member: ZipMember): NpyHeader {
  return readNpyHeader(new BoundedReader(partSource(source, member), FORMAT));
}

/** Inflates the beginnings of members, and not more than INFLATED_TOTAL_MAX in all. */
class HeaderInflater {
  readonly #source: ByteSource;
  #totalBytes = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  header(member: ZipMember): NpyHeader {
    const reader = new BoundedReader(this.#source, FORMAT);
    for (const prefixBytes of PREFIX_BYTES) {
      const stored = Math.min(prefixBytes, member.storedBytes);
      reader.seek(member.offset);
      const bytes = this.#inflate(reader.bytes(stored).slice());
      this.#totalBytes += bytes.length;
      if (this.#totalBytes > INFLATED_TOTAL_MAX)
        reader.fail(`the beginnings of its members have more than ${INFLATED_TOTAL_MAX} bytes`);
      const isAll = stored === member.storedBytes || prefixBytes === PREFIX_BYTES.at(-1);
      const headerBytes = npyHeaderBytes(bytes) ?? 0;
      if (isAll || (headerBytes > 0 && headerBytes <= bytes.length))
        return readNpyHeader(new BoundedReader(bytesSource(bytes), FORMAT));
    }
    return reader.fail(`member ${quoted(member.name)} has no header`);
  }

  /** What a beginning inflates to; nothing when it cannot be inflated. */
  #inflate(stored: Uint8Array): Uint8Array {
    try {
      return inflateRawSync(stored, {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: INFLATED_BYTES_MAX,
      });
    } catch (error) {
      if (!isInflateError(error)) throw error;
      return new Uint8Array(0);
    }
  }
}
