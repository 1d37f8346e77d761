/** A way to write the bytes of one record shorter. Encoding never changes a digest: that is of the raw bytes. */
import type { Dtype } from "../formats/table.ts";

export interface Encoded {
  readonly codec: number;
  /** May lie in memory of the codec, or be the raw bytes: good until the next call of any codec. */
  readonly stored: Uint8Array;
}

/** How an element of a quantised sibling was made from the parent's: stored = clip(rint(x / scale) + zeroPoint). */
export interface Affine {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Bytes of the chunk's parent that say what this one is about to be: the same elements of an older version. */
export interface ParentBytes {
  /** Element by element beside `raw`: `raw.length / width × parentWidth` bytes. */
  readonly raw: Uint8Array;
  readonly dtype: Dtype;
}

/** What is known about the bytes before they are encoded; all of it may be wrong, and then costs only space. */
export interface EncodeHints {
  /** Element type of most of the bytes, when a format parser knows it. */
  readonly dtype?: Dtype;
  /** Bytes before the first whole element, 0 … width − 1. */
  readonly lead?: number;
  /** The codec that won for the piece of this tensor before, tried first. */
  readonly previous?: number;
  readonly parent?: ParentBytes;
  readonly affine?: Affine;
  /** Of a GGML block type: bytes of one block, and how many of its first bytes are scales. */
  readonly block?: { readonly strideBytes: number; readonly scaleBytes: number };
}

export interface Codec {
  readonly id: number;
  readonly name: string;
  /** True when `decode` needs the parent's bytes. Ids 32 to 63. */
  readonly isDelta: boolean;
  /**
   * Undefined when this codec has nothing to gain here. Must decode to exactly `raw`. The result may lie in memory of
   * the codec and is good until the next call.
   */
  encode(raw: Uint8Array, hints: EncodeHints): Uint8Array | undefined;
  /**
   * Exactly `rawBytes` bytes, or throws OBJECT_CORRUPT: also for a `parent` of another length than the stored bytes
   * ask for. Memory and time are bounded by `rawBytes` and `stored`. The result may lie in memory of the codec and is
   * good until the next call.
   */
  decode(stored: Uint8Array, rawBytes: number, parent?: Uint8Array): Uint8Array;
  /** Of a codec with kernels: the same without them, slower by far; what `decode` does where they cannot run. */
  decodePlainly?(stored: Uint8Array, rawBytes: number, parent?: Uint8Array): Uint8Array;
}
