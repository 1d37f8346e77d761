/** A way to write the bytes of one record shorter. Encoding never changes a digest: that is of the raw bytes. */

export interface Encoded {
  readonly codec: number;
  readonly stored: Uint8Array;
}

/** What is known about the bytes before they are encoded. The raw codecs need nothing of it. */
export interface EncodeHints {
  /** Element type of the tensor, "bf16", when a format parser knows it. */
  readonly dtype?: string;
  /** The codec that won for the piece before, tried first. */
  readonly previous?: number;
}

export interface Codec {
  readonly id: number;
  readonly name: string;
  /** Undefined when this codec has nothing to gain here. Must decode to exactly `raw`. */
  encode(raw: Uint8Array, hints: EncodeHints): Uint8Array | undefined;
  /** Exactly `rawBytes` bytes, or throws OBJECT_CORRUPT. Memory and time are bounded by `rawBytes` and `stored`. */
  decode(stored: Uint8Array, rawBytes: number): Uint8Array;
}
