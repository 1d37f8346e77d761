/** Revisions that are looked for: where HEAD was before (`@{-1}`), and the commit that says something (`:/text`). */
import type { Call } from "../call.ts";
import { type Digest, isDigest } from "../objects/digest.ts";
import { refName } from "../objects/names.ts";
import { type FoundRef, notFound } from "../refs/ref-find.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { show } from "../show.ts";
import { readHead, worktreeRef } from "../worktree/head.ts";
import { readCommit, walk } from "./graph.ts";
import { commitOfRef, listShownRefs } from "./log-entry.ts";

const LOG_ENTRIES_FIRST = 256;
/** Names of branches have no spaces. */
const MOVE = /^(?:checkout|switch): moving from (\S+) to (.*)$/;

/** What `checkout` and `switch` write into the log of HEAD; `previousName` reads it. */
export function moveText(from: string, to: string): string {
  return `moving from ${from} to ${show(to, 200)}`;
}

/**
 * The branch, or the digest of the commit, that this worktree left n switches ago; switches to where it was already do
 * not count. Throws REVISION_NOT_FOUND, WORKTREE_NOT_FOUND.
 */
async function previousName(repository: Repository, nth: number): Promise<string> {
  const ref = worktreeRef(requireWorktree(repository));
  let left: string[] = [];
  for (let limit = LOG_ENTRIES_FIRST; ; limit *= 4) {
    const log = await repository.store.refs.log(repository.name, ref, limit);
    left = log.flatMap(({ reason }) => {
      const [, from = "", to = ""] = MOVE.exec(reason) ?? [];
      return from === to ? [] : [from];
    });
    const name = left[nth - 1];
    if (name !== undefined) return name;
    if (log.length < limit) break;
  }
  const times = left.length === 1 ? "once" : `${left.length} times`;
  const why = left.length === 0 ? "no branch was left" : `branches were left ${times}`;
  throw notFound(`@{-${nth}}`, `'@{-${nth}}': ${why} in this worktree`);
}

/** What `@{-n}` means now. Throws as `previousName`; REVISION_NOT_FOUND for a branch that is gone. */
export async function findPrevious(
  repository: Repository,
  nth: number,
): Promise<FoundRef | { readonly digest: Digest }> {
  const name = await previousName(repository, nth);
  if (isDigest(name)) return { digest: name };
  const ref = refName("refs/heads/", name);
  const digest = await repository.store.refs.read(repository.name, ref);
  if (digest !== undefined) return { ref, digest };
  throw notFound(`@{-${nth}}`, `'@{-${nth}}' is the branch '${show(name)}', which is not there any more`);
}

/**
 * The newest commit reachable from HEAD or any ref whose message has the text, letter for letter. Reads commits from
 * the newest on until one has it. Throws REVISION_NOT_FOUND.
 */
export async function findByMessage(repository: Repository, part: string, call: Call): Promise<Digest> {
  const { store } = repository;
  const from = new Set<Digest>();
  const head = await readHead(repository);
  if (head.digest !== undefined) from.add(head.digest);
  for (const { digest } of await listShownRefs(repository)) {
    const commit = await commitOfRef(store, digest);
    if (commit !== undefined) from.add(commit);
  }
  for await (const { digest } of walk(store, { from: [...from], order: "date" }, call)) {
    if ((await readCommit(store, digest)).message.includes(part)) return digest;
  }
  throw notFound(`:/${part}`, `no commit has '${show(part, 80)}' in its message`);
}
