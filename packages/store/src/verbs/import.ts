/** `smc import`: the history of a folder, of DVC or of Git LFS as commits on a branch. */
import { isAbsolute } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { folderHistory } from "../imports/folder-history.ts";
import { type ForeignHistory, type ImportKind, type LeftOut, originOf } from "../imports/foreign.ts";
import { gitHistory } from "../imports/git-history.ts";
import type { GitSource } from "../imports/git-source.ts";
import { carryOut, type ImportedVersion, type ImportPlan, planImport } from "../imports/import-history.ts";
import { readCommit } from "../history/graph.ts";
import type { Digest } from "../objects/digest.ts";
import { type RefName, refName } from "../objects/names.ts";
import { refPolicy } from "../refs/ref-policy.ts";
import type { RefChange } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import { readHead } from "../worktree/head.ts";
import { moveHead } from "../worktree/move-head.ts";
import { reasonOf } from "../worktree/state.ts";
import { exclusively } from "../worktree/worktree.ts";

const HEADS = "refs/heads/";
const OTHER_BRANCH = "imported";

export interface ImportOptions {
  readonly kind: ImportKind;
  /** Absolute path of what is imported; it is only read. */
  readonly folder: string;
  /** The first branch when it is empty or was imported of the same kind, else "imported". */
  readonly branch?: string;
  /** Of git: where the history ends; HEAD when left out. */
  readonly revision?: string;
  readonly dryRun?: boolean;
  /** Leaves out files whose bytes are nowhere. */
  readonly allowMissing?: boolean;
}

export interface ImportResult {
  readonly kind: ImportKind;
  readonly branch: string;
  readonly dryRun: boolean;
  /** Where the branch is; null for none. */
  readonly tip: Digest | null;
  /** Oldest first. */
  readonly versions: readonly ImportedVersion[];
  /** Versions that the branch had already. */
  readonly known: number;
  /** Tags that were made. */
  readonly tags: readonly string[];
  /** What was not taken over. */
  readonly leftOut: readonly LeftOut[];
  /** Files written into the worktree, when it is on the branch; else null. */
  readonly written: number | null;
}

export interface ImportPlace {
  readonly repository: Repository;
  /** Throws ARGUMENT_INVALID for a folder that is no repository of git. */
  readonly openGit: (folder: string, call: Call) => Promise<GitSource & AsyncDisposable>;
}

/**
 * All or nothing: branch and tags are made in one step when every byte is there, and the worktree follows when it is on
 * the branch. Again it adds what is new. Throws PATH_NOT_FOUND for bytes that are nowhere, OBJECT_CORRUPT,
 * NOT_FAST_FORWARD for a branch with other commits, WOULD_OVERWRITE, ARGUMENT_INVALID, FILE_MALFORMED, FILE_CHANGED,
 * LIMIT_EXCEEDED.
 */
export async function importHistory(
  place: ImportPlace,
  options: ImportOptions,
  call: Call,
): Promise<ImportResult> {
  const { kind, folder, revision = "HEAD" } = options;
  const { repository } = place;
  if (!isAbsolute(folder)) throw new SmcError("ARGUMENT_INVALID", "the folder is not an absolute path");
  if (kind === "folder") {
    if (options.revision !== undefined)
      throw new SmcError("ARGUMENT_INVALID", "a folder has no revisions; nothing was imported");
    return importFrom(repository, { history: folderHistory(repository, folder), options }, call);
  }
  await using git = await place.openGit(folder, call);
  return await importFrom(repository, { history: gitHistory(git, { kind, revision }), options }, call);
}

async function importFrom(
  repository: Repository,
  { history, options }: { history: ForeignHistory; options: ImportOptions },
  call: Call,
): Promise<ImportResult> {
  const { dryRun = false, allowMissing = false } = options;
  const branch = await chooseBranch(repository, options);
  const plan = await planImport(repository, { history, branch, allowMissing }, call);
  const common = { kind: options.kind, branch: branch.slice(HEADS.length), dryRun, known: plan.known.size };
  if (dryRun) {
    const versions = plan.fresh.map(({ told }) => ({ ...told, commit: null }));
    const leftOut = history.leftOut();
    return { ...common, tip: plan.tip ?? null, versions, tags: [], leftOut, written: null };
  }
  const { tip, versions, changes, leftOut } = await carryOut(repository, plan, call);
  const written = await publish(repository, { plan, tip, changes, count: versions.length }, call);
  const tags = changes.map(({ name }) => name).filter((name) => name.startsWith("refs/tags/"));
  const names = tags.map((name) => name.slice("refs/tags/".length));
  return { ...common, tip: tip ?? null, versions, tags: names, leftOut, written };
}

async function chooseBranch(repository: Repository, { branch, kind }: ImportOptions): Promise<RefName> {
  if (branch !== undefined) return refName(HEADS, branch);
  const { store, name, defaultBranch } = repository;
  const first = refName(HEADS, defaultBranch);
  const tip = await store.refs.read(name, first);
  if (tip === undefined || originOf((await readCommit(store, tip)).meta)?.kind === kind) return first;
  return refName(HEADS, OTHER_BRANCH);
}

/** Null when the worktree is not on the branch, or nothing is new. */
async function publish(
  repository: Repository,
  input: { plan: ImportPlan; tip: Digest | undefined; changes: readonly RefChange[]; count: number },
  call: Call,
): Promise<number | null> {
  const { plan, tip, changes, count } = input;
  if (changes.length === 0) return null;
  const { store, name, worktree } = repository;
  const reason = reasonOf(repository, "import", `${plan.history.kind}: ${count} versions`);
  if (worktree === undefined || tip === plan.tip) {
    await store.refs.update(name, changes, reason, await refPolicy(repository));
    return null;
  }
  return exclusively(worktree, call, async () => {
    if ((await readHead(repository)).ref !== plan.branch) {
      await store.refs.update(name, changes, reason, await refPolicy(repository));
      return null;
    }
    return (await moveHead(repository, { to: tip, changes, reason }, call)).written;
  });
}
