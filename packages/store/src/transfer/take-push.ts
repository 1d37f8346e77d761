/** What a client has put becomes part of the store, and then refs move. */
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { type Digest, isDigest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { refPolicy } from "../refs/ref-policy.ts";
import { assertChanges } from "../refs/ref-rules.ts";
import { PRUNED_PREFIX, type Ref, type RefChange, type RefReason } from "../refs/refs.ts";
import { REGISTRY_PREFIX } from "../registry/roles.ts";
import { show } from "../show.ts";
import { acceptOutlines } from "./outlines.ts";
import { assertPushAllowed, type PushedRef, type PushRules } from "./push-rules.ts";
import type { Quarantine } from "./quarantine.ts";
import { QuarantineSource } from "./quarantine-source.ts";
import { receive, type Received } from "./receive.ts";

export interface Push {
  readonly store: OwnedStore;
  readonly repository: string;
  readonly quarantine: Quarantine;
  /** For the reflog. */
  readonly actor: string;
  readonly rules: PushRules;
  readonly changes: readonly RefChange[];
  readonly reason: RefReason;
}

/**
 * Verifies every record that the refs need and that is not here, computes every blob's SHA-256 anew, asks the rules,
 * then moves all refs or none. Throws REF_CHANGED, REMOTE_INCOMPLETE, OBJECT_CORRUPT, PUSH_FORBIDDEN. The caller has
 * the quarantine's turn.
 */
export async function takePush(push: Push, call: Call): Promise<void> {
  const { store, repository, rules, actor, reason } = push;
  await assertChanges(push.changes);
  const here = await store.refs.list(repository);
  const changes = resolve(push.changes, here);
  if (changes.length === 0) return;
  const received = await take(push, { here, changes }, call);
  // An outline of a version that is whole here, or that nothing of this push needs, says nothing about this store.
  const pruned = new Set<Digest | "absent">(received.pruned);
  const moving = changes.filter(({ name, from, to }) => !isNewOutline({ name, from, to }) || pruned.has(to));
  await assertPushAllowed({ store, rules }, moving, call);
  const why = { op: "push", reason: reason.reason, actor };
  await store.refs.createRepository(repository, why, { reuse: true });
  // Whether who pushes may move roles was asked above; archived versions stay for everybody.
  const policy = { ...(await refPolicy({ store })), owns: [REGISTRY_PREFIX] };
  await store.refs.update(repository, moving, why, policy);
}

function isNewOutline({ name, from, to }: PushedRef): boolean {
  return from === "absent" && name === PRUNED_PREFIX + to;
}

/** What is there now takes the place of "any". Throws REF_CHANGED before anything is looked at. */
function resolve(changes: readonly RefChange[], here: readonly Ref[]): PushedRef[] {
  const now = new Map<string, Digest>(here.map(({ name, digest }) => [name, digest]));
  const resolved: PushedRef[] = [];
  for (const { name, from, to } of changes) {
    const found = now.get(name) ?? "absent";
    if (from !== "any" && from !== found) throw changed({ name, from, to }, found);
    if (found !== to) resolved.push({ name, from: found, to });
  }
  return resolved;
}

async function take(
  { store, quarantine }: Push,
  { here, changes }: { here: readonly Ref[]; changes: readonly PushedRef[] },
  call: Call,
): Promise<Received> {
  const isOutline = ({ name }: { name: string }): boolean => name.startsWith(PRUNED_PREFIX);
  const told = changes.filter(isNewOutline).flatMap(({ to }) => (to === "absent" ? [] : [to]));
  const pruned = await acceptOutlines(store, told, call);
  for (const { digest } of here.filter(isOutline)) pruned.add(digest);
  const want = changes
    .filter((change) => !isOutline(change))
    .flatMap(({ to }) => (to === "absent" ? [] : [to]));
  const have = here.filter((ref) => !isOutline(ref)).map(({ digest }) => digest);
  const source = new QuarantineSource(store, quarantine);
  try {
    const { proven } = source;
    return await receive(store, source, { want: [...new Set(want)], have, pruned, proven }, call);
  } catch (error) {
    await forgetLost(store, { quarantine, source }, error);
    throw error;
  }
}

/**
 * What a push that failed leaves in quarantine may not keep the next one from succeeding: what was found damaged is
 * sent again only when it is not found here, and so is what something lacks that is found here as a difference to it.
 */
async function forgetLost(
  store: OwnedStore,
  { quarantine, source }: { quarantine: Quarantine; source: QuarantineSource },
  error: unknown,
): Promise<void> {
  const { pack, missing } = isSmcError(error) ? error.details : {};
  const moved = [...source.moved];
  const places = await store.index.findMany(moved);
  const lost = new Set<unknown>(moved.filter((_, index) => places[index] === undefined));
  if (missing !== undefined) lost.add(missing);
  const isDamaged = isSmcError(error) && error.exit === 4;
  const isIncomplete = isSmcError(error, "REMOTE_INCOMPLETE") && missing === undefined;
  const named =
    typeof pack === "string" && isDigest(pack) && quarantine.pack(pack) !== undefined ? [pack] : [];
  const bad = isIncomplete || (isDamaged && named.length === 0) ? [...source.read] : isDamaged ? named : [];
  await quarantine.dropWithout(lost, bad);
}

function changed({ name, from }: RefChange, found: Digest | "absent"): SmcError {
  const told = (digest: string): string => (digest === "absent" ? "absent" : digest.slice(0, 12));
  return new SmcError(
    "REF_CHANGED",
    `'${show(name)}' should be ${told(from)} but is ${told(found)}; no ref was changed`,
    { details: { name, expected: from, found } },
  );
}
