/** `smc outdated`: which branches, tags and registry names are different on the remotes. Nothing is fetched. */
import { type Call, createPacer } from "../call.ts";
import { type ErrorJson, isSmcError, type SmcError } from "../errors.ts";
import { aheadBehind, isAncestor } from "../history/graph.ts";
import type { Digest } from "../objects/digest.ts";
import type { RefName } from "../objects/names.ts";
import { tryRefName } from "../refs/ref-find.ts";
import { findRemote, readRemotes, type RemoteAccess, type RemoteRecord } from "../remotes.ts";
import type { Repository } from "../repository.ts";
import type { Store } from "../store.ts";
import type { RemoteRef } from "../transfer/remote.ts";
import { COMMITS_COUNTED_MAX } from "../worktree/upstream.ts";

const HEADS = "refs/heads/";
const LOOKED_AT = [HEADS, "refs/tags/", "refs/registry/"];

export interface OutdatedOptions {
  /** Of one remote; of all when left out. */
  readonly remote?: string;
}

export interface OutdatedRow {
  readonly remote: string;
  /** Full name there. */
  readonly name: RefName;
  /** What it is here; of a branch that is only followed, what was fetched last. */
  readonly here: Digest | null;
  readonly there: Digest;
  /**
   * `new`: not here. `behind`: there is more there. `ahead`: there is more here. `diverged`: both. `moved`: a tag or
   * a registry name that is another object there.
   */
  readonly state: "new" | "behind" | "ahead" | "diverged" | "moved";
  /** Commits that only this store has, and only the remote; null when they cannot be counted without a fetch. */
  readonly ahead: number | null;
  readonly behind: number | null;
}

export interface OutdatedResult {
  /** Those that answered. */
  readonly remotes: readonly { readonly name: string; readonly url: string; readonly refs: number }[];
  /** Those that did not; nothing is known of them. */
  readonly failed: readonly { readonly name: string; readonly error: ErrorJson }[];
  readonly refs: readonly OutdatedRow[];
}

/** What the verb works on, and the way to the remotes. */
interface OutdatedPlace extends Pick<RemoteAccess, "open"> {
  readonly repository: Repository;
}

/**
 * One of several remotes that cannot be reached does not keep the others from being asked; a single one throws as
 * opening a remote does. Throws REMOTE_NOT_FOUND, STORE_CORRUPT for a damaged `remotes.json`.
 */
export async function outdated(
  place: OutdatedPlace,
  options: OutdatedOptions,
  call: Call,
): Promise<OutdatedResult> {
  const { repository } = place;
  const all = await readRemotes(repository.store, repository.name);
  const records = options.remote === undefined && all.length > 0 ? all : [findRemote(all, options.remote)];
  const remotes: { name: string; url: string; refs: number }[] = [];
  const failed: { name: string; error: ErrorJson }[] = [];
  const rows: OutdatedRow[] = [];
  for (const record of records) {
    try {
      const asked = await ask(place, record, call);
      remotes.push({ name: record.name, url: asked.url, refs: asked.refs.length });
      for (const row of asked.rows) rows.push(row);
    } catch (error) {
      if (records.length === 1 || !isTrouble(error)) throw error;
      failed.push({ name: record.name, error: error.toJSON() });
    }
  }
  return { remotes, failed, refs: rows };
}

/** Of the network, or of a remote that refuses: not of this store. */
function isTrouble(error: unknown): error is SmcError {
  return isSmcError(error) && (error.exit === 6 || error.exit === 7 || error.code === "REMOTE_NOT_FOUND");
}

interface Asked {
  readonly url: string;
  readonly refs: readonly RemoteRef[];
  readonly rows: readonly OutdatedRow[];
}

async function ask({ repository, open }: OutdatedPlace, record: RemoteRecord, call: Call): Promise<Asked> {
  const pace = createPacer(call);
  await using remote = await open(record, call);
  const refs = await remote.refs(call);
  const rows: OutdatedRow[] = [];
  for (const ref of refs) {
    await pace();
    if (!LOOKED_AT.some((prefix) => ref.name.startsWith(prefix))) continue;
    const row = await compare(repository, { ref, remote: record.name }, call);
    if (row !== undefined) rows.push(row);
  }
  return { url: remote.url, refs, rows };
}

interface There {
  readonly ref: RemoteRef;
  readonly remote: string;
}

/** Undefined when nothing differs, and for a name that cannot be here. */
async function compare(
  repository: Repository,
  { ref, remote }: There,
  call: Call,
): Promise<OutdatedRow | undefined> {
  const { store, name: repositoryName } = repository;
  const { digest: there } = ref;
  const name = tryRefName(ref.name);
  if (name === undefined) return undefined;
  const isBranch = name.startsWith(HEADS);
  const tracking = isBranch ? tryRefName(`refs/remotes/${remote}/${name.slice(HEADS.length)}`) : undefined;
  const seen = tracking === undefined ? undefined : await store.refs.read(repositoryName, tracking);
  const here = (await store.refs.read(repositoryName, name)) ?? seen;
  if (here === there) return undefined;
  const row = { remote, name, here: here ?? null, there, ahead: null, behind: null };
  if (here === undefined) return { ...row, state: "new" };
  if (!isBranch) return { ...row, state: "moved" };
  const isHere = (await store.objects.stat(there))?.kind === "commit";
  if (isHere) return { ...row, ...(await measure(store, { a: here, b: there }, call)) };
  // What is there was never fetched. When all that is here was there once, there can only be more.
  const wasThere =
    seen !== undefined && (await isAncestor(store, { ancestor: here, descendant: seen }, call));
  return { ...row, state: wasThere ? "behind" : "diverged" };
}

async function measure(
  store: Store,
  pair: { a: Digest; b: Digest },
  call: Call,
): Promise<Pick<OutdatedRow, "state" | "ahead" | "behind">> {
  try {
    const { ahead, behind } = await aheadBehind(store, { ...pair, commitsMax: COMMITS_COUNTED_MAX }, call);
    return { state: ahead === 0 ? "behind" : behind === 0 ? "ahead" : "diverged", ahead, behind };
  } catch (error) {
    // A commit from there may be here without its ancestors: an object that a stopped fetch left.
    if (!isSmcError(error, "LIMIT_EXCEEDED") && !isSmcError(error, "OBJECT_MISSING")) throw error;
    return { state: "diverged", ahead: null, behind: null };
  }
}
