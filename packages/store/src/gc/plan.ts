/** What gc does with each pack, given what is live. */
import { type Call, createPacer } from "../call.ts";
import type { IndexedPack, Place } from "../db/object-index.ts";
import type { DigestSet } from "../objects/digest-set.ts";
import type { OwnedStore } from "../open-store.ts";
import { recordBytes } from "../pack/format.ts";

/** A pack keeps chunks that nobody needs while they are less than this share of it. */
const DEAD_SHARE_MAX = 0.1;

export interface PackPlan {
  readonly pack: IndexedPack;
  /** "drop": nothing in it is live; "rewrite": what is live moves to a new pack; "keep": stays as it is. */
  readonly action: "drop" | "rewrite" | "keep";
  readonly liveBytes: number;
  /** Holds commits, trees, tags or lists of chunks. */
  readonly hasObjects: boolean;
}

export interface Plan {
  readonly packs: readonly PackPlan[];
  readonly live: { readonly count: number; readonly bytes: number };
  /** What goes, by kind; a blob of one chunk counts as a chunk. */
  readonly dead: { commits: number; trees: number; tags: number; chunks: number };
  /** How much smaller the packs will be. */
  readonly freedBytes: number;
}

interface Sums {
  liveBytes: number;
  liveCount: number;
  deadBytes: number;
  hasObjects: boolean;
  mustGo: boolean;
}

/**
 * Looks at every record of these packs once. After a gc there is no commit, tree, tag or list of chunks without what it
 * needs, and no difference without its parents, not even as a copy that a rebuilt index may choose: packs with such a
 * record are never kept.
 */
export async function planPacks(
  store: OwnedStore,
  { packs, live }: { packs: readonly IndexedPack[]; live: Pick<DigestSet, "has"> },
  call: Call,
): Promise<Plan> {
  const sums = new Map<number, Sums>(
    packs.map(({ no }) => [
      no,
      { liveBytes: 0, liveCount: 0, deadBytes: 0, hasObjects: false, mustGo: false },
    ]),
  );
  const dead = { commits: 0, trees: 0, tags: 0, chunks: 0 };
  const total = { count: 0, bytes: 0 };
  const pace = createPacer(call);
  for await (const place of store.index.places()) {
    const sum = sums.get(place.pack);
    if (sum !== undefined) {
      const bytes = recordBytes(place.storedBytes);
      const isLive = live.has(place.digest);
      if (place.kind !== "chunk") sum.hasObjects = true;
      if (isLive && !place.isCopy) {
        sum.liveBytes += bytes;
        sum.liveCount += 1;
        total.bytes += bytes;
        total.count += 1;
      } else {
        sum.deadBytes += bytes;
        sum.mustGo ||= needsDead(place, isLive, live);
        if (!isLive && !place.isCopy) count(dead, place);
      }
    }
    await pace();
  }
  const plans = packs.map((pack) => planPack(pack, sums.get(pack.no)));
  return {
    packs: plans,
    live: total,
    dead,
    freedBytes: plans.reduce((sum, plan) => sum + freedBytes(plan), 0),
  };
}

function needsDead(place: Place, isLive: boolean, live: Pick<DigestSet, "has">): boolean {
  if (place.kind !== "chunk") return !isLive;
  return (place.parents ?? []).some((parent) => !live.has(parent));
}

function count(dead: Plan["dead"], { kind }: Place): void {
  if (kind === "commit") dead.commits += 1;
  else if (kind === "tree") dead.trees += 1;
  else if (kind === "tag") dead.tags += 1;
  else if (kind === "chunk") dead.chunks += 1;
}

function planPack(pack: IndexedPack, sum: Sums | undefined): PackPlan {
  const { liveBytes = 0, liveCount = 0, deadBytes = 0, hasObjects = false, mustGo = false } = sum ?? {};
  const isWorth = mustGo || deadBytes > (liveBytes + deadBytes) * DEAD_SHARE_MAX;
  const action = liveCount === 0 ? "drop" : isWorth ? "rewrite" : "keep";
  return { pack, action, liveBytes, hasObjects };
}

/** What the pack takes on the disk now and will not take after. */
export function freedBytes({ pack, action, liveBytes }: PackPlan): number {
  return action === "keep" ? 0 : pack.sizeBytes - liveBytes;
}
