/**
 * Versions whose files may go while their commits and trees stay: the history is whole, `log` tells everything, and
 * only the weights of old versions are given up. Each is named by `refs/pruned/<commit>`, so the journal says who gave
 * it up, when and why.
 */
import { type Call, createPacer } from "../call.ts";
import { isSmcError } from "../errors.ts";
import { readCommit, walk } from "./graph.ts";
import { commitOfRef } from "./log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { parseRefName } from "../objects/names.ts";
import type { OwnedStore } from "../open-store.ts";
import { PRUNED_PREFIX, type RefChange } from "../refs/refs.ts";
import { flattenTree } from "../trees/tree-read.ts";

/** For the journal, where nobody said who asked. */
export const NOBODY = "smc <smc@localhost>";
/** Refs that one record of the journal changes. */
const CHANGES_MAX = 10_000;

export interface PruneOptions {
  /** Versions of each branch, from its tip along first parents, whose files stay. */
  readonly keepLast: number;
  /** Tagged versions stay whole as well. */
  readonly keepTags: boolean;
  /** What refs named by a change after this number stays whole. */
  readonly sinceSeq: number;
}

/** A version that is, or is to be, without its files, and the repository that it belongs to. */
export interface Pruned {
  readonly repository: string;
  readonly digest: Digest;
}

export async function readPruned(store: OwnedStore): Promise<Pruned[]> {
  const pruned: Pruned[] = [];
  for (const { name: repository } of await store.refs.listRepositories()) {
    for (const { digest } of await store.refs.list(repository, PRUNED_PREFIX))
      pruned.push({ repository, digest });
  }
  return pruned;
}

/**
 * Versions that no rule keeps whole: not one of the last of a branch, not archived, not in the registry or under any
 * ref but a branch (or a tag, when those do not count), and not named by a change after `sinceSeq`.
 */
export async function choosePruned(store: OwnedStore, options: PruneOptions, call: Call): Promise<Pruned[]> {
  const pace = createPacer(call);
  const whole = new Set<Digest>();
  for await (const { name, digest } of store.refs.named(options.sinceSeq)) {
    const isLeftOut = name.startsWith(PRUNED_PREFIX) || (name.startsWith("refs/tags/") && !options.keepTags);
    const commit = isLeftOut ? undefined : await commitOfRef(store, digest);
    if (commit !== undefined) whole.add(commit);
    await pace();
  }
  const chosen = new Map<Digest, Pruned>();
  const known = new Set((await readPruned(store)).map(({ digest }) => digest));
  for (const { name: repository } of await store.refs.listRepositories()) {
    const tips: Digest[] = [];
    for (const { name, digest } of await store.refs.list(repository)) {
      const commit = name.startsWith(PRUNED_PREFIX) ? undefined : await commitOfRef(store, digest);
      if (commit === undefined) continue;
      tips.push(commit);
      if (name.startsWith("refs/heads/"))
        await addLast(store, whole, { tip: commit, count: options.keepLast }, call);
    }
    for await (const { digest } of walk(store, { from: tips }, call)) {
      if (!known.has(digest)) chosen.set(digest, { repository, digest });
      await pace();
    }
  }
  return [...chosen.values()].filter(({ digest }) => !whole.has(digest));
}

async function addLast(
  store: OwnedStore,
  whole: Set<Digest>,
  { tip, count }: { tip: Digest; count: number },
  call: Call,
): Promise<void> {
  let left = count;
  for await (const { digest } of walk(store, { from: [tip], firstParent: true }, call)) {
    if (left === 0) return;
    whole.add(digest);
    left -= 1;
  }
}

/** Writes it down, durably. */
export async function markPruned(
  store: OwnedStore,
  pruned: readonly Pruned[],
  about: { reason: string; actor: string },
): Promise<void> {
  await change(store, pruned, { ...about, to: (digest) => digest });
}

/** Forgets that these are without their files. */
export async function unmarkPruned(
  store: OwnedStore,
  pruned: readonly Pruned[],
  about: { reason: string; actor: string },
): Promise<void> {
  await change(store, pruned, { ...about, to: () => "absent" });
}

async function change(
  store: OwnedStore,
  pruned: readonly Pruned[],
  about: { reason: string; actor: string; to: (digest: Digest) => Digest | "absent" },
): Promise<void> {
  const { reason, actor, to } = about;
  for (const repository of new Set(pruned.map((each) => each.repository))) {
    const own = pruned.filter((each) => each.repository === repository);
    for (let from = 0; from < own.length; from += CHANGES_MAX) {
      const changes = own.slice(from, from + CHANGES_MAX).map(({ digest }): RefChange => ({
        name: parseRefName(PRUNED_PREFIX + digest),
        from: "any",
        to: to(digest),
      }));
      await store.refs.update(repository, changes, { op: "gc", reason, actor });
    }
  }
}

/** Those that have all their files again. */
export async function wholeAgain(
  store: OwnedStore,
  pruned: readonly Pruned[],
  call: Call,
): Promise<Pruned[]> {
  const whole: Pruned[] = [];
  for (const each of pruned) if (await hasFiles(store, each.digest, call)) whole.push(each);
  return whole;
}

async function hasFiles(store: OwnedStore, commit: Digest, call: Call): Promise<boolean> {
  try {
    const { tree } = await readCommit(store, commit);
    for (const { digest } of (await flattenTree(store.objects, tree, call)).values())
      await store.objects.blob(digest);
    return true;
  } catch (error) {
    if (isSmcError(error) && (error.exit === 3 || error.exit === 4)) return false;
    throw error;
  }
}
