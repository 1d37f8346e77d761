/** `smc checkout`: a branch, a commit, or single files of one. */
import { isAbsolute } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveCommit, resolveTree } from "../history/revision.ts";
import { readFolder } from "../layout/owned-folder.ts";
import {
  assertNoConflicts,
  conflictsOf,
  filesOfVersion,
  isCurrent,
  placeVersion,
} from "../layout/place-version.ts";
import type { Digest } from "../objects/digest.ts";
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
  /** Absolute path of a folder for the files of the revision; HEAD and the worktree stay as they are. */
  readonly to?: string;
}

export interface CheckoutResult extends SwitchResult {
  /** With `paths`: the files that changed in stage or worktree. */
  readonly restored: readonly string[];
  /** With `tensors`: what was written; HEAD and stage are as before. */
  readonly tensors?: WrittenTensors;
  /** With `to`: what the folder holds now. */
  readonly folder?: WrittenFolder;
}

export interface WrittenFolder {
  readonly path: string;
  readonly commit: Digest;
  readonly files: number;
  readonly sizeBytes: number;
  /** False: it held them already. */
  readonly isNew: boolean;
  /** Symbolic links, which are not made. */
  readonly skippedLinks: readonly string[];
}

/**
 * Only files that differ are touched. Throws WOULD_OVERWRITE with nothing changed, REVISION_NOT_FOUND, PATH_NOT_FOUND,
 * ALREADY_EXISTS, BRANCH_IN_USE, UNSAFE_PATH, ARGUMENT_INVALID for options that exclude each other, and as
 * checkoutTensors. With `to` WOULD_OVERWRITE for a folder with files that smc did not write, LIMIT_EXCEEDED over 10,000
 * files.
 */
export async function checkout(
  repository: Repository,
  options: CheckoutOptions,
  call: Call,
): Promise<CheckoutResult> {
  const { branch: create, revision, paths, detach, force, symlinks } = options;
  if (create !== undefined && detach === true)
    throw new SmcError("ARGUMENT_INVALID", "-b and --detach do not go together");
  if (options.to !== undefined) return takeFolder(repository, { ...options, to: options.to }, call);
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

async function takeFolder(
  repository: Repository,
  options: CheckoutOptions & { to: string },
  call: Call,
): Promise<CheckoutResult> {
  const { to: path, revision = "HEAD", ...others } = options;
  const isMixed = Object.values(others).some((value) => value !== undefined && value !== false);
  if (isMixed || !isAbsolute(path))
    throw new SmcError("ARGUMENT_INVALID", "--to takes a revision and a folder, and no other option");
  const commit = await resolveCommit(repository, revision, call);
  const wanted = await filesOfVersion(repository, commit, call);
  const isNew = await exclusively({ root: `layout ${path}` }, call, async () => {
    const state = await readFolder(path, call);
    const isThere = isCurrent(state, wanted);
    assertNoConflicts(conflictsOf(path, state, isThere));
    if (!isThere) await placeVersion(repository, { folder: path, wanted }, call);
    return !isThere;
  });
  const { files, links } = wanted;
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const folder = { path, commit, files: files.length, sizeBytes, isNew, skippedLinks: links };
  return { ...unmoved(await readTip(repository)), folder };
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
