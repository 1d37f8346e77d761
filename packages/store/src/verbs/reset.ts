/** `smc reset`: the branch to another commit, and as asked stage and worktree with it; or the stage of single files. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import type { RefReason } from "../refs/refs.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveCommit, resolveTree } from "../history/revision.ts";
import { isSameFile } from "../worktree/compare.ts";
import { branchOf, type HeadTarget } from "../worktree/head.ts";
import type { LinkPolicy, SkippedLink } from "../worktree/links.ts";
import { type Move, moveHead, moveRefs } from "../worktree/move-head.ts";
import { resolvePaths } from "../worktree/paths.ts";
import { restoreFiles } from "../worktree/restore-files.ts";
import { type StageEntry, writeStage } from "../worktree/stage.ts";
import {
  filesOf,
  loadStage,
  loadStageLeniently,
  markAbsentLinks,
  readTip,
  reasonOf,
  type Tip,
} from "../worktree/state.ts";
import { exclusively, type Worktree } from "../worktree/worktree.ts";

export interface ResetOptions {
  /** HEAD when left out. */
  readonly revision?: string;
  /** "soft" moves the branch, "mixed" (the default) the stage too, "hard" the worktree too. */
  readonly mode?: "soft" | "mixed" | "hard";
  /** Only the stage of these files; nothing else moves. */
  readonly paths?: readonly string[];
  readonly symlinks?: LinkPolicy;
}

export interface ResetResult {
  /** Where HEAD is now; null before the first commit. */
  readonly head: Digest | null;
  readonly previous: Digest | null;
  readonly branch: string | null;
  /** With `paths`: those whose stage changed. */
  readonly restored: readonly string[];
  readonly skippedLinks: readonly SkippedLink[];
}

/**
 * "hard" gives up changes of tracked files and never overwrites untracked ones. Throws REVISION_NOT_FOUND,
 * PATH_NOT_FOUND, WOULD_OVERWRITE, UNSAFE_PATH, ARGUMENT_INVALID for paths with "soft" or "hard".
 */
export async function reset(repository: Repository, options: ResetOptions, call: Call): Promise<ResetResult> {
  const worktree = requireWorktree(repository);
  const { paths, mode = "mixed" } = options;
  if (paths !== undefined && paths.length > 0) {
    if (mode === "mixed") return resetFiles(repository, { ...options, paths }, call);
    throw new SmcError("ARGUMENT_INVALID", `--${mode} takes no paths: it moves the branch`);
  }
  return exclusively(worktree, call, () => resetTo(repository, { worktree, options, mode }, call));
}

async function resetTo(
  repository: Repository,
  { worktree, options, mode }: { worktree: Worktree; options: ResetOptions; mode: "soft" | "mixed" | "hard" },
  call: Call,
): Promise<ResetResult> {
  const tip = await readTip(repository);
  const { head } = tip;
  const isStaying =
    options.revision === undefined || (options.revision === "HEAD" && head.digest === undefined);
  const to = isStaying ? head.digest : await resolveCommit(repository, options.revision ?? "HEAD", call);
  const move = moveOf(repository, { tip, to, text: options.revision ?? "HEAD" });
  let skippedLinks: readonly SkippedLink[] = [];
  if (mode === "hard") {
    const symlinks = options.symlinks;
    ({ skippedLinks } = await moveHead(repository, { ...move, overwrite: "tracked", symlinks }, call));
  } else await resetStage(repository, { worktree, tip, move, mode }, call);
  return {
    head: to ?? null,
    previous: head.digest ?? null,
    branch: branchOf(head),
    restored: [],
    skippedLinks,
  };
}

function moveOf(
  repository: Repository,
  { tip, to, text }: { tip: Tip; to: Digest | undefined; text: string },
): Move {
  const { head } = tip;
  const reason: RefReason = reasonOf(repository, "reset", `moving to ${text}`);
  if (to === undefined) return { to, reason };
  if (head.kind === "branch") {
    const change = { name: head.ref, from: head.digest ?? ("absent" as const), to };
    return { to, changes: head.digest === to ? [] : [change], reason };
  }
  const target: HeadTarget = { kind: "detached", digest: to };
  return { to, head: target, reason };
}

async function resetStage(
  repository: Repository,
  { worktree, tip, move, mode }: { worktree: Worktree; tip: Tip; move: Move; mode: "soft" | "mixed" },
  call: Call,
): Promise<void> {
  const tree = move.to === undefined ? undefined : (await readCommit(repository.store, move.to)).tree;
  if (mode === "soft") {
    const stage = await loadStage(repository, worktree, tip, call);
    stage.isExact = stage.isExact && tree === tip.tree;
    stage.base = tree;
    // First: a stage that is behind HEAD would be brought up to it, and what is staged now would be lost.
    await writeStage(worktree.root, stage, { durable: true });
    await moveRefs(repository, { worktree, tip, move });
    return;
  }
  const stage = await loadStageLeniently(repository, worktree, tip, call);
  const entries = new Map<string, StageEntry>();
  const links: string[] = [];
  for (const [path, { mode: fileMode, digest, sizeBytes }] of await filesOf(repository, tree, call)) {
    const staged = stage.entries.get(path);
    const plain = { mode: fileMode, digest, sizeBytes };
    const isSame = staged !== undefined && isSameFile(staged, plain);
    entries.set(path, isSame ? staged : plain);
    if (!isSame && fileMode === "120000") links.push(path);
  }
  await markAbsentLinks(worktree.root, { entries }, links);
  await moveRefs(repository, { worktree, tip, move });
  await writeStage(
    worktree.root,
    { ...stage, entries, base: tree, isExact: tree !== undefined },
    { durable: true },
  );
}

async function resetFiles(
  repository: Repository,
  options: ResetOptions & { paths: readonly string[] },
  call: Call,
): Promise<ResetResult> {
  const worktree = requireWorktree(repository);
  const filter = await resolvePaths(worktree, options.paths);
  return exclusively(worktree, call, async () => {
    const tip = await readTip(repository);
    const stage = await loadStage(repository, worktree, tip, call);
    const tree =
      options.revision === undefined ? tip.tree : await resolveTree(repository, options.revision, call);
    const base = await filesOf(repository, tip.tree, call);
    const source = tree === tip.tree ? base : await filesOf(repository, tree, call);
    const { restored } = await restoreFiles(
      repository,
      {
        stage,
        source,
        filter,
        toStage: true,
        toWorktree: false,
        isOverlay: false,
        overwrite: "refuse",
        symlinks: undefined,
        base,
      },
      call,
    );
    const head = tip.head.digest ?? null;
    return { head, previous: head, branch: branchOf(tip.head), restored, skippedLinks: [] };
  });
}
