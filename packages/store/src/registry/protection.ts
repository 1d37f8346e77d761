/**
 * What no change of refs may lose, on whichever way it comes: the registry, archived versions, and what people protect.
 * `refs.update` asks it for every change, in turn with all others.
 */
import type { Call } from "../call.ts";
import { isDamage, SmcError } from "../errors.ts";
import { isAncestor } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { type RefName, parseRefName } from "../objects/names.ts";
import { matchesPattern } from "../pattern.ts";
import { shortRefName } from "../refs/ref-find.ts";
import { PROTECTED_PREFIX, type RefGuard } from "../refs/refs.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { ARCHIVE_PREFIX } from "./archive-refs.ts";
import { REGISTRY_PREFIX } from "./roles.ts";

const BRANCHES = "refs/heads/";
const TAGS = "refs/tags/";
/** Names a blob with the patterns, one on a line: it is kept, journaled and rebuilt as every ref is. */
export const PROTECTED_REF: RefName = parseRefName(`${PROTECTED_PREFIX}patterns`);
export const PATTERNS_BYTES_MAX: number = 256 * 1024;
const WITHOUT_CALLER: Call = { signal: new AbortController().signal, onProgress: () => undefined };

type Guarded = Parameters<RefGuard>[0];
type Change = Guarded["changes"][number];

/** Patterns that people protect in a repository, in their order. Throws OBJECT_MISSING, OBJECT_CORRUPT. */
export async function readPatterns(store: Store, repository: string): Promise<string[]> {
  const digest = await store.refs.read(repository, PROTECTED_REF);
  if (digest === undefined) return [];
  const parts: Uint8Array[] = [];
  const range = { from: 0, to: PATTERNS_BYTES_MAX };
  for await (const part of store.objects.readBlob(digest, WITHOUT_CALLER, range)) parts.push(part);
  return Buffer.concat(parts)
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "");
}

/** `main`, `v1.*`, `refs/heads/release/*`: short and full names count. */
export function isMatched(name: string, patterns: readonly string[]): boolean {
  return patterns.some(
    (pattern) => matchesPattern(pattern, name) || matchesPattern(pattern, shortRefName(name)),
  );
}

/** The function that decides for every way. Throws REF_PROTECTED. */
export function guardOf(store: Store): RefGuard {
  return async (guarded) => {
    const { changes, options } = guarded;
    const owned = (name: string): boolean => options.owns?.some((prefix) => name.startsWith(prefix)) === true;
    for (const change of changes) if (!owned(change.name)) assertNotOwned(change);
    if (!(await keepsAnything(store, guarded.repository))) return;
    const lossy: Change[] = [];
    for (const change of changes) if (await isLossy(store, change)) lossy.push(change);
    if (lossy.length === 0) return;
    const patterns = await readPatterns(store, guarded.repository);
    for (const change of lossy)
      if (isMatched(change.name, patterns)) throw refused(change, "it is protected", "smc ref unprotect");
    const kept = await keptCommits(store, guarded.repository);
    if (kept.size === 0) return;
    for (const change of lossy) await assertNameNotLost(store, guarded, { change, kept });
  };
}

/**
 * Of changes that a push is to make elsewhere: what people protect here is not lost there by our hand, also where
 * nobody is who could refuse. Throws REF_PROTECTED.
 */
export async function assertKeptThere(
  { store, name: repository }: { readonly store: Store; readonly name: string },
  changes: readonly (Change & { readonly fastForward: boolean })[],
): Promise<void> {
  const lossy = changes.filter(({ name, from, fastForward }) => {
    const isForward = fastForward && name.startsWith(BRANCHES);
    return isNamed(name) && from !== "absent" && !isForward;
  });
  if (lossy.length === 0) return;
  const patterns = await readPatterns(store, repository);
  for (const change of lossy)
    if (isMatched(change.name, patterns)) throw refused(change, "it is protected here", "smc ref unprotect");
}

async function keepsAnything(store: Store, repository: string): Promise<boolean> {
  for (const prefix of [REGISTRY_PREFIX, ARCHIVE_PREFIX, PROTECTED_PREFIX])
    if ((await store.refs.list(repository, prefix)).length > 0) return true;
  return false;
}

/** A branch or tag that goes, a tag that moves, a branch that moves away from commits that it had. */
async function isLossy(store: Store, { name, from, to }: Change): Promise<boolean> {
  if (!isNamed(name) || from === "absent" || from === to) return false;
  if (!name.startsWith(BRANCHES) || to === "absent") return true;
  try {
    return !(await isAncestor(store, { ancestor: from, descendant: to }, WITHOUT_CALLER));
  } catch (error) {
    // What cannot be read may have been lost.
    if (isDamage(error)) return true;
    throw error;
  }
}

async function assertNameNotLost(
  store: Store,
  guarded: Guarded,
  { change, kept }: { change: Change; kept: ReadonlyMap<Digest, RefName> },
): Promise<void> {
  const commit = change.from === "absent" ? undefined : await commitOfRef(store, change.from);
  const keeper = commit === undefined ? undefined : kept.get(commit);
  if (commit === undefined || keeper === undefined) return;
  if (await isNamedElsewhere(store, guarded, { change, commit })) return;
  throw refused(change, `it is the name of a version that is kept (${shortRefName(keeper)})`);
}

/** Refs that people make and move by name. */
function isNamed(name: string): boolean {
  return name.startsWith(BRANCHES) || name.startsWith(TAGS);
}

/** The registry's own refs change by its own verbs; they may be made by anyone who may make refs. */
function assertNotOwned(change: Change): void {
  const { name, from, to } = change;
  if (from === to) return;
  if (name.startsWith(PROTECTED_PREFIX)) throw refused(change, "it is the list of what is protected");
  if (from === "absent") return;
  if (name.startsWith(ARCHIVE_PREFIX)) throw refused(change, "archived versions are never lost");
  if (name.startsWith(REGISTRY_PREFIX))
    throw refused(change, "only promote, challenger and rollback change it");
}

/** Commit → the ref of the registry or the archive that keeps it. */
async function keptCommits(store: Store, repository: string): Promise<Map<Digest, RefName>> {
  const kept = new Map<Digest, RefName>();
  for (const prefix of [ARCHIVE_PREFIX, REGISTRY_PREFIX]) {
    for (const { name, digest } of await store.refs.list(repository, prefix)) {
      const commit = await commitOfRef(store, digest);
      if (commit !== undefined) kept.set(commit, name);
    }
  }
  return kept;
}

/** After the change: a version without a tag may be known by its branch alone. A tag is a name of its own. */
async function isNamedElsewhere(
  store: Store,
  { repository, changes }: Guarded,
  { change, commit }: { change: Change; commit: Digest },
): Promise<boolean> {
  if (change.name.startsWith(TAGS)) return false;
  const after = new Map<string, Digest>();
  for (const prefix of [BRANCHES, TAGS])
    for (const { name, digest } of await store.refs.list(repository, prefix)) after.set(name, digest);
  for (const { name, to } of changes) {
    if (to === "absent") after.delete(name);
    else if (isNamed(name)) after.set(name, to);
  }
  for (const digest of after.values()) if ((await commitOfRef(store, digest)) === commit) return true;
  return false;
}

function refused({ name, to }: Change, why: string, verb?: string): SmcError {
  const short = show(shortRefName(name), 200);
  const what = to === "absent" ? "deleted" : "moved";
  const hint =
    verb === undefined
      ? "what is live or archived keeps its name; where a branch is its only one, tag it first"
      : `take the protection away with "${verb} ${short}"`;
  return new SmcError("REF_PROTECTED", `'${short}' was not ${what}: ${why}; no ref was changed`, {
    hint,
    details: { ref: name },
  });
}
