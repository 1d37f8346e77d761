/** What the differences of a pack that arrived are made against. */
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { RecordRow } from "../pack/format.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import { linkPlaces, READS_MAX } from "./chains.ts";

/**
 * Where the parents of a pack's records are: in it, or in the store. Undefined when one is in neither. Throws
 * OBJECT_CORRUPT for a record that takes too many others to read. The caller is among the readers of the store's packs.
 */
export async function parentsOfPack(
  store: OwnedStore,
  { path, rows }: { readonly path: string; readonly rows: readonly RecordRow[] },
): Promise<Map<Digest, readonly ChunkPlace[]> | undefined> {
  const inside = new Map(rows.map((row) => [row.digest, row]));
  const needed = rows.flatMap(({ parents }) => parents ?? []);
  const outside = [...new Set(needed.filter((digest) => !inside.has(digest)))];
  store.pins.add(outside);
  const known = await store.objects.placesOf(outside);
  if (known.size < outside.length) return undefined;
  const records = [...inside.values()].map((span) => ({ pack: path, span }));
  const found = new Map<Digest, readonly ChunkPlace[]>();
  for (const [digest, { parents }] of linkPlaces(records, known))
    if (parents !== undefined) found.set(digest, parents);
  const bad = records.find(({ span }) => span.parents !== undefined && !found.has(span.digest));
  if (bad !== undefined) throw tooMany(bad.span.digest);
  return found;
}

export function tooMany(digest: Digest): SmcError {
  return new SmcError("OBJECT_CORRUPT", `reading ${digest} would take more than ${READS_MAX} other records`);
}
