/** `smc push`: brings refs, and what they need, to a remote. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { formatIdentity } from "../history/log-entry.ts";
import { parseRefName } from "../objects/names.ts";
import { shortRefName } from "../refs/ref-find.ts";
import { PRUNED_PREFIX, type RefChange } from "../refs/refs.ts";
import { assertKeptThere } from "../registry/protection.ts";
import type { OwnedRepository, Repository } from "../repository.ts";
import { beginAttempt, endAttempt } from "../transfer/attempts.ts";
import { collectNeeded } from "../transfer/needed.ts";
import {
  type Lease,
  planChanges,
  type PushChange,
  type PushTarget,
  readTargets,
} from "../transfer/refspecs.ts";
import { assertTakesPushes, type Remote, type RemoteRef } from "../transfer/remote.ts";
import { annotationsToPush } from "../transfer/annotations.ts";
import { blamingOurs, send } from "../transfer/send.ts";
import type { MovedRef } from "./fetch.ts";

export interface PushOptions {
  readonly remote: Remote;
  readonly remoteName: string;
  /**
   * `main`, `v1.0.0`, `refs/…`, `here:there`, `:there` to remove, with `+` in front to move it anyhow; the current
   * branch when empty.
   */
  readonly refs?: readonly string[];
  /** All branches. */
  readonly all?: boolean;
  /** All tags too. */
  readonly tags?: boolean;
  /** Moves branches that are not ancestors, if they are still what this store has seen there last. */
  readonly forceWithLease?: boolean;
  readonly force?: boolean;
  /** Remote branches and tags that are not here are removed there. */
  readonly mirror?: boolean;
  /** Packs sent at a time; 1 to 16, 4 by default. */
  readonly jobs?: number;
  readonly dryRun?: boolean;
}

export interface PushResult {
  readonly remote: string;
  readonly url: string;
  readonly refs: readonly MovedRef[];
  readonly objects: number;
  readonly sentBytes: number;
  /** Records that the remote had already. */
  readonly thereObjects: number;
  /** Of all files that were asked about, each once, and of what the remote had of them. */
  readonly content: { readonly bytes: number; readonly thereBytes: number };
  readonly packs: number;
  /** That it took to send them. */
  readonly sendMs: number;
  /** Records whose bytes the receiver compared. */
  readonly verifiedObjects: number;
  /**
   * Of the objects that the same push had to send when it was begun and broken off, those that it has sent; or null.
   */
  readonly resumed: { readonly objects: number; readonly total: number } | null;
}

const JOBS = 4;
const JOBS_MAX = 16;

/**
 * Throws NOT_FAST_FORWARD, REF_CHANGED, REF_PROTECTED, PUSH_FORBIDDEN, REMOTE_UNREACHABLE, REMOTE_FAILED; no ref was
 * moved there then.
 */
export function push(repository: OwnedRepository, options: PushOptions, call: Call): Promise<PushResult> {
  return pushAs(repository, { ...options, op: "push" }, call);
}

/** As `push`, under the name of another verb in the audit log here. */
export async function pushAs(
  repository: OwnedRepository,
  options: PushOptions & { readonly op: string },
  call: Call,
): Promise<PushResult> {
  const { remote, remoteName, jobs = JOBS } = options;
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > JOBS_MAX)
    throw new SmcError("ARGUMENT_INVALID", `jobs is 1 to ${JOBS_MAX}`);
  assertTakesPushes(remote);
  const there = await remote.refs(call);
  const asked = await readTargets(repository, options, there, call);
  const along = await annotationsToPush(repository, { targets: asked, there }, call);
  const targets = [...asked, ...along.filter(({ name }) => !asked.some((target) => target.name === name))];
  const lease = options.forceWithLease === true ? await readLease(repository, remoteName) : undefined;
  const changes = await planChanges(repository, { targets, there, lease }, call);
  await assertKeptThere(repository, changes);
  const isDry = options.dryRun === true;
  const moved = await bring(repository, { ...options, jobs, changes, there, isDry }, call);
  if (!isDry) await track(repository, { remoteName, targets, op: options.op });
  const refs = changes.map(({ name, from, to, fastForward }) => ({
    name,
    from: from === "absent" ? null : from,
    to: to === "absent" ? null : to,
    fastForward,
  }));
  return { remote: remoteName, url: remote.url, refs, ...moved };
}

type Moved = Omit<PushResult, "remote" | "url" | "refs">;

interface Bringing {
  readonly remote: Remote;
  readonly jobs: number;
  readonly changes: readonly PushChange[];
  readonly there: readonly RemoteRef[];
  readonly isDry: boolean;
}

/** Objects first, refs last. */
async function bring(
  { store, name, actor }: OwnedRepository,
  { remote, jobs, changes, there, isDry }: Bringing,
  call: Call,
): Promise<Moved> {
  // From where the records were looked up until the last one is read.
  using _ = store.objects.readers.enter();
  const want = changes.flatMap(({ to }) => (to === "absent" ? [] : [to]));
  const have = there.map(({ digest }) => digest);
  const pruned = new Set((await store.refs.list(name, PRUNED_PREFIX)).map(({ digest }) => digest));
  const needed =
    want.length === 0
      ? { records: [], there: 0, content: { bytes: 0, thereBytes: 0 }, pruned: [] }
      : await collectNeeded(store, remote, { want, have, pruned }, call);
  const { content } = needed;
  const result = { objects: needed.records.length, thereObjects: needed.there, content };
  if (isDry || changes.length === 0)
    return { ...result, sentBytes: 0, packs: 0, sendMs: 0, verifiedObjects: 0, resumed: null };
  const attempt = { url: remote.url, want };
  const first = await beginAttempt(store, attempt, result.objects);
  const startedMs = performance.now();
  const sent = await send(store, remote, { records: needed.records, jobs }, call);
  const sendMs = Math.round(performance.now() - startedMs);
  const named = new Set(there.map((ref) => ref.name));
  const outlines = needed.pruned
    .map((digest) => ({ name: parseRefName(PRUNED_PREFIX + digest), from: "absent" as const, to: digest }))
    .filter((outline) => !named.has(outline.name));
  const reason = { op: "push", reason: describe(changes), actor: formatIdentity(actor) };
  const moves = [...changes.map(({ name, from, to }) => ({ name, from, to })), ...outlines];
  const packs = new Set(needed.records.map(({ place }) => store.index.packName(place.pack)));
  await blamingOurs(store, packs, () => remote.update(moves, reason, call), call);
  await endAttempt(store, attempt);
  const resumed = first === undefined ? null : { objects: first - result.objects, total: first };
  const verifiedObjects = result.objects;
  return { ...result, sentBytes: sent.bytes, packs: sent.packs, sendMs, verifiedObjects, resumed };
}

function describe(changes: readonly PushChange[]): string {
  const [first] = changes;
  const more = changes.length > 1 ? ` and ${changes.length - 1} more` : "";
  return `push: ${first === undefined ? "" : shortRefName(first.name)}${more}`;
}

async function readLease(repository: Repository, remoteName: string): Promise<Lease> {
  const prefix = `refs/remotes/${remoteName}/`;
  const seen = await repository.store.refs.list(repository.name, prefix);
  return {
    seen: new Map(seen.map(({ name, digest }) => [`refs/heads/${name.slice(prefix.length)}`, digest])),
  };
}

/** What is there now, of the branches that were pushed. */
async function track(
  repository: OwnedRepository,
  { remoteName, targets, op }: { remoteName: string; targets: readonly PushTarget[]; op: string },
): Promise<void> {
  const { store, name: own, actor } = repository;
  const changes: RefChange[] = [];
  for (const { name, to } of targets) {
    if (!name.startsWith("refs/heads/")) continue;
    const tracking = parseRefName(`refs/remotes/${remoteName}/${name.slice("refs/heads/".length)}`);
    const known = (await store.refs.read(own, tracking)) ?? "absent";
    if (known !== to) changes.push({ name: tracking, from: known, to });
  }
  if (changes.length === 0) return;
  const reason = { op, reason: `${op}: ${remoteName}`, actor: formatIdentity(actor) };
  await store.refs.update(own, changes, reason, { caseConflicts: "allow" });
}
