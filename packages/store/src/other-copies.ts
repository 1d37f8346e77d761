/**
 * Where a chunk can be read when the record that the index names first is damaged, or one that it is a difference to.
 * The one place that decides it, for whoever reads.
 */
import type { ObjectIndex, Place } from "./db/object-index.ts";
import type { Digest } from "./objects/digest.ts";
import { packPath } from "./pack/folder.ts";
import type { ChunkPlace } from "./pack/open-packs.ts";
import type { DamagedRecord } from "./pack/reader.ts";

interface Context {
  readonly path: string;
  readonly index: ObjectIndex;
}

/**
 * A whole chain for each of the chunks, in order, of records that are not damaged as far as is known; undefined when
 * there is none for one of them. Throws INDEX_CORRUPT.
 */
export async function findElsewhere(
  context: Context,
  digests: readonly Digest[],
  damaged: readonly DamagedRecord[],
): Promise<readonly ChunkPlace[] | undefined> {
  return new Search(context, damaged).all(digests);
}

class Search {
  readonly #context: Context;
  readonly #damaged: ReadonlySet<string>;
  /**
   * Undefined for a chunk that is nowhere, and for one that is being looked for: chunks that need each other are no
   * copies.
   */
  readonly #found = new Map<Digest, ChunkPlace | undefined>();

  constructor(context: Context, damaged: readonly DamagedRecord[]) {
    this.#context = context;
    this.#damaged = new Set(damaged.map(({ digest, pack }) => `${digest} ${pack}`));
  }

  async all(digests: readonly Digest[]): Promise<ChunkPlace[] | undefined> {
    const places: ChunkPlace[] = [];
    for (const digest of digests) {
      const place = await this.#find(digest);
      if (place === undefined) return undefined;
      places.push(place);
    }
    return places;
  }

  async #find(digest: Digest): Promise<ChunkPlace | undefined> {
    if (this.#found.has(digest)) return this.#found.get(digest);
    this.#found.set(digest, undefined);
    const first = await this.#context.index.find(digest);
    const known = first === undefined ? undefined : await this.#chain(digest, first);
    const place = known ?? (await this.#copy(digest));
    this.#found.set(digest, place);
    return place;
  }

  async #copy(digest: Digest): Promise<ChunkPlace | undefined> {
    for (const copy of await this.#context.index.findCopies(digest)) {
      const place = await this.#chain(digest, copy);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  /** With its parents, unless it is damaged or one of them is nowhere. */
  async #chain(digest: Digest, place: Place): Promise<ChunkPlace | undefined> {
    const pack = packPath(this.#context.path, this.#context.index.packName(place.pack));
    if (this.#damaged.has(`${digest} ${pack}`)) return undefined;
    const { offset, storedBytes, rawBytes } = place;
    const chunk = { pack, span: { digest, offset, storedBytes, rawBytes } };
    if (place.parents === undefined) return chunk;
    const parents = await this.all(place.parents);
    return parents === undefined ? undefined : { ...chunk, parents };
  }
}
