/** `smc commit`: the stage → trees, a commit, and the branch moved to it in one durable step. */
import { nowMs } from "../clock.ts";
import type { Call } from "../call.ts";
import { momentAt, parseMoment } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import { resolveCommit } from "../history/revision.ts";
import { findBadNames } from "../layout/model-names.ts";
import { assertMessage, parseIdentity, refName, type RefName } from "../objects/names.ts";
import { type Commit, type CommitMeta, encodeCommit, type MetaMap } from "../objects/objects.ts";
import { refPolicy } from "../refs/ref-policy.ts";
import type { RefChange } from "../refs/refs.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { show } from "../show.ts";
import type { WriteSession } from "../store.ts";
import { readMetricsFiles, readParamsFiles } from "../training-files/values-file.ts";
import { writeTree } from "../trees/tree-write.ts";
import { changedFiles, putEntries, storeFiles } from "../worktree/edit.ts";
import { branchOf, type Head, worktreeRef, writeHead } from "../worktree/head.ts";
import { findParents } from "../worktree/parent-files.ts";
import { scan, TrackedPaths } from "../worktree/scan.ts";
import { type Stage, writeStage } from "../worktree/stage.ts";
import { compareToTree, filesOf, loadStage, readTip, reasonOf, type Tip } from "../worktree/state.ts";
import { exclusively, type Worktree } from "../worktree/worktree.ts";

export interface CommitOptions {
  /** Needed unless `amend`. */
  readonly message?: string;
  /** Stages changes and deletions of tracked files first. */
  readonly all?: boolean;
  /** Replaces the commit HEAD is at; what is not given is taken from it. */
  readonly amend?: boolean;
  readonly allowEmpty?: boolean;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly params?: Readonly<Record<string, string | number | boolean | null>>;
  /** Absolute paths of what a training script wrote: .json, .yaml, .csv. `metrics` wins over them. */
  readonly metricsFiles?: readonly string[];
  /** The same for params. */
  readonly paramsFiles?: readonly string[];
  /** Any further keys but `metrics` and `params`. */
  readonly meta?: MetaMap;
  /** Name of a new tag on the commit. */
  readonly tag?: string;
  /** "Name <address>"; the default is who acts. */
  readonly author?: string;
  /** When it was made, in ISO 8601; the default is now. */
  readonly date?: string;
  /** The commit that the model was made from: its lineage, and what `all` compares files with. */
  readonly base?: string;
  /** Refuses new model files that `name.pattern` does not fit. */
  readonly strictNames?: boolean;
}

export interface CommitResult {
  readonly digest: Digest;
  readonly tree: Digest;
  readonly parents: readonly Digest[];
  /** The branch that moved, or "HEAD" when it is detached. */
  readonly ref: string;
  readonly branch: string | null;
  /** First line of the message. */
  readonly subject: string;
  readonly tag: string | null;
  /** How many files changed against the first parent. */
  readonly files: { readonly added: number; readonly modified: number; readonly deleted: number };
  /** `FILE: NAME` of values in `metricsFiles` that are no finite number. */
  readonly leftOut: readonly string[];
  /** Of what was added: model files below `layout.folder` that `name.pattern` does not fit. */
  readonly badNames: readonly string[];
}

/**
 * Commits the stage; durable when it returns. Throws NOTHING_TO_COMMIT when the tree would be HEAD's,
 * MESSAGE_INVALID, IDENTITY_INVALID, DATE_INVALID, ARGUMENT_INVALID for a metric that is no number, ALREADY_EXISTS
 * for a tag, REF_CHANGED when the branch moved since this worktree was at it, NAME_COLLISION, STAGE_CORRUPT,
 * with `all` also what `add` throws, with files of values what readMetricsFiles throws.
 */
export async function commit(
  repository: Repository,
  given: CommitOptions,
  call: Call,
): Promise<CommitResult> {
  const worktree = requireWorktree(repository);
  const { options, leftOut } = await withFiles(given);
  const checked = { ...checkOptions(options), leftOut };
  return exclusively(worktree, call, () => commitStage(repository, { worktree, options, ...checked }, call));
}

async function withFiles(
  options: CommitOptions,
): Promise<{ options: CommitOptions; leftOut: readonly string[] }> {
  const { metricsFiles = [], paramsFiles = [] } = options;
  if (metricsFiles.length + paramsFiles.length === 0) return { options, leftOut: [] };
  const { metrics, leftOut } = await readMetricsFiles(metricsFiles);
  const params = { ...(await readParamsFiles(paramsFiles)), ...options.params };
  return { options: { ...options, metrics: { ...metrics, ...options.metrics }, params }, leftOut };
}

interface Checked {
  readonly tag: RefName | undefined;
  readonly meta: CommitMeta;
}

/** All that can be wrong without looking at the store. */
function checkOptions(options: CommitOptions): Checked {
  if (options.message !== undefined || options.amend !== true) assertMessage(options.message ?? "");
  if (options.author !== undefined) parseIdentity(options.author);
  if (options.date !== undefined) parseMoment(options.date);
  for (const [name, value] of Object.entries(options.metrics ?? {})) {
    if (typeof value === "number" && Number.isFinite(value)) continue;
    throw new SmcError("ARGUMENT_INVALID", `metric '${show(name, 80)}' is not a finite number`);
  }
  const reserved = ["metrics", "params"].find((name) => Object.hasOwn(options.meta ?? {}, name));
  if (reserved !== undefined) {
    throw new SmcError("ARGUMENT_INVALID", `meta '${reserved}' has options of its own: --metric and --param`);
  }
  const meta: CommitMeta = {
    ...options.meta,
    ...(isEmpty(options.metrics) ? {} : { metrics: { ...options.metrics } }),
    ...(isEmpty(options.params) ? {} : { params: { ...options.params } }),
  };
  const tag = options.tag === undefined ? undefined : refName("refs/tags/", options.tag);
  return { tag, meta };
}

function isEmpty(values: object | undefined): boolean {
  return values === undefined || Object.keys(values).length === 0;
}

interface Input extends Checked {
  readonly leftOut: readonly string[];
  readonly worktree: Worktree;
  readonly options: CommitOptions;
}

async function commitStage(repository: Repository, input: Input, call: Call): Promise<CommitResult> {
  const { worktree, options, tag } = input;
  const tip = await readTip(repository);
  await assertNotMoved(repository, worktree, tip.head);
  if (tag !== undefined) await assertNewTag(repository, tag);
  const stage = await loadStage(repository, worktree, tip, call);
  const old = await readReplaced(repository, tip, options);
  const base = options.base === undefined ? undefined : await resolveCommit(repository, options.base, call);
  await using session = repository.store.write("commit");
  const trees = [tip.tree, await treeOf(repository, base)];
  if (options.all === true) await stageTracked(repository, { worktree, stage, session, trees }, call);
  const tree =
    stage.isExact && tip.tree !== undefined ? tip.tree : await writeTree(session, stage.entries, call);
  const parents = old === undefined ? (tip.head.digest === undefined ? [] : [tip.head.digest]) : old.parents;
  const before = await treeOf(repository, parents[0]);
  const isSame = before === undefined ? stage.entries.size === 0 : tree === before;
  if (isSame && options.allowEmpty !== true && old === undefined) {
    throw new SmcError("NOTHING_TO_COMMIT", "nothing to commit: what is staged is what HEAD has");
  }
  const changes = compareToTree(await filesOf(repository, before, call), stage.entries);
  const paths = changes.filter(({ change }) => change === "added").map(({ path }) => path);
  const isStrict = options.strictNames === true;
  const badNames = await findBadNames({ ...repository, worktree }, { paths, isStrict });
  const made = makeCommit(repository, { ...input, old, tree, parents, base });
  const digest = await session.putObject("commit", encodeCommit(made));
  stage.base = tree;
  stage.isExact = true;
  await session.finish();
  const ref = await publish(repository, { worktree, tip, digest, tag, options, message: made.message });
  await replaceStage(worktree, stage);
  const count = (kind: string): number => changes.filter(({ change }) => change === kind).length;
  return {
    digest,
    tree,
    parents,
    ref,
    branch: branchOf(tip.head),
    subject: made.message.split("\n", 1)[0] ?? "",
    tag: options.tag ?? null,
    files: { added: count("added"), modified: count("modified"), deleted: count("deleted") },
    leftOut: input.leftOut,
    badNames,
  };
}

/** Of errors of the disk. */
const EXIT_IO = 11;

/** The commit is made by now: a stage that cannot be written is made from it again, as after a kill. */
async function replaceStage(worktree: Worktree, stage: Stage): Promise<void> {
  try {
    await writeStage(worktree.root, stage, { durable: false });
  } catch (error) {
    if (!isSmcError(error) || error.exit !== EXIT_IO) throw error;
  }
}

async function treeOf(repository: Repository, commitDigest: Digest | undefined): Promise<Digest | undefined> {
  return commitDigest === undefined ? undefined : (await readCommit(repository.store, commitDigest)).tree;
}

/** Another worktree may have moved the branch: committing this stage on top would undo its change. */
export async function assertNotMoved(repository: Repository, worktree: Worktree, head: Head): Promise<void> {
  const known = await repository.store.refs.read(repository.name, worktreeRef(worktree));
  if (head.kind === "detached" || known === undefined || known === head.digest) return;
  throw new SmcError(
    "REF_CHANGED",
    `branch '${show(branchOf(head) ?? "")}' moved since this worktree was at it`,
    {
      hint: 'see "smc status"; "smc reset" starts from the branch as it is now and keeps your files',
      details: { ref: head.ref, worktreeWasAt: known, branchIsAt: head.digest ?? null },
    },
  );
}

async function assertNewTag(repository: Repository, tag: RefName): Promise<void> {
  if ((await repository.store.refs.read(repository.name, tag)) === undefined) return;
  const name = tag.slice("refs/tags/".length);
  throw new SmcError("ALREADY_EXISTS", `there is a tag '${show(name)}' already; nothing was committed`, {
    hint: `choose another name, or delete it with "smc tag -d ${name}"`,
  });
}

async function readReplaced(
  repository: Repository,
  tip: Tip,
  options: CommitOptions,
): Promise<Commit | undefined> {
  if (options.amend !== true) return undefined;
  if (tip.head.digest === undefined)
    throw new SmcError("REVISION_NOT_FOUND", "there is no commit to amend yet");
  return readCommit(repository.store, tip.head.digest);
}

async function stageTracked(
  repository: Repository,
  input: {
    worktree: Worktree;
    stage: Stage;
    session: WriteSession;
    trees: readonly (Digest | undefined)[];
  },
  call: Call,
): Promise<void> {
  const { worktree, stage, session, trees } = input;
  const tracked = new TrackedPaths(stage.entries);
  const wantsStat = (path: string): boolean => stage.entries.has(path);
  const options = { from: [""], tracked, leaveOut: repository.store.path, wantsStat };
  const { files, faults } = await scan(worktree.root, options, call);
  const fault = faults.find(({ path }) => tracked.hasFile(path));
  if (fault !== undefined) throw fault.error;
  const here = [...files.values()].filter(({ path }) => tracked.hasFile(path));
  const changed = changedFiles(stage, here);
  const parents = await findParents(repository, { files: changed, trees }, call);
  const entries = await storeFiles(worktree, session, { files: changed, parents }, call);
  for (const [path, entry] of stage.entries) {
    if (files.has(path) || entry.isSkipped === true) continue;
    stage.entries.delete(path);
    stage.isExact = false;
  }
  putEntries(stage, entries);
}

function makeCommit(
  repository: Repository,
  input: Input & {
    old: Commit | undefined;
    tree: Digest;
    parents: readonly Digest[];
    base: Digest | undefined;
  },
): Commit {
  const { options, old, tree, parents, base } = input;
  const meta = base === undefined ? input.meta : withBase(input.meta, base);
  const now = momentAt(nowMs());
  const authored = options.date === undefined ? undefined : parseMoment(options.date);
  return {
    tree,
    parents,
    author: options.author === undefined ? (old?.author ?? repository.actor) : parseIdentity(options.author),
    authored: authored ?? old?.authored ?? now,
    committer: repository.actor,
    committed: now,
    message: options.message ?? old?.message ?? "",
    meta: old === undefined ? meta : mergeMeta(old.meta, meta),
  };
}

function withBase(meta: CommitMeta, base: Digest): CommitMeta {
  const { lineage } = meta;
  const known = typeof lineage === "object" && lineage !== null && !Array.isArray(lineage) ? lineage : {};
  return { ...meta, lineage: { ...known, base } };
}

/** An amended commit keeps what is not given anew. */
function mergeMeta(old: CommitMeta, given: CommitMeta): CommitMeta {
  const merged: Record<string, MetaMap[string]> = { ...old, ...given };
  if (old.metrics !== undefined) merged.metrics = { ...old.metrics, ...given.metrics };
  if (old.params !== undefined) merged.params = { ...old.params, ...given.params };
  return merged;
}

/** Branch, worktree and tag in one journal record: the commit point. */
async function publish(
  repository: Repository,
  input: {
    worktree: Worktree;
    tip: Tip;
    digest: Digest;
    tag: RefName | undefined;
    options: CommitOptions;
    message: string;
  },
): Promise<string> {
  const { worktree, tip, digest, tag, options, message } = input;
  const { head } = tip;
  const changes: RefChange[] = [{ name: worktreeRef(worktree), from: "any", to: digest }];
  if (head.kind === "branch") changes.unshift({ name: head.ref, from: head.digest ?? "absent", to: digest });
  if (tag !== undefined) changes.push({ name: tag, from: "absent", to: digest });
  const op =
    options.amend === true ? "commit (amend)" : head.digest === undefined ? "commit (initial)" : "commit";
  const reason = { ...reasonOf(repository, op, message), op: "commit" };
  await repository.store.refs.update(repository.name, changes, reason, await refPolicy(repository));
  if (head.kind === "branch") return head.ref;
  await writeHead(worktree, { kind: "detached", digest });
  return "HEAD";
}
