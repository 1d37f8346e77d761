/** Branches: list, create, move, rename, delete. */
import { type Call, createPacer } from "../call.ts";
import { formatMoment } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { isAncestor, readCommit } from "../history/graph.ts";
import { subjectOf } from "../history/log-entry.ts";
import { foldName, type RefName, refName } from "../objects/names.ts";
import { notFound, shortRefName, suggestRefs } from "../refs/ref-find.ts";
import { createRef } from "../refs/create-ref.ts";
import { guardOf } from "../registry/protection.ts";
import { refPolicy } from "../refs/ref-policy.ts";
import type { RefChange } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import { resolveCommit } from "../history/revision.ts";
import { show } from "../show.ts";
import { type Head, readHead, writeHead } from "../worktree/head.ts";
import { reasonOf } from "../worktree/state.ts";

const NAMES_MAX = 10_000;
/** `origin/registry/champion` is no branch. */
const ROLE_THERE = /^refs\/remotes\/[^/]+\/registry\//;

export interface BranchOptions {
  /** Creates this branch; lists when nothing else is asked. */
  readonly name?: string;
  /** Where it starts; HEAD when left out. */
  readonly revision?: string;
  /** Moves an existing branch, renames over one, deletes one that is not merged. */
  readonly force?: boolean;
  readonly delete?: readonly string[];
  /** Renames; `from` is the current branch when left out. */
  readonly rename?: { readonly from?: string; readonly to: string };
  /** Lists the branches of remotes: beside ours, or alone. */
  readonly all?: boolean;
  readonly remotes?: boolean;
}

export interface BranchRow {
  /** `main`, `origin/main`. */
  readonly name: string;
  readonly ref: RefName;
  /** Null for the current branch before its first commit. */
  readonly digest: Digest | null;
  readonly current: boolean;
  readonly subject: string | null;
  /** When its newest commit was made. */
  readonly date: string | null;
}

export interface BranchResult {
  readonly action: "list" | "create" | "move" | "rename" | "delete";
  /** Those listed, made, or deleted. */
  readonly branches: readonly BranchRow[];
  /** The current branch; null when HEAD is detached. */
  readonly current: string | null;
}

/**
 * Throws REF_NAME_INVALID, ALREADY_EXISTS, REF_CONFLICT, REF_CHANGED, REVISION_NOT_FOUND, BRANCH_IN_USE, NOT_MERGED,
 * ARGUMENT_INVALID for options that exclude each other.
 */
export async function branch(
  repository: Repository,
  options: BranchOptions,
  call: Call,
): Promise<BranchResult> {
  const asked = [options.name, options.delete, options.rename].filter((option) => option !== undefined);
  if (asked.length > 1) throw new SmcError("ARGUMENT_INVALID", "create, rename or delete: one at a time");
  const head = await readHead(repository);
  if (options.delete !== undefined)
    return deleteBranches(repository, head, { ...options, names: options.delete }, call);
  if (options.rename !== undefined)
    return renameBranch(repository, head, { ...options.rename, force: options.force === true });
  if (options.name !== undefined)
    return createBranch(repository, head, { ...options, name: options.name }, call);
  return listBranches(repository, head, options, call);
}

function currentOf(head: Head): string | null {
  return head.ref === undefined ? null : shortRefName(head.ref);
}

async function rowOf(
  repository: Repository,
  head: Head,
  ref: RefName,
  digest: Digest | undefined,
): Promise<BranchRow> {
  const commit = digest === undefined ? undefined : await readCommit(repository.store, digest);
  return {
    name: shortRefName(ref),
    ref,
    digest: digest ?? null,
    current: ref === head.ref,
    subject: commit === undefined ? null : subjectOf(commit.message),
    date: commit === undefined ? null : formatMoment(commit.committed),
  };
}

async function listBranches(
  repository: Repository,
  head: Head,
  options: BranchOptions,
  call: Call,
): Promise<BranchResult> {
  const pace = createPacer(call);
  const ours =
    options.remotes === true ? [] : await repository.store.refs.list(repository.name, "refs/heads/");
  const theirs = options.all === true || options.remotes === true;
  const remotes = theirs ? await repository.store.refs.list(repository.name, "refs/remotes/") : [];
  const branches: BranchRow[] = [];
  for (const { name, digest } of [...ours, ...remotes.filter((ref) => !ROLE_THERE.test(ref.name))]) {
    branches.push(await rowOf(repository, head, name, digest));
    await pace();
  }
  return { action: "list", branches, current: currentOf(head) };
}

interface Creation extends BranchOptions {
  readonly name: string;
}

async function createBranch(
  repository: Repository,
  head: Head,
  options: Creation,
  call: Call,
): Promise<BranchResult> {
  const { refs } = repository.store;
  const ref = refName("refs/heads/", options.name);
  const target = await resolveCommit(repository, options.revision ?? "HEAD", call);
  const there = await refs.read(repository.name, ref);
  if (there !== undefined && options.force !== true) throw alreadyExists(options.name);
  if (there !== undefined && ref === head.ref) {
    throw new SmcError(
      "BRANCH_IN_USE",
      `branch '${show(options.name)}' is checked out here; it was not moved`,
      {
        hint: 'move it with "smc reset"',
      },
    );
  }
  const reason = reasonOf(
    repository,
    "branch",
    `${there === undefined ? "created" : "moved"} from ${show(options.revision ?? "HEAD", 200)}`,
  );
  const change: RefChange = { name: ref, from: there ?? "absent", to: target };
  await createRef(repository, change, reason, () => alreadyExists(options.name));
  const action = there === undefined ? "create" : "move";
  return { action, branches: [await rowOf(repository, head, ref, target)], current: currentOf(head) };
}

function alreadyExists(name: string): SmcError {
  return new SmcError("ALREADY_EXISTS", `a branch '${show(name)}' is there already; it was not changed`, {
    hint: "use another name, or move it with --force",
  });
}

async function requireBranch(
  repository: Repository,
  name: string,
): Promise<{ ref: RefName; digest: Digest }> {
  const ref = refName("refs/heads/", name);
  const digest = await repository.store.refs.read(repository.name, ref);
  if (digest !== undefined) return { ref, digest };
  throw notFound(name, `there is no branch '${show(name, 80)}'`, {
    candidates: await suggestRefs(repository, name),
  });
}

interface Deletion extends BranchOptions {
  readonly names: readonly string[];
}

async function deleteBranches(
  repository: Repository,
  head: Head,
  options: Deletion,
  call: Call,
): Promise<BranchResult> {
  if (options.names.length > NAMES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${NAMES_MAX} branches`);
  const branches: BranchRow[] = [];
  for (const name of new Set(options.names)) {
    const { ref, digest } = await requireBranch(repository, name);
    if (ref === head.ref) {
      throw new SmcError("BRANCH_IN_USE", `branch '${show(name)}' is checked out here; nothing was deleted`, {
        hint: 'go to another branch first with "smc switch"',
      });
    }
    if (options.force !== true) await assertMerged(repository, head, { name, digest }, call);
    branches.push(await rowOf(repository, head, ref, digest));
  }
  const changes = branches.map(({ ref, digest }) => ({
    name: ref,
    from: digest ?? ("absent" as const),
    to: "absent" as const,
  }));
  const names = branches.map((row) => row.name).join(", ");
  await repository.store.refs.update(
    repository.name,
    changes,
    reasonOf(repository, "branch", `deleted ${names}`),
  );
  return { action: "delete", branches, current: currentOf(head) };
}

async function assertMerged(
  repository: Repository,
  head: Head,
  branchTip: { name: string; digest: Digest },
  call: Call,
): Promise<void> {
  const { digest, name } = branchTip;
  const pair = head.digest === undefined ? undefined : { ancestor: digest, descendant: head.digest };
  if (pair !== undefined && (await isAncestor(repository.store, pair, call))) return;
  throw new SmcError(
    "NOT_MERGED",
    `branch '${show(name)}' has commits that HEAD does not have; nothing was deleted`,
    {
      hint: `delete it all the same with "smc branch -D ${show(name)}"; its newest commit is ${digest.slice(0, 12)}`,
      details: { branch: name, digest },
    },
  );
}

async function renameBranch(
  repository: Repository,
  head: Head,
  options: { from?: string; to: string; force: boolean },
): Promise<BranchResult> {
  const { refs } = repository.store;
  if (options.from === undefined && head.ref === undefined) {
    throw new SmcError("ARGUMENT_INVALID", "HEAD is detached: say which branch to rename");
  }
  const from = options.from ?? shortRefName(head.ref ?? "");
  const to = refName("refs/heads/", options.to);
  const isCurrent = head.ref === refName("refs/heads/", from);
  if (isCurrent && head.digest === undefined) {
    if (repository.worktree !== undefined) await writeHead(repository.worktree, { kind: "branch", ref: to });
    return { action: "rename", branches: [], current: options.to };
  }
  const { ref, digest } = await requireBranch(repository, from);
  const there = await refs.read(repository.name, to);
  if (there !== undefined && ref !== to && !options.force) throw alreadyExists(options.to);
  const reason = reasonOf(repository, "branch", `renamed ${from} to ${options.to}`);
  const removal = { name: ref, from: digest, to: "absent" as const };
  const creation = { name: to, from: there ?? ("absent" as const), to: digest };
  if (ref !== to && isCurrent && repository.worktree !== undefined && canStandBeside(ref, to)) {
    // Asked for both changes at once: nothing is done by halves.
    await guardOf(repository.store)({
      repository: repository.name,
      changes: [removal, creation],
      options: {},
    });
    // HEAD never names a branch that is not there, also when this stops half-way.
    await refs.update(repository.name, [creation], reason, await refPolicy(repository));
    await writeHead(repository.worktree, { kind: "branch", ref: to });
    await refs.update(repository.name, [removal], reason);
  } else if (ref !== to) {
    await refs.update(repository.name, [removal, creation], reason, await refPolicy(repository));
    if (isCurrent && repository.worktree !== undefined)
      await writeHead(repository.worktree, { kind: "branch", ref: to });
  }
  const now = await readHead(repository);
  return { action: "rename", branches: [await rowOf(repository, now, to, digest)], current: currentOf(now) };
}

function canStandBeside(a: string, b: string): boolean {
  return foldName(a) !== foldName(b) && !a.startsWith(`${b}/`) && !b.startsWith(`${a}/`);
}
