/** All codecs that this version reads. */
import { SmcError } from "../errors.ts";
import { BRO } from "./bro.ts";
import type { Codec } from "./codec.ts";
import { DRV } from "./drv.ts";
import { FILL } from "./fill.ts";
import { FXD } from "./fxd.ts";
import { PLN, PLS } from "./pln.ts";
import { RAW } from "./raw.ts";
import { XPL } from "./xpl.ts";

export const CODECS: readonly Codec[] = [RAW, FILL, BRO, PLN, PLS, XPL, FXD, DRV];

export { encodeBest } from "./choose.ts";

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
