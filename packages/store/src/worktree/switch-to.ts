/** `checkout` and `switch` share this: HEAD goes to a branch or a commit, and the files with it. */
import { type Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { refName, type RefName } from "../objects/names.ts";
import type { RefChange } from "../refs/refs.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveCommit } from "../history/revision.ts";
import { findPrevious, moveText } from "../history/revision-past.ts";
import { show } from "../show.ts";
import { branchOf, type Head, type HeadTarget, readHead, readHeadFile } from "./head.ts";
import type { LinkPolicy, SkippedLink } from "./links.ts";
import { moveHead } from "./move-head.ts";
import { reasonOf } from "./state.ts";
import { exclusively } from "./worktree.ts";

export interface SwitchRequest {
  readonly op: "checkout" | "switch";
  /** What the user named; HEAD when it is undefined. "-" and `@{-n}` are the branch that was left. */
  readonly target: string | undefined;
  /** Name of a branch to make there. */
  readonly create: string | undefined;
  /** "branches" takes nothing but a branch, "detach" detaches even at one, "any" does what git checkout does. */
  readonly mode: "any" | "branches" | "detach";
  readonly force: boolean;
  readonly symlinks: LinkPolicy | undefined;
}

export interface SwitchResult {
  /** The commit HEAD is at; null on a branch without one. */
  readonly digest: Digest | null;
  /** Null when HEAD is detached. */
  readonly branch: string | null;
  /** "refs/heads/main", or "HEAD" when it is detached. */
  readonly ref: string;
  readonly created: boolean;
  readonly previous: { readonly branch: string | null; readonly digest: Digest | null };
  /** How many files were written and removed. */
  readonly written: number;
  readonly removed: number;
  readonly skippedLinks: readonly SkippedLink[];
  /** What a person should know, or null. */
  readonly note: string | null;
}

interface Goal {
  readonly head: HeadTarget;
  readonly to: Digest | undefined;
  readonly changes: readonly RefChange[];
}

/**
 * Throws REVISION_NOT_FOUND, REF_NAME_INVALID, ALREADY_EXISTS, BRANCH_IN_USE when another worktree is on the branch,
 * WOULD_OVERWRITE, UNSAFE_PATH; then nothing is changed.
 */
export async function switchTo(
  repository: Repository,
  asked: SwitchRequest,
  call: Call,
): Promise<SwitchResult> {
  const worktree = requireWorktree(repository);
  return exclusively(worktree, call, async () => {
    const before = await readHead(repository);
    const request = { ...asked, target: await nameTarget(repository, asked.target) };
    const goal = await findGoal(repository, { request, before }, call);
    if (goal.head.kind === "branch" && goal.head.ref !== before.ref)
      await assertFree(repository, goal.head.ref);
    const reason = {
      ...reasonOf(repository, request.op, ""),
      reason: `${request.op}: ${moveText(placeOf(before), nameOf(request, goal))}`,
    };
    const moved = await moveHead(
      repository,
      {
        to: goal.to,
        head: goal.head,
        changes: goal.changes,
        reason,
        overwrite: request.force ? "all" : "refuse",
        symlinks: request.symlinks,
      },
      call,
    );
    return {
      digest: goal.to ?? null,
      branch: branchOf(goal.head),
      ref: goal.head.kind === "branch" ? goal.head.ref : "HEAD",
      created: request.create !== undefined,
      previous: { branch: branchOf(before), digest: before.digest ?? null },
      ...moved,
      note: noteOf(before, goal),
    };
  });
}

/** Where HEAD is, as `@{-1}` will name it. */
function placeOf(head: HeadTarget): string {
  return head.kind === "detached" ? head.digest : (branchOf(head) ?? "");
}

function nameOf({ create, target }: SwitchRequest, goal: Goal): string {
  if (create !== undefined) return create;
  return target === undefined || target === "HEAD" ? placeOf(goal.head) : target;
}

/** The branch itself for "-" and `@{-n}`, so that HEAD is on it afterwards. */
async function nameTarget(repository: Repository, target: string | undefined): Promise<string | undefined> {
  const nth = target === "-" ? "1" : /^@\{-([1-9]\d{0,6})\}$/.exec(target ?? "")?.[1];
  if (nth === undefined) return target;
  const found = await findPrevious(repository, Number(nth));
  return "ref" in found ? found.ref.slice("refs/heads/".length) : found.digest;
}

async function findGoal(
  repository: Repository,
  { request, before }: { request: SwitchRequest; before: Head },
  call: Call,
): Promise<Goal> {
  const { target, create, mode } = request;
  if (create !== undefined) return createGoal(repository, { create, target, before }, call);
  if (target === undefined || (target === "HEAD" && mode === "any")) {
    if (mode !== "detach") return { head: before, to: before.digest, changes: [] };
    const to = await resolveCommit(repository, "HEAD", call);
    return { head: { kind: "detached", digest: to }, to, changes: [] };
  }
  const branch = mode === "detach" ? undefined : await findBranch(repository, target);
  if (branch !== undefined)
    return { head: { kind: "branch", ref: branch.ref }, to: branch.digest, changes: [] };
  const to = await resolveCommit(repository, target, call);
  if (mode === "branches") {
    throw new SmcError("ARGUMENT_INVALID", `'${show(target, 80)}' is not a branch`, {
      hint: `look at it without a branch: smc switch --detach ${show(target, 80)}`,
    });
  }
  return { head: { kind: "detached", digest: to }, to, changes: [] };
}

async function createGoal(
  repository: Repository,
  { create, target, before }: { create: string; target: string | undefined; before: Head },
  call: Call,
): Promise<Goal> {
  const ref = refName("refs/heads/", create);
  if ((await repository.store.refs.read(repository.name, ref)) !== undefined) {
    throw new SmcError("ALREADY_EXISTS", `there is a branch '${show(create)}' already; nothing was changed`, {
      hint: `go to it with "smc switch ${create}"`,
    });
  }
  const to = target === undefined ? before.digest : await resolveCommit(repository, target, call);
  // Before the first commit a new branch is only a name in HEAD.
  return {
    head: { kind: "branch", ref },
    to,
    changes: to === undefined ? [] : [{ name: ref, from: "absent", to }],
  };
}

async function findBranch(
  repository: Repository,
  name: string,
): Promise<{ ref: RefName; digest: Digest } | undefined> {
  let ref: RefName;
  try {
    ref = refName("refs/heads/", name);
  } catch (error) {
    if (isSmcError(error, "REF_NAME_INVALID")) return undefined;
    throw error;
  }
  const digest = await repository.store.refs.read(repository.name, ref);
  return digest === undefined ? undefined : { ref, digest };
}

/** Two worktrees on one branch would undo each other's commits. */
async function assertFree(repository: Repository, ref: RefName): Promise<void> {
  for (const other of await repository.store.refs.listWorktrees()) {
    if (other.repository !== repository.name || other.id === repository.worktree?.id) continue;
    if (!(await isOn(other.path, ref))) continue;
    const branch = ref.slice("refs/heads/".length);
    throw new SmcError("BRANCH_IN_USE", `branch '${show(branch)}' is checked out in '${show(other.path)}'`, {
      hint: "go there, or make another branch at the same commit with -c",
      details: { branch, path: other.path },
    });
  }
}

/** False also for a worktree that is gone or damaged: it stands in nobody's way. */
async function isOn(root: string, ref: RefName): Promise<boolean> {
  try {
    const head = await readHeadFile(root);
    return head.kind === "branch" && head.ref === ref;
  } catch (error) {
    if (isSmcError(error)) return false;
    throw error;
  }
}

function noteOf(before: Head, goal: Goal): string | null {
  if (goal.head.kind === "branch") return null;
  if (before.kind === "detached" && before.digest === goal.head.digest) return null;
  return 'HEAD is detached: commits made here are on no branch; make one with "smc switch -c NAME"';
}
