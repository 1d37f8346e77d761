/** Which refs of another place are taken over, by which names, and how they move here. */
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { isAncestor } from "../history/graph.ts";
import { commitOfRef, formatIdentity } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { parseRefName, type RefName } from "../objects/names.ts";
import { PRUNED_PREFIX, type Ref, type RefChange } from "../refs/refs.ts";
import type { OwnedRepository } from "../repository.ts";
import { REGISTRY_PREFIX } from "../registry/roles.ts";
import { show } from "../show.ts";
import type { RemoteRef } from "./remote.ts";

/** A ref that is not what it was. */
export interface MovedRef {
  /** Full name here for fetch, there for push. */
  readonly name: string;
  readonly from: Digest | null;
  readonly to: Digest | null;
  /** False when `from` is no ancestor of `to`. */
  readonly fastForward: boolean;
}

export interface Followed {
  /** The verb, for the reflog. */
  readonly op: string;
  readonly remoteName: string;
  /** All refs here, as they were before anything arrived. */
  readonly here: readonly Ref[];
  readonly wanted: readonly Wanted[];
  /** Refs here that go. */
  readonly lost: readonly Change[];
  /** Commits that arrived without their files. */
  readonly pruned: readonly Digest[];
}

/** Moves refs here, all or none, to what they are there; what they need has arrived. Throws REF_CHANGED. */
export async function followRefs(
  repository: OwnedRepository,
  { op, remoteName, here, wanted, lost, pruned }: Followed,
  call: Call,
): Promise<MovedRef[]> {
  const { store, name: own, actor } = repository;
  const now = new Map<string, Digest>(here.map(({ name, digest }) => [name, digest]));
  const changes: Change[] = [];
  for (const { name, digest } of wanted) {
    const from = now.get(name) ?? "absent";
    if (from !== digest) changes.push({ name, from, to: digest });
  }
  changes.push(...lost);
  const refs: MovedRef[] = [];
  for (const change of changes) refs.push(await describe(repository, change, call));
  for (const digest of pruned) {
    const name = parseRefName(PRUNED_PREFIX + digest);
    if (!now.has(name)) changes.push({ name, from: "absent", to: digest });
  }
  if (changes.length > 0) {
    const reason = { op, reason: `${op}: ${remoteName}`, actor: formatIdentity(actor) };
    await store.refs.update(own, changes, reason, { caseConflicts: "allow" });
  }
  return refs;
}

/** They are what they are wherever they are. */
const FIXED = /^refs\/(?:tags|archive)\//;

type Change = RefChange & { readonly from: Digest | "absent" };

export interface Wanted {
  /** Its name here. */
  readonly name: RefName;
  readonly digest: Digest;
}

export interface Choice {
  /** Of the place here: branches are kept below `refs/remotes/<remoteName>/`. */
  readonly remoteName: string;
  /** By the names they have there; all when empty or absent. */
  readonly refs?: readonly string[];
  /** Where names of refs are listed. */
  readonly hint?: string;
}

/** What a ref there is called here; undefined for one that is not taken over. */
function nameHere(name: string, remoteName: string): string | undefined {
  if (FIXED.test(name)) return name;
  if (name.startsWith("refs/heads/")) return `refs/remotes/${remoteName}/${name.slice("refs/heads/".length)}`;
  // Roles are moved here by hand: what they are there is only looked at.
  if (name.startsWith(REGISTRY_PREFIX))
    return `refs/remotes/${remoteName}/registry/${name.slice(REGISTRY_PREFIX.length)}`;
  return undefined;
}

/**
 * Branches and roles below `refs/remotes/`, tags and archived versions as they are. A tag that is here and names
 * something else stays what it is. Throws REVISION_NOT_FOUND for one of `refs` that is not there.
 */
export async function chooseRefs(
  { store, name: own }: OwnedRepository,
  { remoteName, refs, hint }: Choice,
  there: readonly RemoteRef[],
): Promise<{ wanted: Wanted[]; skipped: { name: string; why: string }[] }> {
  const wanted: Wanted[] = [];
  const skipped: { name: string; why: string }[] = [];
  const unseen = new Set(refs);
  const taken = new Set<RefName>();
  for (const { name, digest } of there) {
    const short = name.replace(/^refs\/(?:heads|tags|registry)\//, "");
    if (refs !== undefined && refs.length > 0 && !refs.includes(name) && !refs.includes(short)) continue;
    unseen.delete(name);
    unseen.delete(short);
    const here = nameHere(name, remoteName);
    if (here === undefined) continue;
    try {
      const local = parseRefName(here);
      const known = FIXED.test(local) ? await store.refs.read(own, local) : undefined;
      if (taken.has(local)) skipped.push({ name, why: `a branch there is called '${local}' here` });
      else if (known === undefined || known === digest) {
        wanted.push({ name: local, digest });
        taken.add(local);
      } else skipped.push({ name, why: "what is here by this name is something else" });
    } catch (error) {
      if (!isSmcError(error, "REF_NAME_INVALID")) throw error;
      skipped.push({ name, why: error.message });
    }
  }
  const [absent] = unseen;
  if (absent !== undefined)
    throw new SmcError("REVISION_NOT_FOUND", `there is no branch or tag '${show(absent, 80)}' there`, {
      hint: hint ?? `list what is there with "smc ls-remote ${show(remoteName, 40)}"`,
    });
  return { wanted, skipped };
}

/** Tracking branches whose branch is gone there. */
export function gone(remoteName: string, here: readonly Ref[], wanted: readonly Wanted[]): Change[] {
  const kept = new Set<string>(wanted.map(({ name }) => name));
  return here
    .filter(({ name }) => name.startsWith(`refs/remotes/${remoteName}/`) && !kept.has(name))
    .map(({ name, digest }) => ({ name, from: digest, to: "absent" }));
}

async function describe(
  repository: OwnedRepository,
  { name, from, to }: Change,
  call: Call,
): Promise<MovedRef> {
  const isNew = from === "absent";
  const fastForward = isNew || (to !== "absent" && (await isForward(repository, { from, to }, call)));
  return { name, from: isNew ? null : from, to: to === "absent" ? null : to, fastForward };
}

async function isForward(
  { store }: OwnedRepository,
  { from, to }: { from: Digest; to: Digest },
  call: Call,
): Promise<boolean> {
  const [old, next] = [await commitOfRef(store, from), await commitOfRef(store, to)];
  if (old === undefined || next === undefined) return false;
  return isAncestor(store, { ancestor: old, descendant: next }, call);
}
