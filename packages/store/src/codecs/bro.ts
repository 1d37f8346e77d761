import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { SmcError } from "../errors.ts";
import type { Codec } from "./codec.ts";
import { SLICE_BYTES, slicesOf } from "./slices.ts";

const QUALITY = 4;
const RAW_BYTES_MIN = 64;
/** 16 KiB of noise show 7.99 bits a byte, so this much is enough to tell. */
const ENTROPY_SLICE_BYTES = 4 * 1024;
/** Bits a byte above which a sample is as good as random. */
const ENTROPY_MAX = 7.9;

function compress(raw: Uint8Array): Uint8Array {
  return brotliCompressSync(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
  });
}

/** True when a sample of the bytes is as good as random: then nothing without a parent makes them shorter. */
export function isNoise(raw: Uint8Array): boolean {
  if (raw.length < ENTROPY_SLICE_BYTES) return false;
  const counts = new Uint32Array(256);
  let total = 0;
  for (const slice of slicesOf(raw, { unit: 1, lead: 0, sliceBytes: ENTROPY_SLICE_BYTES })) {
    for (const byte of slice) counts[byte] = (counts[byte] ?? 0) + 1;
    total += slice.length;
  }
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / total) * Math.log2(count / total);
  return bits > ENTROPY_MAX;
}

/** The share of its size that a sample of the bytes shrinks to; 1 for what is too short to try. */
export function brotliShare(raw: Uint8Array): number {
  if (raw.length < RAW_BYTES_MIN) return 1;
  const sample = Buffer.concat(slicesOf(raw, { unit: 1, lead: 0, sliceBytes: SLICE_BYTES }));
  return compress(sample).length / sample.length;
}

/** Brotli (RFC 7932): headers, JSON, tokenizers, text, anything with repeats. */
export const BRO: Codec = {
  id: 2,
  name: "BRO",
  isDelta: false,
  encode: (raw) => (raw.length < RAW_BYTES_MIN ? undefined : compress(raw)),
  decode(stored, rawBytes) {
    let raw: Uint8Array;
    try {
      raw = brotliDecompressSync(stored, { maxOutputLength: Math.max(rawBytes, 1) });
    } catch (error) {
      throw new SmcError("OBJECT_CORRUPT", "BRO: the stream is damaged", { cause: error });
    }
    if (raw.length !== rawBytes) {
      throw new SmcError("OBJECT_CORRUPT", `BRO: ${raw.length} bytes instead of ${rawBytes}`);
    }
    return raw;
  },
};
