/** `smc checkout`: a branch, a commit, or single files of one. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveTree } from "../history/revision.ts";
import type { LinkPolicy } from "../worktree/links.ts";
import { resolvePaths } from "../worktree/paths.ts";
import { restoreFiles } from "../worktree/restore-files.ts";
import { checkoutTensors, type WrittenTensors } from "../tensors/checkout-tensors.ts";
import { filesOf, loadStage, readTip, type Tip } from "../worktree/state.ts";
import { switchTo, type SwitchResult } from "../worktree/switch-to.ts";
import { branchOf } from "../worktree/head.ts";
import { exclusively } from "../worktree/worktree.ts";

export interface CheckoutOptions {
  /** Branch, tag, digest or any other revision; with `paths` the stage when left out. */
  readonly revision?: string;
  /** Only these files; HEAD stays. Their local changes are lost. */
  readonly paths?: readonly string[];
  /** Name of a branch to make at the revision and go to. */
  readonly branch?: string;
  /** Gives up local changes, and overwrites untracked files. */
  readonly force?: boolean;
  readonly detach?: boolean;
  readonly symlinks?: LinkPolicy;
  /** Patterns of names: only these tensors of the revision's files, or of `paths`, as a new file. */
  readonly tensors?: readonly string[];
  /** With `tensors`: the file to write. */
  readonly output?: string;
}

export interface CheckoutResult extends SwitchResult {
  /** With `paths`: the files that changed in stage or worktree. */
  readonly restored: readonly string[];
  /** With `tensors`: what was written; HEAD and stage are as before. */
  readonly tensors?: WrittenTensors;
}

/**
 * Only files that differ are touched. Throws WOULD_OVERWRITE with nothing changed, REVISION_NOT_FOUND,
 * PATH_NOT_FOUND, ALREADY_EXISTS, BRANCH_IN_USE, UNSAFE_PATH, ARGUMENT_INVALID for options that exclude each other,
 * and as checkoutTensors.
 */
export async function checkout(
  repository: Repository,
  options: CheckoutOptions,
  call: Call,
): Promise<CheckoutResult> {
  const { branch: create, revision, paths, detach, force, symlinks } = options;
  if (create !== undefined && detach === true)
    throw new SmcError("ARGUMENT_INVALID", "-b and --detach do not go together");
  if (options.tensors !== undefined) {
    if (create === undefined && detach !== true)
      return takeTensors(repository, { ...options, tensors: options.tensors }, call);
    throw new SmcError("ARGUMENT_INVALID", "a branch is not made for single tensors");
  }
  if (options.output !== undefined)
    throw new SmcError("ARGUMENT_INVALID", "a file to write is named with --tensors only");
  if (paths !== undefined && paths.length > 0) {
    if (create === undefined && detach !== true)
      return checkoutFiles(repository, { ...options, paths }, call);
    throw new SmcError("ARGUMENT_INVALID", "a branch is not made for single files");
  }
  const mode = detach === true ? "detach" : "any";
  const request = {
    op: "checkout" as const,
    target: revision,
    create,
    mode,
    force: force === true,
    symlinks,
  } as const;
  return { ...(await switchTo(repository, request, call)), restored: [] };
}

async function checkoutFiles(
  repository: Repository,
  options: CheckoutOptions & { paths: readonly string[] },
  call: Call,
): Promise<CheckoutResult> {
  const worktree = requireWorktree(repository);
  const filter = await resolvePaths(worktree, options.paths);
  const { revision } = options;
  return exclusively(worktree, call, async () => {
    const tip = await readTip(repository);
    const stage = await loadStage(repository, worktree, tip, call);
    const tree = revision === undefined ? undefined : await resolveTree(repository, revision, call);
    const source = tree === undefined ? new Map(stage.entries) : await filesOf(repository, tree, call);
    const { restored, skippedLinks } = await restoreFiles(
      repository,
      {
        stage,
        source,
        filter,
        toStage: tree !== undefined,
        toWorktree: true,
        isOverlay: true,
        overwrite: options.force === true ? "all" : "tracked",
        symlinks: options.symlinks,
        base: await filesOf(repository, tip.tree, call),
      },
      call,
    );
    return { ...unmoved(tip), written: restored.length, skippedLinks, restored };
  });
}

/** The answer when HEAD stays where it is. */
function unmoved({ head }: Tip): CheckoutResult {
  const branch = branchOf(head);
  const digest = head.digest ?? null;
  return {
    digest,
    branch,
    ref: head.ref ?? "HEAD",
    created: false,
    previous: { branch, digest },
    written: 0,
    removed: 0,
    skippedLinks: [],
    note: null,
    restored: [],
  };
}

async function takeTensors(
  repository: Repository,
  options: CheckoutOptions & { tensors: readonly string[] },
  call: Call,
): Promise<CheckoutResult> {
  const { tensors: patterns, revision, paths, output, force } = options;
  const wanted = { patterns, revision, paths, output, force: force === true };
  const tensors = await checkoutTensors(repository, wanted, call);
  return { ...unmoved(await readTip(repository)), written: 1, tensors };
}
