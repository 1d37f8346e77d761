import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { SmcError } from "../errors.ts";
import type { Codec } from "./codec.ts";

const QUALITY = 4;
const SLICES = 4;
const SLICE_BYTES = 16 * 1024;
/** 16 KiB of noise show 7.99 bits a byte, so this much is enough to tell. */
const ENTROPY_SLICE_BYTES = 4 * 1024;
/** Bits a byte above which a sample is as good as random. */
const ENTROPY_MAX = 7.9;
/** A sample has to shrink to this share before the whole is tried. */
const SAMPLE_SHARE_MAX = 0.85;

function compress(raw: Uint8Array): Uint8Array {
  return brotliCompressSync(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
  });
}

/** Slices from evenly spread places; the whole when it is small. */
function sample(raw: Uint8Array, sliceBytes: number): Uint8Array {
  if (raw.length <= SLICES * sliceBytes) return raw;
  const step = Math.floor((raw.length - sliceBytes) / (SLICES - 1));
  return Buffer.concat(
    Array.from({ length: SLICES }, (_, slice) => raw.subarray(slice * step, slice * step + sliceBytes)),
  );
}

/** Shannon entropy of the bytes, in bits a byte. */
function entropyBits(bytes: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  let bits = 0;
  for (const count of counts) {
    if (count > 0) bits -= (count / bytes.length) * Math.log2(count / bytes.length);
  }
  return bits;
}

/** Brotli (RFC 7932): headers, JSON, tokenizers, text, anything with repeats. */
export const BRO: Codec = {
  id: 2,
  name: "BRO",
  isDelta: false,
  encode(raw) {
    if (raw.length < 64) return undefined;
    if (raw.length >= ENTROPY_SLICE_BYTES && entropyBits(sample(raw, ENTROPY_SLICE_BYTES)) > ENTROPY_MAX)
      return undefined;
    const part = sample(raw, SLICE_BYTES);
    if (part.length < raw.length && compress(part).length > part.length * SAMPLE_SHARE_MAX) return undefined;
    return compress(raw);
  },
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
