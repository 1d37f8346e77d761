/** What records are differences to, as a remote says: followed no further than reading them may cost. Pure. */
import type { Digest } from "../objects/digest.ts";
import { CHAIN_MAX } from "../pack/delta.ts";
import type { RecordRow } from "../pack/format.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";

/**
 * Records that reading one may decode, itself included: five parents on each of four steps are 781. Without it a few
 * rows that name each other five times a step would cost millions.
 */
export const READS_MAX = 1000;

/** A record in a file. */
export interface Located {
  readonly pack: string;
  readonly span: RecordRow;
}

/**
 * Where these records and their parents are; parents are among them or in `known`. Left out is what lacks a parent,
 * what is part of a circle or has a chain of more than 16 steps among them, and what would take more than 1,000 reads.
 */
export function linkPlaces(
  records: readonly Located[],
  known: ReadonlyMap<Digest, ChunkPlace>,
): Map<Digest, ChunkPlace> {
  const inside = new Set(records.map(({ span }) => span.digest));
  const places = new Map<Digest, ChunkPlace>();
  const reads = new Map<ChunkPlace, number>();
  let rest = records;
  // A step of all chains in each round, so that no chain is followed twice.
  for (let step = 0; step <= CHAIN_MAX && rest.length > 0; step += 1) {
    const found: [Digest, ChunkPlace][] = [];
    const later: Located[] = [];
    for (const record of rest) {
      const place = placeOf(record, (parent) => (inside.has(parent) ? places : known).get(parent));
      if (place === undefined) later.push(record);
      else if (readsOf(place, reads) <= READS_MAX) found.push([record.span.digest, place]);
    }
    for (const [digest, place] of found) places.set(digest, place);
    rest = later;
  }
  return places;
}

function placeOf(
  { pack, span }: Located,
  find: (parent: Digest) => ChunkPlace | undefined,
): ChunkPlace | undefined {
  if (span.parents === undefined) return { pack, span };
  const parents = span.parents.map(find);
  return parents.every((place) => place !== undefined) ? { pack, span, parents } : undefined;
}

/** How many records reading this one decodes; `memo` keeps what was counted. */
export function readsOf(place: ChunkPlace, memo: Map<ChunkPlace, number>): number {
  const known = memo.get(place);
  if (known !== undefined) return known;
  const reads = (place.parents ?? []).reduce((sum, parent) => sum + readsOf(parent, memo), 1);
  memo.set(place, reads);
  return reads;
}
