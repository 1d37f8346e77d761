/**
 * Whether a version is whole, before it goes live. Every record that it needs must be in the index, in a pack that is
 * there with its length. A pack counts as right when all of it was read and found right within `trustDays`; every other
 * one is read now, and that is noted, so that the next check need not.
 */
import { stat } from "node:fs/promises";
import type { Call } from "../call.ts";
import { Damaged } from "../check/damaged.ts";
import { readPack } from "../check/packs.ts";
import { noteScrubbed, provenSince } from "../check/scrub.ts";
import { Walk, walkSource } from "../check/walk.ts";
import { nowMs } from "../clock.ts";
import { readConfig } from "../config.ts";
import type { IndexedPack } from "../db/object-index.ts";
import { fromErrno, isDamage, isSmcError, SmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { readCommit } from "../history/graph.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";

const DAY_MS = 86_400_000;
const TOLD_MAX = 3;

export interface IntactResult {
  /** The commit, its folders and its files. */
  readonly objects: number;
  readonly packs: number;
  /** Bytes of packs that were read for this check. */
  readonly readBytes: number;
  /** When the pack that was read longest ago was read; null when all were read now. */
  readonly readSince: string | null;
}

/**
 * `full` reads every pack that the version needs, whenever it was read last. Throws OBJECT_MISSING, OBJECT_CORRUPT and
 * CANCELED; changes nothing but what is known of packs.
 */
export async function assertIntact(
  store: OwnedStore,
  { commit, full }: { commit: Digest; full: boolean },
  call: Call,
): Promise<IntactResult> {
  using _ = store.objects.readers.enter();
  const { needed, objects } = await findNeeded(store, commit, call);
  const since = full ? Number.POSITIVE_INFINITY : nowMs() - (await trustMs(store));
  const proven = await provenSince(store.db, since);
  const packs = store.index.packs().filter(({ no }) => needed.has(no));
  for (const pack of packs) await assertThere(store, pack);
  const unproven = packs.filter(({ name }) => !proven.has(name));
  let readBytes = 0;
  await inLanes(unproven, store.pool.size, async (pack) => {
    await readNow(store, { pack, needed: needed.get(pack.no) ?? new Set() }, call);
    readBytes += pack.sizeBytes;
  });
  const times = packs.flatMap(({ name }) => proven.get(name) ?? []);
  return {
    objects,
    packs: packs.length,
    readBytes,
    readSince: times.length === 0 ? null : formatMoment(momentAt(Math.min(...times))),
  };
}

/** The days after which the daemon reads packs again: what it has not had the time for is read now. */
async function trustMs(store: OwnedStore): Promise<number> {
  const { entries } = await readConfig({ storePath: store.path });
  const days = entries.get("scrub.days")?.value;
  return typeof days === "number" ? days * DAY_MS : 0;
}

/** Pack → the records of it that the version needs. */
type Needed = Map<number, Set<Digest>>;

/** Follows the commit to every chunk. Throws OBJECT_MISSING, OBJECT_CORRUPT. */
async function findNeeded(
  store: OwnedStore,
  commit: Digest,
  call: Call,
): Promise<{ needed: Needed; objects: number }> {
  const needed: Needed = new Map();
  const plain = walkSource(store);
  const note = async (digests: readonly Digest[]): ReturnType<typeof plain.find> => {
    const places = await plain.find(digests);
    for (const [index, place] of places.entries()) {
      const digest = digests[index];
      if (place === undefined || digest === undefined) continue;
      const known = needed.get(place.pack);
      if (known === undefined) needed.set(place.pack, new Set([digest]));
      else known.add(digest);
    }
    return places;
  };
  const damaged = new Damaged();
  const about = { damaged, pruned: new Set<Digest>(), phase: "check" };
  const walk = new Walk({ ...plain, find: note }, about, call);
  try {
    const { tree } = await readCommit(store, commit);
    await walk.visit({ digest: tree, kind: "tree", root: "", path: "" });
  } catch (error) {
    throw isDamage(error) ? broken(error.message) : error;
  }
  assertNoDamage(damaged);
  return { needed, objects: 1 + walk.counts.trees + walk.counts.blobs };
}

function assertNoDamage(damaged: Damaged): void {
  if (damaged.isEmpty) return;
  const objects = damaged.objects();
  const told = objects.slice(0, TOLD_MAX).map(({ digest, message }) => `${digest.slice(0, 12)}: ${message}`);
  const more = objects.length > TOLD_MAX ? `, and ${objects.length - TOLD_MAX} more` : "";
  throw broken(`${told.join("; ")}${more}`);
}

function broken(why: string): SmcError {
  return new SmcError("OBJECT_CORRUPT", `the version is not whole, so no ref was moved: ${why}`, {
    hint: 'see what is wrong with "smc verify", bring it back with "smc fsck --repair" or "smc fetch"',
  });
}

async function assertThere(store: OwnedStore, { name, sizeBytes }: IndexedPack): Promise<void> {
  const path = packPath(store.path, name);
  let size;
  try {
    ({ size } = await stat(path));
  } catch (error) {
    const known = fromErrno(error, `cannot read '${path}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) throw broken(`pack ${name} is gone`);
    throw known;
  }
  if (size !== sizeBytes) throw broken(`pack ${name} has ${size} bytes instead of ${sizeBytes}`);
}

/** Reads all of a pack and notes that. What is damaged in it, and read from a whole copy elsewhere, is no harm. */
async function readNow(
  store: OwnedStore,
  { pack, needed }: { pack: IndexedPack; needed: ReadonlySet<Digest> },
  call: Call,
): Promise<void> {
  const { faults } = await readPack(store, pack.name, { call });
  await noteScrubbed(store.db, [pack.name], () => faults);
  for (const { digest } of faults) {
    const doubtful = digest === undefined ? [...needed] : needed.has(digest) ? [digest] : [];
    try {
      await store.objects.verify(doubtful, call);
    } catch (error) {
      if (!isDamage(error)) throw error;
      throw broken(error.message);
    }
  }
}
