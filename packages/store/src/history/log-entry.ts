/** A commit as `log`, `show` and `branch` tell it: plain JSON. */
import type { Call } from "../call.ts";
import { createPacer } from "../call.ts";
import { formatMoment } from "./dates.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError } from "../errors.ts";
import { readTag } from "./graph.ts";
import type { Commit, CommitMeta, Identity, MetaMap } from "../objects/objects.ts";
import { isOwnRef, NOTES_PREFIX, shortRefName } from "../refs/ref-find.ts";
import { PRUNED_PREFIX, type Ref } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import type { Store } from "../store.ts";
import { readHead } from "../worktree/head.ts";

const TAG_DEPTH_MAX = 100;

export interface LogEntry {
  readonly digest: Digest;
  readonly tree: Digest;
  readonly parents: readonly Digest[];
  /** `Name <address>`. */
  readonly author: string;
  /** ISO 8601 with the author's offset. */
  readonly date: string;
  readonly committer: string;
  readonly committed: string;
  readonly subject: string;
  readonly message: string;
  /** Full names of the refs that point here; "HEAD" first. */
  readonly refs: readonly string[];
  /** The same for people: `HEAD -> main`, `tag: v1.0.0`, `champion`. */
  readonly decorations: readonly string[];
  readonly metrics: NonNullable<CommitMeta["metrics"]>;
  readonly params: NonNullable<CommitMeta["params"]>;
  /** Every other key of the commit's metadata. */
  readonly meta: MetaMap;
}

/** `Name <address>`. */
export function formatIdentity(identity: Identity): string {
  return `${identity.name} <${identity.email}>`;
}

/** The first line of a message that is not empty. */
export function subjectOf(message: string): string {
  return /^\s*(.*)/.exec(message)?.[1]?.trimEnd() ?? "";
}

/** The refs that point to each commit. */
export type Decorations = ReadonlyMap<
  Digest,
  { readonly refs: readonly string[]; readonly shown: readonly string[] }
>;

export function formatEntry(digest: Digest, commit: Commit, decorations: Decorations): LogEntry {
  const { metrics = {}, params = {}, ...meta } = commit.meta;
  const { refs, shown } = decorations.get(digest) ?? { refs: [], shown: [] };
  return {
    digest,
    tree: commit.tree,
    parents: commit.parents,
    author: formatIdentity(commit.author),
    date: formatMoment(commit.authored),
    committer: formatIdentity(commit.committer),
    committed: formatMoment(commit.committed),
    subject: subjectOf(commit.message),
    message: commit.message,
    refs,
    decorations: shown,
    metrics,
    params,
    meta,
  };
}

/** Refs that people see; notes only when they are asked for. */
export async function listShownRefs(repository: Repository, prefix = "refs/"): Promise<Ref[]> {
  const refs = await repository.store.refs.list(repository.name, prefix);
  const isNote = (name: string): boolean => name.startsWith(NOTES_PREFIX);
  return refs.filter(({ name }) => !isOwnRef(name) && (!isNote(name) || isNote(prefix)));
}

/** Follows tag objects; undefined when the ref does not end at a commit that is there. */
export async function commitOfRef(store: Store, digest: Digest): Promise<Digest | undefined> {
  let at = digest;
  for (let depth = 0; depth < TAG_DEPTH_MAX; depth += 1) {
    const kind = (await store.objects.stat(at))?.kind;
    if (kind === "commit") return at;
    if (kind !== "tag") return undefined;
    at = (await readTag(store, at)).target;
  }
  return undefined;
}

const RANKS = ["HEAD", "refs/registry/", "refs/tags/", "refs/heads/", "refs/remotes/", "refs/archive/"];

function rankOf(name: string): number {
  const rank = RANKS.findIndex((prefix) => name.startsWith(prefix));
  return rank < 0 ? RANKS.length : rank;
}

/** Reads all refs once; a ref that cannot be read decorates nothing. */
export async function readDecorations(repository: Repository, call: Call): Promise<Decorations> {
  const head = await readHead(repository);
  const pace = createPacer(call);
  const names = new Map<Digest, string[]>();
  const note = (digest: Digest, name: string): void => {
    const known = names.get(digest);
    if (known === undefined) names.set(digest, [name]);
    else known.push(name);
  };
  if (head.digest !== undefined) note(head.digest, "HEAD");
  const commits = new Map<Digest, Digest | undefined>();
  for (const { name, digest } of await listShownRefs(repository)) {
    if (!commits.has(digest)) commits.set(digest, await readableCommit(repository.store, digest));
    const commit = commits.get(digest);
    if (commit !== undefined) note(commit, name);
    await pace();
  }
  for (const { digest } of await repository.store.refs.list(repository.name, PRUNED_PREFIX))
    note(digest, PRUNED_PREFIX);
  const decorations = new Map<Digest, { refs: string[]; shown: string[] }>();
  for (const [digest, unsorted] of names) {
    const current = (name: string): number => (name === head.ref ? 0 : rankOf(name) || -1);
    const refs = unsorted.sort((a, b) => current(a) - current(b) || (a < b ? -1 : 1));
    const shown = refs.map(shownName);
    if (refs[0] === "HEAD" && refs[1] === head.ref) shown.splice(0, 2, `HEAD -> ${shown[1] ?? ""}`);
    decorations.set(digest, { refs: refs.filter((name) => name !== PRUNED_PREFIX), shown });
  }
  return decorations;
}

async function readableCommit(store: Store, digest: Digest): Promise<Digest | undefined> {
  try {
    return await commitOfRef(store, digest);
  } catch (error) {
    if (isSmcError(error)) return undefined;
    throw error;
  }
}

function shownName(name: string): string {
  if (name === PRUNED_PREFIX) return "pruned";
  return name.startsWith("refs/tags/") ? `tag: ${shortRefName(name)}` : shortRefName(name);
}
