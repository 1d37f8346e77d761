/** Text that names an object, resolved: refs, digests, reflogs, parents, paths. */
import { type Call, createPacer } from "../call.ts";
import { type Digest, isDigest, parseCid } from "../objects/digest.ts";
import { type ErrorCode, isSmcError, SmcError } from "../errors.ts";
import { mergeBases, readCommit, readNode, readTag } from "./graph.ts";
import type { RefName } from "../objects/names.ts";
import type { EntryMode } from "../objects/objects.ts";
import {
  findRef,
  notFound,
  readReflogAt,
  refOfLog,
  SHORT_DIGEST_MIN,
  shortRefName,
  suggestRefs,
  unknownName,
} from "../refs/ref-find.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import {
  parseRange,
  parseRevision,
  type PeelKind,
  type RevisionStep,
  type RevisionText,
} from "./revision-text.ts";
import { findByMessage, findPrevious } from "./revision-past.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { findPath, rootPath } from "../trees/tree-find.ts";
import { type Head, readHead } from "../worktree/head.ts";
import { readStage } from "../worktree/stage.ts";

const SHORT_DIGEST_MAX = 40;
const CANDIDATES_SHOWN = 10;
/** Tags that point to tags, at most this many deep. */
const TAG_DEPTH_MAX = 100;

export type RevisionKind = "commit" | "tree" | "blob" | "tag";

export interface Resolved {
  readonly digest: Digest;
  readonly kind: RevisionKind;
  /** The ref that the text names and nothing else; for HEAD its branch. */
  readonly ref?: RefName;
  /** The path behind `:`, from the root of the tree. */
  readonly path?: string;
  readonly mode?: EntryMode;
}

const NO_REVISION: readonly ErrorCode[] = [
  "REVISION_NOT_FOUND",
  "REVISION_INVALID",
  "DIGEST_INVALID",
  "DATE_INVALID",
  "PATH_NOT_FOUND",
  "PATH_INVALID",
  "WORKTREE_NOT_FOUND",
];

/** True when a text names no revision here, so that it may be something else. */
export function isNoRevision(error: unknown): boolean {
  return NO_REVISION.some((code) => isSmcError(error, code));
}

function digestFault(name: string): string | undefined {
  if (/^sha\d+-[0-9a-f]{40,128}$/i.test(name)) return "expected sha256: followed by 64 lower-case hex digits";
  const others = name.replace(/[0-9a-f]/gi, "").length;
  if (name.length <= SHORT_DIGEST_MAX || others > 2) return undefined;
  return "expected 64 lower-case hex digits";
}

function invalidDigest(text: string, why: string): SmcError {
  return new SmcError("DIGEST_INVALID", `'${show(text, 100)}' is not a digest: ${why}`);
}

async function statKind(store: Store, digest: Digest): Promise<RevisionKind | undefined> {
  const kind = (await store.objects.stat(digest))?.kind;
  return kind === "chunk" || kind === "chunklist" ? undefined : kind;
}

async function expandDigest(repository: Repository, name: string): Promise<Digest> {
  const found = await repository.store.objects.findPrefix(name, CANDIDATES_SHOWN + 1);
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first.digest;
  if (first === undefined) {
    throw notFound(name, `no branch, tag or object is called '${name}'`, {
      candidates: await suggestRefs(repository, name),
    });
  }
  const shown = found.slice(0, CANDIDATES_SHOWN).map((row) => `${row.digest} (${row.kind})`);
  const many = found.length > CANDIDATES_SHOWN ? `more than ${CANDIDATES_SHOWN}` : String(found.length);
  throw new SmcError("REVISION_AMBIGUOUS", `${many} objects start with '${name}': ${shown.join(", ")}`, {
    details: { revision: name, candidates: found.slice(0, CANDIDATES_SHOWN).map((row) => row.digest) },
  });
}

async function resolveName(repository: Repository, name: string): Promise<{ digest: Digest; ref?: RefName }> {
  const exact = name.startsWith("sha256:") ? name.slice("sha256:".length) : name;
  if (isDigest(exact)) return { digest: exact };
  if (name === "HEAD") return resolveHead(repository);
  const ref = await findRef(repository, name);
  if (ref !== undefined) return ref;
  const fault = digestFault(name);
  if (fault !== undefined) throw invalidDigest(name, fault);
  const fromCid = parseCid(name);
  if (fromCid !== undefined) return { digest: fromCid };
  if (/^[0-9a-f]+$/.test(name) && name.length >= SHORT_DIGEST_MIN) {
    return { digest: await expandDigest(repository, name) };
  }
  throw await unknownName(repository, name);
}

async function resolveHead(repository: Repository): Promise<{ digest: Digest; ref?: RefName }> {
  const head = await readHead(repository);
  if (head.digest === undefined) throw noCommitYet(head);
  return head.ref === undefined ? { digest: head.digest } : { digest: head.digest, ref: head.ref };
}

function noCommitYet(head: Head): SmcError {
  const branch = head.ref === undefined ? "HEAD" : `branch '${shortRefName(head.ref)}'`;
  return notFound("HEAD", `${branch} has no commit yet`, {
    hint: 'make one with "smc add" and "smc commit"',
  });
}

/** Follows tags to what they name. `wanted` also goes from a commit to its tree. Throws REVISION_INVALID. */
async function peel(
  store: Store,
  start: { digest: Digest; kind: RevisionKind },
  wanted: PeelKind | "any",
): Promise<{ digest: Digest; kind: RevisionKind }> {
  let { digest, kind } = start;
  if (wanted === "object" || wanted === kind) return start;
  for (let depth = 0; kind === "tag"; depth += 1) {
    if (depth >= TAG_DEPTH_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `more than ${TAG_DEPTH_MAX} tags of tags`);
    const tag = await readTag(store, digest);
    ({ target: digest, targetKind: kind } = tag);
    if (wanted === kind) return { digest, kind };
  }
  if (wanted === "any" || wanted === kind) return { digest, kind };
  if (wanted === "tree" && kind === "commit")
    return { digest: (await readCommit(store, digest)).tree, kind: "tree" };
  throw new SmcError("REVISION_INVALID", `${digest.slice(0, 12)} is a ${kind}, not a ${wanted}`);
}

async function applyStep(
  repository: Repository,
  start: { digest: Digest; kind: RevisionKind },
  step: RevisionStep,
  call: Call,
): Promise<{ digest: Digest; kind: RevisionKind }> {
  const { store } = repository;
  if (step.type === "peel") return peel(store, start, step.kind);
  let { digest } = await peel(store, start, "commit");
  if (step.type === "parent") {
    const node = await readNode(store, digest);
    const parent = step.nth === 0 ? digest : node.parents[step.nth - 1];
    if (parent === undefined) {
      const count = node.parents.length;
      throw notFound(
        digest,
        `commit ${digest.slice(0, 12)} has ${count} ${count === 1 ? "parent" : "parents"}, not ${step.nth}`,
      );
    }
    return { digest: parent, kind: "commit" };
  }
  const pace = createPacer(call);
  for (let done = 0; done < step.count; done += 1) {
    const parent = (await readNode(store, digest)).parents[0];
    if (parent === undefined) {
      throw notFound(
        digest,
        `the history ends after ${done} of ${step.count} parents, at ${digest.slice(0, 12)}`,
      );
    }
    digest = parent;
    await pace();
  }
  return { digest, kind: "commit" };
}

async function resolveBase(
  repository: Repository,
  revision: RevisionText,
): Promise<{ digest: Digest; kind: RevisionKind; ref?: RefName }> {
  const { store } = repository;
  const { at, name } = revision;
  let found: { digest: Digest; ref?: RefName };
  if (at === undefined) found = await resolveName(repository, name);
  else if ("previous" in at) found = await findPrevious(repository, at.previous);
  else found = { digest: await readReflogAt(repository, await refOfLog(repository, name), at) };
  store.pins.add([found.digest]);
  const kind = await statKind(store, found.digest);
  if (kind !== undefined) return { ...found, kind };
  if (found.ref === undefined && revision.at === undefined) {
    throw notFound(revision.name, `the store has no object ${found.digest}`);
  }
  throw new SmcError(
    "OBJECT_MISSING",
    `'${show(revision.name)}' names ${found.digest}, which is not in the store`,
  );
}

async function resolveStaged(repository: Repository, text: string): Promise<Resolved> {
  const path = rootPath(repository, text);
  const entry = (await readStage(requireWorktree(repository).root))?.entries.get(path);
  if (entry === undefined) throw new SmcError("PATH_NOT_FOUND", `'${show(path)}' is not in the stage`);
  repository.store.pins.add([entry.digest]);
  return { digest: entry.digest, kind: "blob", path, mode: entry.mode };
}

/**
 * The object that one revision names. Throws REVISION_INVALID, REVISION_NOT_FOUND, REVISION_AMBIGUOUS,
 * DIGEST_INVALID, DATE_INVALID, PATH_NOT_FOUND, OBJECT_MISSING.
 */
export async function resolveRevision(repository: Repository, text: string, call: Call): Promise<Resolved> {
  const revision = parseRevision(text);
  if ("stagePath" in revision) return resolveStaged(repository, revision.stagePath);
  if ("messagePart" in revision)
    return { digest: await findByMessage(repository, revision.messagePart, call), kind: "commit" };
  if (parseRange(text) !== undefined) {
    throw new SmcError("REVISION_INVALID", `'${show(text, 80)}' is a range; one revision is needed here`);
  }
  const base = await resolveBase(repository, revision);
  let found: { digest: Digest; kind: RevisionKind } = base;
  for (const step of revision.steps) found = await applyStep(repository, found, step, call);
  if (revision.path === undefined) {
    return revision.steps.length === 0 ? base : { digest: found.digest, kind: found.kind };
  }
  const tree = await peel(repository.store, found, "tree");
  const path = rootPath(repository, revision.path);
  if (path === "") return { ...tree, path, mode: "040000" };
  const entry = await findPath(repository.store.objects, tree.digest, path);
  if (entry === undefined) {
    const where = text.slice(0, text.length - revision.path.length - 1);
    throw new SmcError("PATH_NOT_FOUND", `'${show(path)}' is not in '${show(where, 80)}'`, {
      hint: `list what is there with "smc ls-tree -r ${show(where, 80)}"`,
      details: { path, revision: where },
    });
  }
  return { digest: entry.digest, kind: entry.mode === "040000" ? "tree" : "blob", path, mode: entry.mode };
}

/** The commit that a revision names, through tags. Throws as resolveRevision; REVISION_INVALID for other kinds. */
export async function resolveCommit(repository: Repository, text: string, call: Call): Promise<Digest> {
  return (await resolveKind(repository, { text, kind: "commit" }, call)).digest;
}

/** The tree of a commit or tag, a tree itself, or a folder `REV:path`. Throws as resolveRevision. */
export async function resolveTree(repository: Repository, text: string, call: Call): Promise<Digest> {
  return (await resolveKind(repository, { text, kind: "tree" }, call)).digest;
}

async function resolveKind(
  repository: Repository,
  wanted: { text: string; kind: "commit" | "tree" },
  call: Call,
): Promise<{ digest: Digest; kind: RevisionKind }> {
  const found = await resolveRevision(repository, wanted.text, call);
  const peeled = await peel(repository.store, found, "any");
  if (peeled.kind === wanted.kind || (wanted.kind === "tree" && peeled.kind === "commit")) {
    return peel(repository.store, peeled, wanted.kind);
  }
  throw new SmcError(
    "REVISION_INVALID",
    `'${show(wanted.text, 80)}' is a ${found.kind}, not a ${wanted.kind}`,
  );
}

/** Commits to walk from, and commits whose ancestors are left out. */
export interface CommitSet {
  readonly from: Digest[];
  readonly exclude: Digest[];
}

/** Reads any number of `REV`, `^REV`, `A..B`, `A...B`; HEAD when there is none. Throws as resolveCommit. */
export async function resolveCommitSet(
  repository: Repository,
  texts: readonly string[],
  call: Call,
): Promise<CommitSet> {
  const set: CommitSet = { from: [], exclude: [] };
  for (const text of texts) {
    const range = parseRange(text);
    if (range !== undefined) {
      const from = await resolveCommit(repository, range.from, call);
      const to = await resolveCommit(repository, range.to, call);
      set.from.push(to);
      if (range.symmetric) set.from.push(from);
      set.exclude.push(...(range.symmetric ? await mergeBases(repository.store, from, to, call) : [from]));
    } else if (text.startsWith("^")) set.exclude.push(await resolveCommit(repository, text.slice(1), call));
    else set.from.push(await resolveCommit(repository, text, call));
  }
  if (set.from.length === 0) set.from.push(await resolveCommit(repository, "HEAD", call));
  return set;
}
