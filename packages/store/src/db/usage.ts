/** What lies in the packs, by the codec it is stored with: read from the rows of the object index. */
import { type Call, createPacer } from "../call.ts";
import { CODECS } from "../codecs/registry.ts";
import type { ObjectIndex } from "./object-index.ts";

export interface CodecUsage {
  /** "RAW", "BRO" …; "codec 99" for one that this version does not know. */
  readonly codec: string;
  readonly chunkCount: number;
  /** Bytes of the chunks, and what is stored for them. */
  readonly rawBytes: number;
  readonly storedBytes: number;
}

export interface StoreUsage {
  /** The most bytes stored first. Of a chunk that is stored twice both copies count. */
  readonly codecs: readonly CodecUsage[];
  /** Commits, trees, tags and lists of chunks. */
  readonly objects: { readonly count: number; readonly storedBytes: number };
  readonly packs: { readonly count: number; readonly sizeBytes: number };
}

/** Goes through all rows once, in constant memory. Throws INDEX_CORRUPT, CANCELED. */
export async function measureUsage(index: ObjectIndex, call: Call): Promise<StoreUsage> {
  const pace = createPacer(call);
  const byCodec = new Map<number, { chunkCount: number; rawBytes: number; storedBytes: number }>();
  const objects = { count: 0, storedBytes: 0 };
  for await (const place of index.places()) {
    if (place.kind === "chunk") {
      const sums = byCodec.get(place.codec) ?? { chunkCount: 0, rawBytes: 0, storedBytes: 0 };
      sums.chunkCount += 1;
      sums.rawBytes += place.rawBytes;
      sums.storedBytes += place.storedBytes;
      byCodec.set(place.codec, sums);
    } else {
      objects.count += 1;
      objects.storedBytes += place.storedBytes;
    }
    await pace();
  }
  const packs = index.packs();
  return {
    codecs: [...byCodec]
      .map(([id, sums]) => ({ codec: nameOf(id), ...sums }))
      .sort((a, b) => b.storedBytes - a.storedBytes),
    objects,
    packs: { count: packs.length, sizeBytes: packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) },
  };
}

function nameOf(id: number): string {
  return CODECS.find((codec) => codec.id === id)?.name ?? `codec ${id}`;
}
