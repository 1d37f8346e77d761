/** All codecs that this version reads, and the choice between them. */
import { SmcError } from "../errors.ts";
import { BRO } from "./bro.ts";
import type { Codec, Encoded, EncodeHints } from "./codec.ts";
import { DRV } from "./drv.ts";
import { FILL } from "./fill.ts";
import { FXD } from "./fxd.ts";
import { PLN, PLS } from "./pln.ts";
import { RAW } from "./raw.ts";
import { XPL } from "./xpl.ts";

export const CODECS: readonly Codec[] = [RAW, FILL, BRO, PLN, PLS, XPL, FXD, DRV];

/** A codec that saves less than this share is not worth decoding. */
const STORED_SHARE_MAX = 0.985;

/** The shortest form; RAW when nothing else saves at least 1.5 %. */
export function encodeBest(raw: Uint8Array, hints: EncodeHints = {}): Encoded {
  for (const codec of hints.dtype === undefined ? [FILL, BRO] : [FILL, PLN]) {
    const stored = codec.encode(raw, hints);
    if (stored !== undefined && stored.length <= raw.length * STORED_SHARE_MAX) {
      return { codec: codec.id, stored };
    }
  }
  return { codec: RAW.id, stored: raw };
}

/** Throws FORMAT_UNSUPPORTED for a codec of a newer version, OBJECT_CORRUPT for damaged bytes. */
export function decodeStored(
  codecId: number,
  stored: Uint8Array,
  rawBytes: number,
  parent?: Uint8Array,
): Uint8Array {
  const codec = CODECS.find(({ id }) => id === codecId);
  if (codec === undefined) {
    throw new SmcError("FORMAT_UNSUPPORTED", `this smc does not know codec ${codecId}`);
  }
  return codec.decode(stored, rawBytes, parent);
}
