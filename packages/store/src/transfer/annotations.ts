/**
 * What is said of commits, on its way: notes and the archive go along with what is pushed; fetched notes are joined
 * with ours.
 */
import type { Call } from "../call.ts";
import { createPacer } from "../call.ts";
import { isAncestor, readCommit, walk } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { parseRefName } from "../objects/names.ts";
import { NOTES_PREFIX } from "../refs/ref-find.ts";
import { readNoteTips, storeNote } from "../registry/notes.ts";
import type { Ref } from "../refs/refs.ts";
import { listArchived } from "../registry/archive-refs.ts";
import type { Repository } from "../repository.ts";
import type { Store } from "../store.ts";
import type { Wanted } from "./follow.ts";
import type { PushTarget } from "./refspecs.ts";
import type { RemoteRef } from "./remote.ts";

const NOTES = /^refs\/notes\/[0-9a-f]{64}$/;
/** Of one remote; further ones stay there. */
const TAKEN_MAX = 100_000;

/**
 * Notes and archived versions about commits that the targets bring. Where the remote has notes that are not among ours,
 * its own stay: a fetch joins the two, and the next push brings them. Where it has another archived version by that
 * name, that stays.
 */
export async function annotationsToPush(
  repository: Repository,
  { targets, there }: { targets: readonly PushTarget[]; there: readonly RemoteRef[] },
  call: Call,
): Promise<PushTarget[]> {
  const { store } = repository;
  const now = new Map(there.map(({ name, digest }) => [name, digest]));
  const open = new Map<string, Ref[]>();
  const add = (about: string, ref: Ref): void => void open.set(about, [...(open.get(about) ?? []), ref]);
  for (const [about, digest] of await readNoteTips(repository)) {
    const name = parseRefName(NOTES_PREFIX + about);
    if (now.get(name) !== digest) add(about, { name, digest });
  }
  for (const { ref, digest, commit } of await listArchived(repository, call))
    if (!now.has(ref)) add(commit, { name: ref, digest });
  if (open.size === 0) return [];
  const from: Digest[] = [];
  for (const { to } of targets) {
    const commit = to === "absent" ? undefined : await commitOfRef(store, to);
    if (commit !== undefined) from.push(commit);
  }
  const found: PushTarget[] = [];
  for await (const { digest: commit } of walk(store, { from }, call)) {
    for (const { name, digest: to } of open.get(commit) ?? [])
      if (await leadsTo(store, { from: now.get(name), to }, call)) found.push({ name, to, force: false });
    open.delete(commit);
    if (open.size === 0) break;
  }
  return found;
}

async function leadsTo(
  store: Store,
  { from, to }: { from: Digest | undefined; to: Digest },
  call: Call,
): Promise<boolean> {
  if (from === undefined) return true;
  if ((await store.objects.stat(from))?.kind !== "commit") return false;
  return isAncestor(store, { ancestor: from, descendant: to }, call);
}

/** The refs of notes there, in their order. */
export function notesThere(there: readonly RemoteRef[]): readonly RemoteRef[] {
  return there.filter(({ name }) => NOTES.test(name)).slice(0, TAKEN_MAX);
}

/** What the refs of notes here are to be; what they need has arrived. */
export async function takeNotes(
  repository: Repository,
  notes: readonly RemoteRef[],
  call: Call,
): Promise<Wanted[]> {
  const { store } = repository;
  const pace = createPacer(call);
  const wanted: Wanted[] = [];
  for (const { name, digest: theirs } of notes) {
    await pace();
    if ((await store.objects.stat(theirs))?.kind !== "commit") continue;
    const ref = parseRefName(name);
    const ours = await store.refs.read(repository.name, ref);
    if (ours === theirs) continue;
    const isNewer = await leadsTo(store, { from: ours, to: theirs }, call);
    if (ours === undefined || isNewer) wanted.push({ name: ref, digest: theirs });
    else if (!(await leadsTo(store, { from: theirs, to: ours }, call)))
      wanted.push({ name: ref, digest: await join(store, [ours, theirs], call) });
  }
  return wanted;
}

/** A note with both as its parents. Whoever joins the same two makes the same one. */
async function join(store: Store, tips: readonly [Digest, Digest], call: Call): Promise<Digest> {
  const parents = [...tips].sort();
  const commits = await Promise.all(parents.map((tip) => readCommit(store, tip)));
  const [last] = commits.sort((a, b) => b.committed.ms - a.committed.ms);
  const { author, authored, committer, committed } = last ?? (await readCommit(store, tips[0]));
  const persons = { author, authored, committer, committed };
  return storeNote(store, { parents, ...persons, message: "", meta: { note: { kind: "join" } } }, call);
}
