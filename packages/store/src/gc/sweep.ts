/** Takes packs away, so that at every moment everything live can be read. */
import { nowMs } from "../clock.ts";
import { type Call, createPacer, throwIfCanceled } from "../call.ts";
import { DigestSet } from "../objects/digest-set.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError } from "../errors.ts";
import type { OwnedStore } from "../open-store.ts";
import type { PackSession } from "../write-session.ts";
import { packPath } from "../pack/folder.ts";
import type { Mark } from "./mark.ts";
import type { PackPlan } from "./plan.ts";
import { createEpoch, throwAway } from "./trash.ts";

/** How long those who read from a pack that goes may take; then all packs stay until the next gc. */
const READERS_MS_MAX = 60_000;

export interface Swept {
  readonly epoch: string | undefined;
  readonly removed: readonly PackPlan[];
  /** Packs that stay until the next time: somebody touched or read something in them meanwhile. */
  readonly postponed: number;
}

type Live = Pick<DigestSet, "has">;

interface Doomed {
  readonly plan: PackPlan;
  /** Of all records of the pack. */
  readonly digests: readonly Digest[];
}

/**
 * Order: what is live is copied out and read back; then, when no command has touched anything new, the packs are
 * condemned in one step, so nobody finds anything in them any more; those who found something before have read it; the
 * index forgets lists and objects before chunks, durably; the packs move to the trash.
 */
export async function sweep(
  store: OwnedStore,
  { plans, mark }: { plans: readonly PackPlan[]; mark: Mark },
  call: Call,
): Promise<Swept> {
  const going = plans.filter(({ action }) => action !== "keep");
  const doomed = await copyOut(store, { plans: going, live: mark.live }, call);
  const removable = await condemn(store, { doomed, mark }, call);
  if (removable.length === 0) return { epoch: undefined, removed: [], postponed: doomed.length };
  const numbers = removable.map(({ plan }) => plan.pack.no);
  let isBegun = false;
  try {
    if (!(await store.objects.readers.drain(call.signal, READERS_MS_MAX))) {
      throwIfCanceled(call);
      return { epoch: undefined, removed: [], postponed: doomed.length };
    }
    const epoch = await createEpoch(store.path, nowMs());
    const lists = await listsIn(store, removable, call);
    isBegun = true;
    // Objects first, chunks last: after a kill in between no object is found whose chunks are gone.
    for (const isFirst of [true, false])
      await remove(store, {
        epoch,
        lists,
        packs: removable.filter(({ plan }) => plan.hasObjects === isFirst),
      });
    return { epoch, removed: removable.map(({ plan }) => plan), postponed: doomed.length - removable.length };
  } finally {
    // What was begun stays hidden when it fails: a part of it may be gone. The next gc ends it.
    if (!isBegun) store.index.pardon(numbers);
  }
}

async function remove(
  store: OwnedStore,
  { epoch, lists, packs }: { epoch: string; lists: ReadonlyMap<Digest, Digest>; packs: readonly Doomed[] },
): Promise<void> {
  for (const { plan, digests } of packs) await store.index.forgetPack(plan.pack.no, digests, lists);
  const names = packs.map(({ plan }) => plan.pack.name);
  await throwAway(store.path, epoch, names);
}

/** Copies what is live in these packs into new ones, verified. Throws OBJECT_CORRUPT, PACK_CORRUPT … */
async function copyOut(
  store: OwnedStore,
  { plans, live }: { plans: readonly PackPlan[]; live: Live },
  call: Call,
): Promise<Doomed[]> {
  const doomed: Doomed[] = [];
  await using session = store.writePacks("gc");
  for (const plan of plans) {
    throwIfCanceled(call);
    doomed.push({ plan, digests: await copyPack(store, session, { plan, live, call }) });
    call.onProgress({ phase: "copy", done: doomed.length, total: plans.length, unit: "objects" });
  }
  await session.finish({ replace: true });
  return doomed;
}

/** Copies what is live in a pack; the digests of all that is in it. */
async function copyPack(
  store: OwnedStore,
  session: PackSession,
  { plan, live, call }: { plan: PackPlan; live: Live; call: Call },
): Promise<Digest[]> {
  const { no, name } = plan.pack;
  let rows;
  try {
    const task = { signal: call.signal };
    ({ rows } = await store.pool.run("contents", { pack: packPath(store.path, name) }, task));
  } catch (error) {
    // Nobody needs anything of it, so it may be damaged; the index knows what was in it.
    if (!isSmcError(error) || error.exit !== 4 || plan.action !== "drop") throw error;
    return digestsIn(store, no, call);
  }
  const digests = rows.map(({ digest }) => digest);
  const places = await store.index.findMany(digests);
  const kept = rows.filter(({ digest }, index) => live.has(digest) && places[index]?.pack === no);
  if (kept.length > 0) await session.copy(name, kept, call);
  return digests;
}

async function digestsIn(store: OwnedStore, no: number, call: Call): Promise<Digest[]> {
  const digests: Digest[] = [];
  const pace = createPacer(call);
  for await (const { pack, digest } of store.index.places()) {
    if (pack === no) digests.push(digest);
    await pace();
  }
  return digests;
}

/** The lists of chunks in these packs, and the blobs that they describe. */
async function listsIn(
  store: OwnedStore,
  doomed: readonly Doomed[],
  call: Call,
): Promise<Map<Digest, Digest>> {
  const all = new DigestSet();
  const pace = createPacer(call);
  for (const { digests } of doomed) {
    for (const digest of digests) {
      all.add(digest);
      await pace();
    }
  }
  const lists = new Map<Digest, Digest>();
  for await (const { blob, list } of store.index.chunkedBlobs()) {
    if (all.has(list)) lists.set(list, blob);
    await pace();
  }
  return lists;
}

/** Marks what commands touched meanwhile, until there is nothing new; then condemns what is still dead, at once. */
async function condemn(
  store: OwnedStore,
  { doomed, mark }: { doomed: readonly Doomed[]; mark: Mark },
  call: Call,
): Promise<Doomed[]> {
  for (;;) {
    throwIfCanceled(call);
    const pinned = store.pins.take();
    for (const digest of pinned) await mark.addPin(digest);
    if (pinned.length > 0) continue;
    const { removable, staying } = await split(store, doomed, mark.live);
    const needed = staying.flatMap(({ digests }) => digests).filter((digest) => !mark.live.has(digest));
    // What stays keeps all it needs: a pack never holds an object without its parts.
    for (const digest of needed) await mark.addPin(digest);
    if (needed.length > 0) continue;
    // From here to the end of this turn of the event loop nobody can pin or find anything.
    if (store.pins.isEmpty) {
      store.index.condemn(removable.map(({ plan }) => plan.pack.no));
      return removable;
    }
  }
}

/** A pack stays when something is read from it that became live since it was copied. */
async function split(
  store: OwnedStore,
  doomed: readonly Doomed[],
  live: Live,
): Promise<{ removable: Doomed[]; staying: Doomed[] }> {
  const removable: Doomed[] = [];
  const staying: Doomed[] = [];
  for (const each of doomed) {
    const alive = each.digests.filter((digest) => live.has(digest));
    const places = await store.index.findMany(alive);
    const stays = places.some((place) => place === undefined || place.pack === each.plan.pack.no);
    (stays ? staying : removable).push(each);
  }
  return { removable, staying };
}
