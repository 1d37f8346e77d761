/**
 * The contract between command line and daemon: every verb, what it takes, and where it works.
 * Inputs are schemas, because what comes over a socket is checked; results are the types of the store's functions
 * (`packages/store/src/verbs/<verb>.ts`), because what goes out is our own. `handlers.ts` shows that both agree.
 */
import { filesApi } from "./api-files.ts";
import {
  choice,
  count,
  fields,
  flag,
  type InputOf,
  message,
  numbers,
  optional,
  scalars,
  text,
  texts,
  verb,
} from "./api-schema.ts";
import { jobsApi } from "./api-jobs.ts";
import { versionsApi } from "./api-versions.ts";
import { machineApi } from "./api-machine.ts";
import { registryApi } from "./api-registry.ts";
import type { handlers } from "./handlers.ts";

const progress = { progress: true };
const symlinks = choice("never", "safe");

export const api = {
  ...machineApi,
  ...registryApi,
  init: verb("Makes a repository and a worktree for it", "store", {
    folder: optional(text),
    name: optional(text),
    branch: optional(text),
    author: optional(text),
  }),
  add: verb(
    "Stages files",
    "worktree",
    {
      paths: texts,
      all: optional(flag),
      update: optional(flag),
      force: optional(flag),
      dryRun: optional(flag),
      allowNonportable: optional(flag),
      strictNames: optional(flag),
      base: optional(text),
    },
    progress,
  ),
  rm: verb("Takes files out of stage and worktree", "worktree", {
    paths: texts,
    cached: optional(flag),
    recursive: optional(flag),
    force: optional(flag),
    dryRun: optional(flag),
  }),
  mv: verb("Moves or renames tracked files", "worktree", {
    sources: texts,
    destination: text,
    force: optional(flag),
    dryRun: optional(flag),
    allowNonportable: optional(flag),
  }),
  status: verb(
    "Tells what differs between HEAD, stage and worktree",
    "worktree",
    { paths: optional(texts), untracked: optional(choice("normal", "all")) },
    progress,
  ),
  commit: verb(
    "Records the stage as a commit",
    "worktree",
    {
      message: optional(message),
      all: optional(flag),
      amend: optional(flag),
      allowEmpty: optional(flag),
      metrics: optional(numbers),
      params: optional(scalars),
      metricsFiles: optional(texts),
      paramsFiles: optional(texts),
      meta: optional(scalars),
      tag: optional(text),
      author: optional(text),
      date: optional(text),
      base: optional(text),
      strictNames: optional(flag),
    },
    progress,
  ),
  restore: verb(
    "Brings files back from stage or commit",
    "worktree",
    {
      paths: texts,
      source: optional(text),
      staged: optional(flag),
      worktree: optional(flag),
      symlinks: optional(symlinks),
    },
    progress,
  ),
  reset: verb(
    "Moves the branch, the stage, or both, to a commit",
    "worktree",
    {
      revision: optional(text),
      mode: optional(choice("soft", "mixed", "hard")),
      paths: optional(texts),
      symlinks: optional(symlinks),
    },
    progress,
  ),
  checkout: verb(
    "Brings the worktree to a commit, or files from one",
    "worktree",
    {
      revision: optional(text),
      paths: optional(texts),
      branch: optional(text),
      force: optional(flag),
      detach: optional(flag),
      to: optional(text),
      symlinks: optional(symlinks),
      tensors: optional(texts),
      output: optional(text),
    },
    progress,
  ),
  switch: verb(
    "Brings the worktree to a branch",
    "worktree",
    {
      target: optional(text),
      create: optional(text),
      detach: optional(flag),
      force: optional(flag),
      symlinks: optional(symlinks),
    },
    progress,
  ),
  log: verb("Lists commits, newest first", "repository", {
    revisions: optional(texts),
    paths: optional(texts),
    all: optional(flag),
    limit: optional(count),
    skip: optional(count),
    since: optional(text),
    until: optional(text),
    author: optional(text),
    metric: optional(text),
    type: optional(choice("commit", "train", "import", "merge")),
    firstParent: optional(flag),
    graph: optional(flag),
    sizes: optional(flag),
  }),
  show: verb("Tells what a revision, or a file, is", "store", {
    revision: optional(text),
    tensors: optional(flag),
  }),
  cat: verb("Finds a file's digest and size; its bytes are at /v1/blobs", "repository", { revision: text }),
  "ls-tree": verb("Lists a tree", "repository", {
    revision: optional(text),
    paths: optional(texts),
    recursive: optional(flag),
    directories: optional(flag),
    tensors: optional(flag),
  }),
  "ls-files": verb("Lists the files of stage and worktree", "worktree", {
    paths: optional(texts),
    others: optional(flag),
    modified: optional(flag),
    deleted: optional(flag),
  }),
  diff: verb(
    "Compares commits, stage and worktree: files, metrics, params, tensors",
    "repository",
    {
      revisions: optional(texts),
      staged: optional(flag),
      paths: optional(texts),
      all: optional(flag),
      tensors: optional(flag),
    },
    progress,
  ),
  branch: verb("Lists, makes, renames and deletes branches", "repository", {
    name: optional(text),
    revision: optional(text),
    force: optional(flag),
    delete: optional(texts),
    rename: optional(fields({ from: optional(text), to: text })),
    all: optional(flag),
    remotes: optional(flag),
  }),
  tag: verb("Lists, makes and deletes tags", "repository", {
    name: optional(text),
    revision: optional(text),
    message: optional(message),
    force: optional(flag),
    delete: optional(texts),
    pattern: optional(text),
    bump: optional(choice("major", "minor", "patch")),
  }),
  merge: verb(
    "Joins another line of commits to this branch",
    "repository",
    {
      revision: text,
      strategies: optional(texts),
      noFf: optional(flag),
      ffOnly: optional(flag),
      message: optional(message),
      metrics: optional(numbers),
      params: optional(scalars),
      meta: optional(scalars),
    },
    progress,
  ),
  revert: verb(
    "Commits the opposite of a commit",
    "worktree",
    { revision: text, message: optional(message), mainline: optional(count) },
    progress,
  ),
  clone: verb(
    "Makes a repository and a worktree of what a remote holds",
    "store",
    {
      url: text,
      folder: text,
      name: optional(text),
      ref: optional(text),
      noCheckout: optional(flag),
    },
    progress,
  ),
  login: verb("Keeps a token for a server, after the server has taken it", "store", {
    url: text,
    token: text,
    caPem: optional(message),
  }),
  logout: verb("Forgets the token for a server", "store", { url: text }),
  remote: verb("Lists, adds, changes and tests remotes", "repository", {
    action: choice("list", "add", "remove", "rename", "set-url", "test"),
    name: optional(text),
    url: optional(text),
    to: optional(text),
    skipTest: optional(flag),
  }),
  fetch: verb(
    "Brings a remote's refs, and what they need, into this store",
    "repository",
    { remote: optional(text), refs: optional(texts), prune: optional(flag) },
    progress,
  ),
  pull: verb(
    "Fetches, and moves the current branch forward",
    "worktree",
    { remote: optional(text), ref: optional(text), rebase: optional(flag), ffOnly: optional(flag) },
    progress,
  ),
  push: verb(
    "Brings refs, and what they need, to a remote",
    "repository",
    {
      remote: optional(text),
      refs: optional(texts),
      all: optional(flag),
      tags: optional(flag),
      forceWithLease: optional(flag),
      force: optional(flag),
      mirror: optional(flag),
      jobs: optional(count),
      dryRun: optional(flag),
    },
    progress,
  ),
  sync: verb(
    "Brings what is new both ways, or makes a remote what is here",
    "repository",
    { remote: optional(text), mirror: optional(flag) },
    progress,
  ),
  "ls-remote": verb("Lists the refs of a remote, by its name or its URL", "store", {
    remote: optional(text),
    patterns: optional(texts),
    heads: optional(flag),
    tags: optional(flag),
  }),
  outdated: verb("Tells what is different on the remotes", "repository", { remote: optional(text) }),
  "rev-parse": verb("Resolves revisions", "repository", {
    revisions: optional(texts),
    short: optional(count),
    cid: optional(flag),
    abbrevRef: optional(flag),
    showToplevel: optional(flag),
  }),
  "cat-file": verb("Tells kind, size and content of an object", "repository", {
    revision: text,
    exists: optional(flag),
  }),
  "hash-object": verb("Computes the digests of files", "store", { files: texts }, progress),
  inspect: verb("Tells what a file of weights holds and what is wrong with it", "store", { target: text }),
  refs: verb("Lists refs", "repository", { prefix: optional(text) }),
  reflog: verb("Lists what a ref was before", "repository", {
    ref: optional(text),
    at: optional(text),
    limit: optional(count),
  }),
  audit: verb("Lists what was done, by the journal, or checks that", "store", {
    ref: optional(text),
    op: optional(text),
    job: optional(text),
    since: optional(text),
    limit: optional(count),
    before: optional(count),
    verify: optional(flag),
  }),
  repack: verb("Stores what is there in less space", "store", { again: optional(flag) }, progress),
  gc: verb(
    "Takes away what nothing needs",
    "store",
    {
      dryRun: optional(flag),
      keepLast: optional(count),
      pruneAll: optional(flag),
      keepTags: optional(flag),
      olderThan: optional(text),
      grace: optional(text),
      remote: optional(text),
    },
    progress,
  ),
  undelete: verb("Brings back what gc took away", "store", { epoch: optional(text), list: optional(flag) }),
  fsck: verb(
    "Checks the store, or what a remote holds",
    "store",
    {
      quick: optional(flag),
      full: optional(flag),
      repair: optional(flag),
      rebuild: optional(flag),
      remote: optional(text),
    },
    progress,
  ),
  verify: verb(
    "Proves that every byte of a version is there, in the store or at a remote",
    "repository",
    { revision: text, remote: optional(text), full: optional(flag) },
    progress,
  ),
  du: verb(
    "Measures how much room versions take, and what lies in the store",
    "repository",
    { revisions: optional(texts) },
    progress,
  ),
  repos: verb("Lists the repositories of the store", "store", { match: optional(text) }),
  token: verb("Makes, lists, renews and takes away tokens of other machines", "store", {
    action: choice("create", "list", "rotate", "revoke"),
    name: optional(text),
    scopes: optional(texts),
    expires: optional(text),
  }),
  ...versionsApi,
  ...filesApi,
  ...jobsApi,
} as const;

export type VerbName = keyof typeof api;
/** What a verb takes. */
export type Input<V extends VerbName> = InputOf<(typeof api)[V]>;
/** What a verb answers: the result of the store's function. */
export type Result<V extends VerbName> = Awaited<ReturnType<(typeof handlers)[V]>>;

export function isVerbName(text: string): text is VerbName {
  return Object.hasOwn(api, text);
}
