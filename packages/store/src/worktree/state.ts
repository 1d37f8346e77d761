/** What a verb starts from: HEAD, the files of its commit, the stage. */
import { join } from "node:path";
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import type { Repository } from "../repository.ts";
import type { RefReason } from "../refs/refs.ts";
import { show } from "../show.ts";
import { flattenTree, type FlatTree } from "../trees/tree-read.ts";
import { isSameFile } from "./compare.ts";
import { type Head, readHead } from "./head.ts";
import { emptyStage, readStage, type Stage, type StageEntry } from "./stage.ts";
import { lstatMany } from "./stat.ts";
import type { Worktree } from "./worktree.ts";

/** The commit HEAD is at, and its tree; both undefined before the first commit. */
export interface Tip {
  readonly head: Head;
  readonly tree: Digest | undefined;
}

export async function readTip(repository: Repository): Promise<Tip> {
  const head = await readHead(repository);
  if (head.digest !== undefined) repository.store.pins.add([head.digest]);
  const tree = head.digest === undefined ? undefined : (await readCommit(repository.store, head.digest)).tree;
  return { head, tree };
}

/** The files of a tree; none for undefined. Throws LIMIT_EXCEEDED, OBJECT_CORRUPT … */
export async function filesOf(
  repository: Repository,
  tree: Digest | undefined,
  call: Call,
): Promise<FlatTree> {
  return tree === undefined ? new Map() : flattenTree(repository.store.objects, tree, call);
}

/**
 * The stage, brought up to HEAD: a kill can leave it behind the commit that HEAD is at, or take it away. Throws
 * STAGE_CORRUPT.
 */
export async function loadStage(
  repository: Repository,
  worktree: Worktree,
  tip: Tip,
  call: Call,
): Promise<Stage> {
  const stage = await readStage(worktree.root);
  for (const { digest } of stage?.entries.values() ?? []) repository.store.pins.add([digest]);
  if (stage === undefined) return advanceStage(repository, { worktree, stage: emptyStage(), tip }, call);
  return stage.base === tip.tree ? stage : advanceStage(repository, { worktree, stage, tip }, call);
}

/** As `loadStage`, but a damaged stage counts as missing: for verbs that write it anew. */
export async function loadStageLeniently(
  repository: Repository,
  worktree: Worktree,
  tip: Tip,
  call: Call,
): Promise<Stage> {
  try {
    return await loadStage(repository, worktree, tip, call);
  } catch (error) {
    if (!isSmcError(error, "STAGE_CORRUPT")) throw error;
    return advanceStage(repository, { worktree, stage: emptyStage(), tip }, call);
  }
}

/** What was staged against the old base stays staged; all else becomes what HEAD's commit has. */
async function advanceStage(
  repository: Repository,
  { worktree, stage, tip }: { worktree: Worktree; stage: Stage; tip: Tip },
  call: Call,
): Promise<Stage> {
  const before = await filesOf(repository, stage.base, call);
  const after = await filesOf(repository, tip.tree, call);
  const links: string[] = [];
  const pace = createPacer(call);
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    await pace();
    const old = before.get(path);
    const wanted = after.get(path);
    const staged = stage.entries.get(path);
    if (isSameFile(old, wanted) || !isSameFile(staged, old) || isSameFile(staged, wanted)) continue;
    if (wanted === undefined) stage.entries.delete(path);
    else stage.entries.set(path, { mode: wanted.mode, digest: wanted.digest, sizeBytes: wanted.sizeBytes });
    if (wanted?.mode === "120000") links.push(path);
  }
  await markAbsentLinks(worktree.root, stage, links);
  stage.base = tip.tree;
  stage.isExact = tip.tree !== undefined && (await isTree(stage.entries, after, call));
  return stage;
}

/** Links that are not in the worktree were left out, not deleted. */
export async function markAbsentLinks(
  root: string,
  stage: Pick<Stage, "entries">,
  links: readonly string[],
): Promise<void> {
  const stats = await lstatMany(links.map((path) => join(root, path)));
  for (const [index, path] of links.entries()) {
    const entry = stage.entries.get(path);
    if (stats[index] !== undefined || entry === undefined) continue;
    const { mode, digest, sizeBytes } = entry;
    stage.entries.set(path, { mode, digest, sizeBytes, isSkipped: true });
  }
}

/** Whether entries are exactly the files of a tree. Throws CANCELED. */
export async function isTree(
  entries: ReadonlyMap<string, StageEntry>,
  files: FlatTree,
  call: Call,
): Promise<boolean> {
  if (entries.size !== files.size) return false;
  const pace = createPacer(call);
  for (const [path, file] of files) {
    if (!isSameFile(entries.get(path), file)) return false;
    await pace();
  }
  return true;
}

export interface StagedChange {
  readonly path: string;
  readonly change: "added" | "modified" | "deleted";
}

/** What a commit of the stage would change against a tree, in the order of the paths. */
export function compareToTree(files: FlatTree, entries: ReadonlyMap<string, StageEntry>): StagedChange[] {
  const changes: StagedChange[] = [];
  for (const [path, entry] of entries) {
    const before = files.get(path);
    if (before === undefined) changes.push({ path, change: "added" });
    else if (!isSameFile(before, entry)) changes.push({ path, change: "modified" });
  }
  for (const path of files.keys()) if (!entries.has(path)) changes.push({ path, change: "deleted" });
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The reason of a ref change by a verb: one line that says what. */
export function reasonOf(repository: Repository, op: string, text: string): RefReason {
  const { name, email } = repository.actor;
  const line = text.split("\n", 1)[0] ?? "";
  return { op, reason: `${op}: ${show(line, 200)}`, actor: `${name} <${email}>` };
}

/** Throws REVISION_NOT_FOUND unless HEAD has a commit. */
export function requireCommit(head: Head): Digest {
  if (head.digest !== undefined) return head.digest;
  throw new SmcError("REVISION_NOT_FOUND", "there is no commit yet", {
    hint: 'make one with "smc add" and "smc commit"',
  });
}
