/** What a push may not do, in one place for every way in. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { isAncestor } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import type { RefName } from "../objects/names.ts";
import { ARCHIVE_PREFIX } from "../registry/archive-refs.ts";
import { NOTES_PREFIX } from "../refs/ref-find.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";

const BRANCHES = "refs/heads/";
const TAGS = "refs/tags/";

export interface PushRules {
  /** Branches that lose no commits and are not removed; `*` at the end stands for any rest. */
  readonly protectedBranches: readonly string[];
  /** Who asks may do all the same what protects branches and tags forbids. */
  readonly isAdmin: boolean;
  /** The most that the packs of the store may take, with what is in quarantine; 0 is no limit. */
  readonly quotaBytes: number;
  /** What must stay free on the disk. */
  readonly freeBytesMin: number;
}

/** A change of a ref from what is there now. */
export interface PushedRef {
  readonly name: RefName;
  readonly from: Digest | "absent";
  readonly to: Digest | "absent";
}

/**
 * Throws PUSH_FORBIDDEN for the first change that the rules forbid, OBJECT_INVALID for a branch that is to name
 * anything but a commit. What the refs are to name is in the store.
 */
export async function assertPushAllowed(
  { store, rules }: { store: Store; rules: Pick<PushRules, "protectedBranches" | "isAdmin"> },
  changes: readonly PushedRef[],
  call: Call,
): Promise<void> {
  for (const change of changes) {
    const { name, from, to } = change;
    if (from === to) continue;
    if (name.startsWith(BRANCHES)) await assertCommit(store, change);
    if (name.startsWith(PRUNED_PREFIX)) assertOutline(change);
    else if (rules.isAdmin) continue;
    else if (name.startsWith(ARCHIVE_PREFIX)) await assertArchive(store, change);
    else if (name.startsWith(NOTES_PREFIX)) {
      if (await losesCommits({ store, from, to }, call)) throw forbidden(change, "notes are only added to");
    } else if (name.startsWith(TAGS)) assertTag(change);
    else if (!name.startsWith(BRANCHES)) throw forbidden(change, "only admins may change such refs");
    else if (isProtected(name, rules.protectedBranches) && (await losesCommits({ store, from, to }, call)))
      throw forbidden(change, "it is protected: it may lose no commits");
  }
}

/** Anybody may say why a version was archived; nobody takes it back from here. */
async function assertArchive(store: Store, change: PushedRef): Promise<void> {
  if (change.from !== "absent") throw forbidden(change, "archived versions stay what they are");
  if (change.to === "absent" || (await commitOfRef(store, change.to)) === undefined)
    throw forbidden(change, "an archived version is a commit");
}

function assertTag(change: PushedRef): void {
  if (change.from !== "absent") throw forbidden(change, "tags stay what they are");
}

/** Such a ref lets gc take files away: it comes with its commit and says nothing else, whoever pushes. */
function assertOutline(change: PushedRef): void {
  if (change.from !== "absent" || change.name !== PRUNED_PREFIX + change.to)
    throw forbidden(change, "it says which files the server has, and only the server changes that");
}

async function assertCommit(store: Store, { name, to }: PushedRef): Promise<void> {
  if (to === "absent") return;
  const kind = (await store.objects.stat(to))?.kind ?? "nothing that is there";
  if (kind !== "commit")
    throw new SmcError("OBJECT_INVALID", `'${show(name)}' is to name ${to}, a ${kind}; no ref was moved`, {
      hint: "a branch names a commit",
      details: { ref: name, digest: to },
    });
}

function isProtected(name: RefName, patterns: readonly string[]): boolean {
  const short = name.slice(BRANCHES.length);
  return patterns.some((pattern) => {
    const text = pattern.startsWith(BRANCHES) ? pattern.slice(BRANCHES.length) : pattern;
    return text.endsWith("*") ? short.startsWith(text.slice(0, -1)) : short === text;
  });
}

async function losesCommits(
  { store, from, to }: { store: Store } & Pick<PushedRef, "from" | "to">,
  call: Call,
): Promise<boolean> {
  if (from === "absent") return false;
  if (to === "absent") return true;
  const [ancestor, descendant] = [await commitOfRef(store, from), await commitOfRef(store, to)];
  if (ancestor === undefined || descendant === undefined) return true;
  return !(await isAncestor(store, { ancestor, descendant }, call));
}

function forbidden({ name, to }: PushedRef, why: string): SmcError {
  const what = to === "absent" ? "be removed" : "be set";
  return new SmcError("PUSH_FORBIDDEN", `'${show(name)}' may not ${what}: ${why}; no ref was moved`, {
    details: { ref: name },
  });
}
