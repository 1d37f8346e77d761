/** Which codec a chunk is stored with. A choice costs space at worst: every codec gives back exactly what it took. */
import { isSmcError } from "../errors.ts";
import { BRO, brotliShare, isNoise } from "./bro.ts";
import type { Codec, Encoded, EncodeHints } from "./codec.ts";
import { DRV } from "./drv.ts";
import { FILL } from "./fill.ts";
import { FXD } from "./fxd.ts";
import { floatType } from "./floats.ts";
import { outsideKernels } from "./kernels.ts";
import { type Layout, layoutOfBlock, layoutOfDtype } from "./layout.ts";
import { encodeLayoutPlanes, PLN, PLS } from "./pln.ts";
import { RAW } from "./raw.ts";
import { estimateShares, guessLayout, type Shares } from "./sample.ts";
import { SLICE_BYTES } from "./slices.ts";
import { XPL } from "./xpl.ts";

/** A codec that saves less than this share is not worth decoding. */
const STORED_SHARE_MAX = 0.985;
/** A delta costs a second read, so it has to be this much shorter than the chunk alone. */
const DELTA_SHARE_MAX = 0.92;
/** Brotli decodes slower than planes do, so it has to be this much shorter than they are, and short at all. */
const BROTLI_OF_PLANES_MAX = 0.95;
const BROTLI_SHARE_MAX = 0.85;
/** Floats whose planes are this short have patterns that Brotli may find. */
const PATTERN_SHARE_MAX = 0.5;
/** Of the planes that are coded without a parent, one chunk in so many is decoded and compared. */
const CHECK_PERIOD = 16;
/** Fewer bytes are not worth a header. */
const NUMBERS_BYTES_MIN = 64;

const ALONE: readonly Codec[] = [PLN, PLS];
const DELTAS: readonly Codec[] = [XPL, FXD, DRV];
let planesMade = 0;

/**
 * The shortest form that a look at a few slices promises; RAW when nothing saves 1.5 %. A delta was decoded and
 * compared. Never throws for what the bytes or the hints are. The result is good until the next call of a codec.
 */
export function encodeBest(bytes: Uint8Array, known: EncodeHints = {}): Encoded {
  // What a decoder gave lies where encoders write.
  const raw = outsideKernels(bytes);
  const hints = known.parent && {
    ...known,
    parent: { ...known.parent, raw: outsideKernels(known.parent.raw) },
  };
  return chooseFor(raw, hints ?? known);
}

function chooseFor(raw: Uint8Array, hints: EncodeHints): Encoded {
  const filled = FILL.encode(raw, hints);
  if (filled !== undefined) return { codec: FILL.id, stored: filled };
  const layout = layoutOfBlock(hints) ?? layoutOfDtype(hints.dtype, hints.lead);
  const encoded =
    layout === undefined || raw.length < NUMBERS_BYTES_MIN
      ? encodeUnknown(raw)
      : encodeNumbers(raw, layout, hints);
  return encoded ?? { codec: RAW.id, stored: raw };
}

interface Candidate {
  readonly raw: Uint8Array;
  readonly stored: Uint8Array | undefined;
  readonly parent?: Uint8Array | undefined;
}

/** Undefined unless it is short enough, and gives the raw bytes back: checked for every delta, sampled for planes. */
export function acceptIfRight(codec: Codec, { raw, stored, parent }: Candidate): Encoded | undefined {
  if (stored === undefined || stored.length > raw.length * STORED_SHARE_MAX) return undefined;
  const isChecked = codec.isDelta || (ALONE.includes(codec) && planesMade++ % CHECK_PERIOD === 0);
  return isChecked && !givesBack(codec, stored, raw, parent) ? undefined : { codec: codec.id, stored };
}

function givesBack(
  codec: Codec,
  stored: Uint8Array,
  raw: Uint8Array,
  parent: Uint8Array | undefined,
): boolean {
  try {
    return Buffer.compare(codec.decode(stored, raw.length, parent), raw) === 0;
  } catch (error) {
    if (isSmcError(error, "OBJECT_CORRUPT")) return false;
    throw error;
  }
}

/** `share`: what other codecs make of it. */
function prefersBrotli(raw: Uint8Array, share: number): boolean {
  return brotliShare(raw) <= Math.min(share * BROTLI_OF_PLANES_MAX, BROTLI_SHARE_MAX);
}

/** Bytes that no parser knows: Brotli, or the planes of numbers of a guessed width. */
function encodeUnknown(raw: Uint8Array): Encoded | undefined {
  if (isNoise(raw)) return undefined;
  const guess = guessLayout(raw);
  const planes = guess?.share ?? 1;
  if (prefersBrotli(raw, planes)) return acceptIfRight(BRO, { raw, stored: BRO.encode(raw, {}) });
  if (guess === undefined || planes > STORED_SHARE_MAX) return undefined;
  return acceptIfRight(PLN, { raw, stored: encodeLayoutPlanes(PLN.name, guess.layout, raw) });
}

/** Numbers of a known type. */
function encodeNumbers(raw: Uint8Array, layout: Layout, hints: EncodeHints): Encoded | undefined {
  const shares = tryCodecs(raw, layout, hints);
  if (shares === undefined) return encodeUnknown(raw);
  const alone = layout.width === 0 ? PLS : PLN;
  const aloneShare = shares.get(alone.id) ?? 1;
  const delta = shortestDelta(shares, aloneShare);
  const best = delta === undefined ? aloneShare : (shares.get(delta.id) ?? 1);
  const mayRepeat = floatType(hints.dtype) === undefined || best < PATTERN_SHARE_MAX;
  if (mayRepeat && delta === undefined && !isNoise(raw) && prefersBrotli(raw, best)) {
    const encoded = acceptIfRight(BRO, { raw, stored: BRO.encode(raw, hints) });
    if (encoded !== undefined) return encoded;
  }
  const encoded =
    delta && acceptIfRight(delta, { raw, stored: delta.encode(raw, hints), parent: hints.parent?.raw });
  if (encoded !== undefined) return encoded;
  return aloneShare > STORED_SHARE_MAX
    ? undefined
    : acceptIfRight(alone, { raw, stored: alone.encode(raw, hints) });
}

/** A quarter of the sample is enough when it says the same as the chunk before. */
function tryCodecs(raw: Uint8Array, layout: Layout, hints: EncodeHints): Shares | undefined {
  if (hints.previous !== undefined) {
    const few = estimateShares({ raw, layout, hints, sliceBytes: SLICE_BYTES / 4 });
    const aloneShare = few?.get(layout.width === 0 ? PLS.id : PLN.id) ?? 1;
    const winner = (few && shortestDelta(few, aloneShare)?.id) ?? (layout.width === 0 ? PLS.id : PLN.id);
    if (winner === hints.previous) return few;
  }
  return estimateShares({ raw, layout, hints, sliceBytes: SLICE_BYTES });
}

function shortestDelta(shares: Shares, aloneShare: number): Codec | undefined {
  let best: Codec | undefined;
  let least = Math.min(aloneShare, 1) * DELTA_SHARE_MAX;
  for (const codec of DELTAS) {
    const share = shares.get(codec.id) ?? Infinity;
    if (share <= least) {
      least = share;
      best = codec;
    }
  }
  return best;
}
