/** Reads many trees, commits and tags at once in the pool, and says of each whether it could be read. */
import type { Call } from "../call.ts";
import type { Place } from "../db/object-index.ts";
import { isDamage, type SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";

const WORTH_A_TASK = 8;

/** In order: verified raw bytes, or why there are none (damage). Tries every copy. Throws CANCELED, IO_FAILED … */
export async function readRecords(
  store: OwnedStore,
  wanted: readonly { readonly digest: Digest; readonly place: Place }[],
  call: Call,
): Promise<(Uint8Array | SmcError)[]> {
  // A few small ones are read faster here than a worker can be asked.
  if (wanted.length < WORTH_A_TASK)
    return Promise.all(wanted.map(({ digest, place }) => readOne(store, digest, place)));
  try {
    const places = wanted.map(({ digest, place: { pack, offset, storedBytes, rawBytes } }) => ({
      pack: packPath(store.path, store.index.packName(pack)),
      span: { digest, offset, storedBytes, rawBytes },
    }));
    return [...(await store.pool.run("read", { places }, { signal: call.signal }))];
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  return Promise.all(wanted.map(({ digest, place }) => readOne(store, digest, place)));
}

async function readOne(store: OwnedStore, digest: Digest, place: Place): Promise<Uint8Array | SmcError> {
  try {
    return await store.objects.readPlace(digest, place);
  } catch (error) {
    if (isDamage(error)) return error;
    throw error;
  }
}
