/** `smc clone`: a repository of a remote, in this store and in a folder. */
import { readdir } from "node:fs/promises";
import { type Call } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { resolveCommit } from "../history/revision.ts";
import { suggest } from "../history/suggest.ts";
import type { Digest } from "../objects/digest.ts";
import { assertRepositoryName, refName, type RefName } from "../objects/names.ts";
import type { Identity } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { isOwnRef, notFound, shortRefName } from "../refs/ref-find.ts";
import type { Ref, RefChange } from "../refs/refs.ts";
import {
  changeRemotes,
  DEFAULT_REMOTE,
  readRemotes,
  type RemoteAccess,
  type RemoteRecord,
} from "../remotes.ts";
import type { OwnedRepository, Repository } from "../repository.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import type { RemoteRef } from "../transfer/remote.ts";
import { moveHead, moveRefs } from "../worktree/move-head.ts";
import { readTip, reasonOf } from "../worktree/state.ts";
import { exclusively, findWorktree, readWorktreeFile } from "../worktree/worktree.ts";
import { fetch, type FetchResult } from "./fetch.ts";
import { init, nameOf } from "./init.ts";

export interface CloneOptions {
  readonly url: string;
  /** Absolute path; made when it does not exist, else empty. */
  readonly folder: string;
  /** Of the repository in this store; the folder's own name when left out. */
  readonly name?: string;
  /** Branch or tag to check out. */
  readonly ref?: string;
  /** Leaves the folder without files. */
  readonly noCheckout?: boolean;
}

export interface CloneResult {
  readonly root: string;
  readonly repository: string;
  /** Null when a tag is checked out. */
  readonly branch: string | null;
  /** What is checked out; null for an empty remote. */
  readonly digest: Digest | null;
  readonly fetched: FetchResult;
  /** Files written. */
  readonly written: number;
}

/** What the verb works on, and the way to the remote. */
interface ClonePlace extends RemoteAccess {
  readonly store: OwnedStore;
  readonly actor: Identity;
  /** Where to start in an empty repository. */
  readonly defaultBranch: string;
}

interface Goal {
  readonly branch: string | null;
  /** Where it is after the fetch; undefined in an empty remote. */
  readonly from: RefName | undefined;
}

/**
 * A failure leaves no refs and no worktree; one of writing the files leaves all but those, and says so. Throws
 * ALREADY_EXISTS for a folder with something in it or a name that is taken, REVISION_NOT_FOUND for a ref that the
 * remote does not have, URL_INVALID, and as opening a remote, fetch and init.
 */
export async function clone(place: ClonePlace, options: CloneOptions, call: Call): Promise<CloneResult> {
  const { store, actor, defaultBranch } = place;
  const { url, folder } = options;
  place.check(url);
  const name = options.name ?? nameOf(folder);
  assertRepositoryName(name);
  const record: RemoteRecord = { repository: name, name: DEFAULT_REMOTE, url };
  const repository: OwnedRepository = { store, name, worktree: undefined, actor, defaultBranch };
  // One at a time for a name, so that two of them never share a repository that is half made.
  return exclusively({ root: `clone of ${name} in ${store.path}` }, call, async () => {
    await assertEmpty(folder);
    await assertFree(store, record);
    const { goal, fetched, root } = await bring(place, { record, repository, options }, call);
    const worktree = await findWorktree(root, store);
    const cloned = { ...repository, worktree };
    const digest = goal.from === undefined ? null : await resolveCommit(cloned, goal.from, call);
    const checkOut = async (): Promise<number> => {
      if (digest === null) return 0;
      await point(cloned, { goal, digest, url });
      return options.noCheckout === true ? 0 : writeFiles(cloned, { digest, url, root }, call);
    };
    const written = await exclusively({ root }, call, checkOut);
    return { root, repository: name, branch: goal.branch, digest, fetched, written };
  });
}

/** Everything up to a worktree without files; taken back when it fails. */
async function bring(
  place: ClonePlace,
  making: { record: RemoteRecord; repository: OwnedRepository; options: CloneOptions },
  call: Call,
): Promise<{ goal: Goal; fetched: FetchResult; root: string }> {
  const { store } = place;
  const { record, repository, options } = making;
  await using remote = await place.open(record, call);
  const goal = chooseGoal(await remote.refs(call), options.ref, repository.defaultBranch);
  const reason = reasonOf(repository, "clone", `from ${show(record.url, 150)}`);
  try {
    await store.refs.createRepository(repository.name, reason, { reuse: true });
    await changeRemotes(store, repository.name, () => [record], call);
    const fetched = await fetch(repository, { remote, remoteName: record.name }, call);
    await assertEmpty(options.folder);
    const branch = goal.branch ?? repository.defaultBranch;
    const named = { folder: options.folder, name: repository.name, branch, author: reason.actor };
    const { root } = await init(store, named, call);
    return { goal, fetched, root };
  } catch (error) {
    // What failed first is what is told.
    await takeBack(repository).catch(() => undefined);
    throw error;
  }
}

/** Absent, or a folder with nothing in it. */
async function assertEmpty(folder: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const known = fromErrno(error, `cannot list the folder '${show(folder)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND") && known.details.errno === "ENOENT") return;
    throw known;
  }
  if (names.length === 0) return;
  throw new SmcError("ALREADY_EXISTS", `'${show(folder)}' is not empty; nothing was changed`, {
    hint: "choose a folder that is not there yet, or an empty one",
  });
}

/** A repository of that name must be one that nobody uses, or what an interrupted clone of the same URL left. */
async function assertFree(store: Store, { repository, url }: RemoteRecord): Promise<void> {
  if (!(await store.refs.listRepositories()).some(({ name }) => name === repository)) return;
  const remotes = await readRemotes(store, repository);
  const isSame = remotes.length > 0 && remotes.every((remote) => remote.url === url);
  const refs = await store.refs.list(repository);
  const isOurs = ({ name }: Ref): boolean =>
    isOwnRef(name) || (isSame && /^refs\/(?:remotes|tags|notes|archive)\//.test(name));
  const worktrees = (await store.refs.listWorktrees()).filter((row) => row.repository === repository);
  const live = await Promise.all(worktrees.map(isThere));
  if (refs.every(isOurs) && (isSame || remotes.length === 0) && !live.includes(true)) return;
  throw new SmcError(
    "ALREADY_EXISTS",
    `there is a repository '${show(repository)}' already; nothing was changed`,
    {
      hint: `choose a name with --name, or make one more worktree of it with "smc init --name ${repository}"`,
      details: { repository },
    },
  );
}

async function isThere({ path, id }: { path: string; id: string }): Promise<boolean> {
  try {
    return (await readWorktreeFile(path)).id === id;
  } catch (error) {
    if (isSmcError(error)) return false;
    throw error;
  }
}

function chooseGoal(refs: readonly RemoteRef[], wanted: string | undefined, defaultBranch: string): Goal {
  const names = new Set<string>(refs.map(({ name }) => name));
  const branchGoal = (branch: string): Goal => {
    return { branch, from: refName(`refs/remotes/${DEFAULT_REMOTE}/`, branch) };
  };
  if (wanted !== undefined) {
    const short = wanted.replace(/^refs\/(?:heads|tags)\//, "");
    if (names.has(`refs/heads/${short}`) && !wanted.startsWith("refs/tags/")) return branchGoal(short);
    if (names.has(`refs/tags/${short}`)) return { branch: null, from: refName("refs/tags/", short) };
    const candidates = suggest(short, [...names].map(shortRefName));
    throw notFound(wanted, `the remote has no branch or tag '${show(short, 80)}'; nothing was made`, {
      candidates,
      hint: 'see what it has with "smc ls-remote URL"',
    });
  }
  const branches = refs.flatMap(({ name }) => (name.startsWith("refs/heads/") ? [name.slice(11)] : []));
  const usual = ["main", defaultBranch].find((branch) => branches.includes(branch));
  const branch = usual ?? branches[0];
  return branch === undefined ? { branch: defaultBranch, from: undefined } : branchGoal(branch);
}

/** HEAD and the branch, before any file: an interruption leaves a worktree whose files can be brought back. */
async function point(
  repository: Repository,
  { goal, digest, url }: { goal: Goal; digest: Digest; url: string },
): Promise<void> {
  const { worktree } = repository;
  if (worktree === undefined) throw new SmcError("INTERNAL", "a clone without a worktree");
  const reason = reasonOf(repository, "clone", `from ${show(url, 150)}`);
  const ref = goal.branch === null ? undefined : refName("refs/heads/", goal.branch);
  const head =
    ref === undefined ? ({ kind: "detached", digest } as const) : ({ kind: "branch", ref } as const);
  const changes: RefChange[] = ref === undefined ? [] : [{ name: ref, from: "absent", to: digest }];
  const tip = await readTip(repository);
  await moveRefs(repository, { worktree, tip, move: { to: digest, head, changes, reason } });
}

async function writeFiles(
  repository: Repository,
  { digest, url, root }: { digest: Digest; url: string; root: string },
  call: Call,
): Promise<number> {
  const reason = reasonOf(repository, "clone", `from ${show(url, 150)}`);
  try {
    return (await moveHead(repository, { to: digest, reason, overwrite: "all" }, call)).written;
  } catch (error) {
    if (!isSmcError(error)) throw error;
    throw new SmcError(
      error.code,
      `${error.message}; the repository was cloned, its files were not written`,
      {
        hint: `run "smc checkout -f HEAD" in '${show(root)}'`,
        details: error.details,
        cause: error,
      },
    );
  }
}

/** Leaves a repository without refs and remotes: the next clone, or init, of that name takes it. */
async function takeBack(repository: Repository): Promise<void> {
  const { store, name } = repository;
  // Also when the caller has gone.
  const call: Call = { signal: new AbortController().signal, onProgress: () => undefined };
  const refs = await store.refs.list(name);
  const changes = refs.map((ref): RefChange => ({ name: ref.name, from: ref.digest, to: "absent" }));
  if (changes.length > 0) await store.refs.update(name, changes, reasonOf(repository, "clone", "failed"));
  await changeRemotes(store, name, () => [], call);
}
