/** Chunks in their shortest form: alone, or as the difference to what is known about them. For storers. */
import { encodeBest } from "../codecs/registry.ts";
import type { EncodeHints } from "../codecs/codec.ts";
import { isSmcError } from "../errors.ts";
import { isDeltaCodec } from "../pack/delta.ts";
import { OpenPacks } from "../pack/open-packs.ts";
import type { EncodedRecord } from "../pack/writer.ts";
import type { ChunkHints, ParentRange } from "./tasks.ts";

/** Tensors whose codec is remembered. */
const TENSORS_KEPT_MAX = 100_000;

/**
 * What a session keeps in one thread until it is sealed: open packs of parents, and which codec won for which tensor.
 */
export class Encoder implements Disposable {
  readonly #packs = new OpenPacks();
  /** Task and tensor → the codec that won for the tensor's last chunk. */
  readonly #codecs = new Map<string, number>();

  /** The chunk in its shortest form: as a difference to the first of its parents that helps, or alone. */
  encode(id: number, raw: Uint8Array, { tensor, parents, ...known }: ChunkHints): EncodedRecord {
    const key = `${id} ${tensor}`;
    const previous = this.#codecs.get(key);
    const hints = { ...known, ...(previous === undefined ? {} : { previous }) };
    // What a codec gives lies in its memory until the next call: only the last result may be kept.
    let last: EncodedRecord | undefined;
    for (const parent of parents) {
      last = this.#encodeAgainst(parent, raw, hints);
      if (last?.delta !== undefined) break;
    }
    last ??= encodeBest(raw, hints);
    if (this.#codecs.size >= TENSORS_KEPT_MAX) this.#codecs.clear();
    this.#codecs.set(key, last.codec);
    return last;
  }

  /** Undefined when the parent cannot be read. */
  #encodeAgainst(parent: ParentRange, raw: Uint8Array, hints: EncodeHints): EncodedRecord | undefined {
    const bytes = this.#read(parent);
    if (bytes === undefined) return undefined;
    const { codec, stored } = encodeBest(raw, { ...hints, parent: { raw: bytes, dtype: parent.dtype } });
    if (!isDeltaCodec(codec)) return { codec, stored };
    const { depth, offset, length, places } = parent;
    return {
      codec,
      stored,
      delta: { depth, offset, length, parents: places.map(({ span }) => span.digest) },
    };
  }

  /**
   * Undefined when the parent cannot be read, for whatever reason: that costs space here, and fsck names it. It is
   * hashed: by its CRC alone, one that was wrong before it was written would take its children with it.
   */
  #read({ places, offset, length }: ParentRange): Uint8Array | undefined {
    try {
      return this.#packs.readAll(places).subarray(offset, offset + length);
    } catch (error) {
      if (isSmcError(error) && error.code !== "CANCELED") return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#packs[Symbol.dispose]();
  }
}
