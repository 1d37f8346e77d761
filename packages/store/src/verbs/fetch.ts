/** `smc fetch`: brings a remote's refs, and what they need, into this store. */
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { isAncestor } from "../history/graph.ts";
import { commitOfRef, formatIdentity } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { parseRefName, type RefName } from "../objects/names.ts";
import { PRUNED_PREFIX, type Ref, type RefChange } from "../refs/refs.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";
import { receive } from "../transfer/receive.ts";
import type { Remote, RemoteRef } from "../transfer/remote.ts";

export interface FetchOptions {
  readonly remote: Remote;
  /** Its name here: branches are kept below `refs/remotes/<remoteName>/`. */
  readonly remoteName: string;
  /** Removes tracking branches whose branch is gone there. */
  readonly prune?: boolean;
  /** Branches and tags by the names they have there; all when absent. */
  readonly refs?: readonly string[];
}

/** A ref that is not what it was. */
export interface MovedRef {
  /** Full name here for fetch, there for push. */
  readonly name: string;
  readonly from: Digest | null;
  readonly to: Digest | null;
  /** False when `from` is no ancestor of `to`. */
  readonly fastForward: boolean;
}

export interface FetchResult {
  readonly remote: string;
  readonly url: string;
  readonly refs: readonly MovedRef[];
  /** Names that cannot be refs here, or that differ from a tag of ours; they were left out. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  readonly objects: number;
  readonly receivedBytes: number;
  /** Blobs whose SHA-256 was computed anew from what arrived. */
  readonly verifiedBlobs: number;
}

/** Throws REMOTE_UNREACHABLE, REMOTE_FAILED, REMOTE_INCOMPLETE, OBJECT_CORRUPT; no ref was moved then. */
export async function fetch(
  repository: OwnedRepository,
  options: FetchOptions,
  call: Call,
): Promise<FetchResult> {
  const { remote, remoteName } = options;
  const { store, name: own, actor } = repository;
  const there = await remote.refs(call);
  const { wanted, skipped } = await choose(repository, options, there);
  const pruned = new Set(
    there.filter(({ name }) => name.startsWith(PRUNED_PREFIX)).map(({ digest }) => digest),
  );
  const here = await store.refs.list(own);
  const received = await receive(
    store,
    remote,
    {
      want: [...new Set(wanted.map(({ digest }) => digest))],
      have: here.filter(({ name }) => !name.startsWith(PRUNED_PREFIX)).map(({ digest }) => digest),
      pruned,
    },
    call,
  );
  const now = new Map<string, Digest>(here.map(({ name, digest }) => [name, digest]));
  const changes: Change[] = [];
  for (const { name, digest } of wanted) {
    const from = now.get(name) ?? "absent";
    if (from !== digest) changes.push({ name, from, to: digest });
  }
  const isAll = options.refs === undefined || options.refs.length === 0;
  if (options.prune === true && isAll) changes.push(...gone(remoteName, here, wanted));
  const refs: MovedRef[] = [];
  for (const change of changes) refs.push(await describe(repository, change, call));
  for (const digest of received.pruned) {
    const name = parseRefName(PRUNED_PREFIX + digest);
    if (!now.has(name)) changes.push({ name, from: "absent", to: digest });
  }
  if (changes.length > 0) {
    const reason = { op: "fetch", reason: `fetch: ${remoteName}`, actor: formatIdentity(actor) };
    await store.refs.update(own, changes, reason, { caseConflicts: "allow" });
  }
  return {
    remote: remoteName,
    url: remote.url,
    refs,
    skipped,
    objects: received.objects,
    receivedBytes: received.bytes,
    verifiedBlobs: received.verifiedBlobs,
  };
}

type Change = RefChange & { readonly from: Digest | "absent" };

interface Wanted {
  /** Its name here. */
  readonly name: RefName;
  readonly digest: Digest;
}

/** Branches below `refs/remotes/`, tags as they are. A tag that is here and names something else stays what it is. */
async function choose(
  { store, name: own }: OwnedRepository,
  { remoteName, refs }: FetchOptions,
  there: readonly RemoteRef[],
): Promise<{ wanted: Wanted[]; skipped: FetchResult["skipped"][number][] }> {
  const wanted: Wanted[] = [];
  const skipped: { name: string; why: string }[] = [];
  const unseen = new Set(refs);
  for (const { name, digest } of there) {
    const short = name.replace(/^refs\/(?:heads|tags)\//, "");
    if (refs !== undefined && refs.length > 0 && !refs.includes(name) && !refs.includes(short)) continue;
    unseen.delete(name);
    unseen.delete(short);
    const isTag = name.startsWith("refs/tags/");
    if (!isTag && !name.startsWith("refs/heads/")) continue;
    try {
      const local = parseRefName(isTag ? name : `refs/remotes/${remoteName}/${short}`);
      const known = isTag ? await store.refs.read(own, local) : undefined;
      if (known === undefined || known === digest) wanted.push({ name: local, digest });
      else skipped.push({ name, why: "the tag of this name here names something else" });
    } catch (error) {
      if (!isSmcError(error, "REF_NAME_INVALID")) throw error;
      skipped.push({ name, why: error.message });
    }
  }
  const [absent] = unseen;
  if (absent !== undefined)
    throw new SmcError("REVISION_NOT_FOUND", `the remote has no branch or tag '${show(absent, 80)}'`, {
      hint: `list what is there with "smc ls-remote ${show(remoteName, 40)}"`,
    });
  return { wanted, skipped };
}

/** Tracking branches whose branch is gone there. */
function gone(remoteName: string, here: readonly Ref[], wanted: readonly Wanted[]): Change[] {
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
