/**
 * Whether a list of chunks that lies in quarantine describes the blob that it says: before anybody can find it by that
 * name.
 */
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { decodeChunklist } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { CHAIN_MAX } from "../pack/delta.ts";
import { packAt } from "../pack/folder.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import type { Piece } from "../pool/tasks.ts";
import { type Located, linkPlaces } from "./chains.ts";
import { hashBlob } from "./hash-blob.ts";
import type { Quarantine } from "./quarantine.ts";
import type { RemoteRow } from "./remote.ts";

interface Context {
  readonly store: OwnedStore;
  readonly quarantine: Quarantine;
}

/**
 * The chunks that a list names, read from the quarantine and the store, must give its blob, and each be what its digest
 * says. Throws OBJECT_CORRUPT when they do not, or a record of them is damaged, REMOTE_INCOMPLETE naming what is in
 * neither place.
 */
export async function proveList(context: Context, list: RemoteRow, call: Call): Promise<void> {
  const { store, quarantine } = context;
  using _ = store.objects.readers.enter();
  const task = { signal: call.signal, onlyThere: true };
  try {
    const places = [{ pack: quarantine.pathOf(list.pack), span: list }];
    const [raw] = await store.pool.run("read", { places }, task);
    const { blob, chunks } = decodeChunklist(raw ?? new Uint8Array());
    const byDigest = await placesOf(context, new Set(chunks.map(({ digest }) => digest)));
    const unverified = quarantine.unverified();
    const pieces: Piece[] = [];
    let at = 0;
    for (const chunk of chunks) {
      const place = byDigest.get(chunk.digest);
      if (place === undefined) throw wrong(list, `chunk ${chunk.digest} would take too much to read`);
      if (place.span.rawBytes !== chunk.sizeBytes)
        throw wrong(list, `chunk ${chunk.digest} does not have ${chunk.sizeBytes} bytes`);
      pieces.push({ ...place, at, isVerified: !unverified.has(place.pack) });
      at += place.span.rawBytes;
    }
    const found = await hashBlob(store, { blob, pieces }, task);
    if (found !== blob) throw wrong(list, `the chunks of blob ${blob} give ${found}`);
  } catch (error) {
    throw named(error);
  }
}

/** Where chunks and what they are differences to lie. What would take too many reads is left out. */
async function placesOf(
  { store, quarantine }: Context,
  digests: ReadonlySet<Digest>,
): Promise<ReadonlyMap<Digest, ChunkPlace>> {
  const known = new Map<Digest, ChunkPlace>();
  const records = new Map<Digest, Located>();
  let level = [...digests];
  for (let step = 0; step <= CHAIN_MAX && level.length > 0; step += 1) {
    store.pins.add(level);
    for (const [digest, place] of await store.objects.placesOf(level)) known.set(digest, place);
    const below = new Set<Digest>();
    for (const digest of level) {
      if (known.has(digest)) continue;
      const row = quarantine.row(digest);
      if (row?.kind !== "chunk") throw lacks(digest);
      records.set(digest, { pack: quarantine.pathOf(row.pack), span: row });
      for (const parent of row.parents ?? []) below.add(parent);
    }
    level = [...below].filter((digest) => !known.has(digest) && !records.has(digest));
  }
  return new Map([...known, ...linkPlaces([...records.values()], known)]);
}

function wrong({ pack }: RemoteRow, why: string): SmcError {
  return new SmcError("OBJECT_CORRUPT", why, { details: { pack } });
}

function lacks(digest: Digest): SmcError {
  return new SmcError("REMOTE_INCOMPLETE", `the push lacks chunk ${digest}; no ref was moved`, {
    hint: "push again from a store that has it",
    details: { missing: digest },
  });
}

/** Damage by the name of the pack, as the client knows it. */
function named(error: unknown): unknown {
  if (!isSmcError(error) || error.exit !== 4) return error;
  const { pack } = error.details;
  const name = typeof pack === "string" ? (packAt(pack) ?? pack) : undefined;
  const message = `what was pushed is damaged: ${error.message}; no ref was moved`;
  return new SmcError("OBJECT_CORRUPT", message, {
    hint: "push again from a store that has it whole",
    ...(name === undefined ? {} : { details: { pack: name } }),
    cause: error,
  });
}
