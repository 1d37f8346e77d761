/** `smc init`: a repository in the store, and a folder attached to it as a worktree. */
import { randomBytes } from "node:crypto";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import type { Call } from "../call.ts";
import { readConfig } from "../config.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { createFile, createOneFolder, removeTree, renamePath, syncFolder } from "../fs.ts";
import {
  assertRepositoryName,
  parseIdentity,
  PATH_BYTES_MAX,
  refName,
  type RefName,
} from "../objects/names.ts";
import type { RefReason } from "../refs/refs.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { formatHead } from "../worktree/head.ts";
import { hideFromGit } from "../worktree/hide-from-git.ts";
import { LEFTOVER } from "../worktree/ignore.ts";
import { isAbsent, kindOf, lstatOne } from "../worktree/stat.ts";
import { assertOwner, exclusively, WORKTREE_VERSION, type WorktreeFile } from "../worktree/worktree.ts";

const NAME_LENGTH_MAX = 100;
const GIT_BLOCK = { name: "smc", rules: [".smc/"] };

export interface InitOptions {
  /** Absolute path; made when it does not exist. */
  readonly folder: string;
  /** Of the repository. A name that is there already attaches the folder to it as one more worktree. */
  readonly name?: string;
  /** Branch that HEAD names; the default is `init.defaultBranch`. */
  readonly branch?: string;
  /** "Name <address>" for the journal. */
  readonly author?: string;
}

export interface InitResult {
  readonly root: string;
  readonly repository: string;
  readonly branch: string;
  readonly storeId: string;
  readonly worktreeId: string;
  /** "Name <address>": who commits here, as settings and account are now. */
  readonly author: string;
  /** True when the repository was there before. */
  readonly isAttached: boolean;
  /** The `.gitignore` that keeps git away from `.smc/`, or null outside a git work tree. */
  readonly gitignore: string | null;
}

/**
 * Makes a worktree; nothing is left half made. Throws ALREADY_EXISTS when the folder is one, or when the name that
 * the folder suggests is taken, REPOSITORY_NAME_INVALID, REF_NAME_INVALID, PATH_INVALID, ARGUMENT_INVALID for `/`,
 * UNSAFE_PATH inside the store, PERMISSION_DENIED, READ_ONLY, DISK_FULL.
 */
export async function init(store: Store, options: InitOptions, call: Call): Promise<InitResult> {
  const branch = refName("refs/heads/", options.branch ?? (await defaultBranch(store)));
  if (options.name !== undefined) assertRepositoryName(options.name);
  const root = await makeRoot(store, options.folder);
  // Names are taken one at a time, so that a repository without a worktree can be told from one just being made.
  return exclusively({ root: `init in ${store.path}` }, call, () => initIn(store, { root, branch, options }));
}

async function defaultBranch(store: Store): Promise<string> {
  const config = await readConfig({ storePath: store.path });
  const value = config.entries.get("init.defaultBranch")?.value;
  return typeof value === "string" ? value : "main";
}

async function makeRoot(store: Store, folder: string): Promise<string> {
  const nul = folder.indexOf("\0");
  if (nul >= 0) throw new SmcError("PATH_INVALID", `'${show(folder, 80)}': a NUL character at ${nul}`);
  if (!isAbsolute(folder))
    throw new SmcError("ARGUMENT_INVALID", `'${show(folder, 200)}' is not an absolute path`);
  if (Buffer.byteLength(folder) > PATH_BYTES_MAX) {
    throw new SmcError("PATH_INVALID", `'${show(folder, 80)}' is longer than ${PATH_BYTES_MAX} bytes`);
  }
  let root: string;
  try {
    await createFolders(folder);
    root = await realpath(folder);
  } catch (error) {
    throw fromErrno(error, `cannot enter the folder '${show(folder)}'`);
  }
  if (dirname(root) === root)
    throw new SmcError("ARGUMENT_INVALID", `'${show(root)}' cannot be a worktree: it is everything`);
  if (root === store.path || root.startsWith(`${store.path}/`)) {
    throw new SmcError("UNSAFE_PATH", `'${show(root)}' is inside the store; a worktree must be outside`);
  }
  return root;
}

/** One by one: the recursive mkdir of Node never ends below `/proc`. */
async function createFolders(folder: string): Promise<void> {
  const missing: string[] = [];
  for (let path = folder; !(await isFolder(path)); path = dirname(path)) missing.push(path);
  for (const path of missing.reverse()) {
    try {
      await createOneFolder(path);
    } catch (error) {
      // Someone else made it meanwhile.
      if (!isSmcError(error) || error.details.errno !== "EEXIST" || !(await isFolder(path))) throw error;
    }
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
  throw new SmcError("ARGUMENT_INVALID", `'${show(path)}' is not a folder`);
}

async function initIn(
  store: Store,
  { root, branch, options }: { root: string; branch: RefName; options: InitOptions },
): Promise<InitResult> {
  await assertNoWorktree(root);
  await removeLeftovers(root);
  const repository = options.name ?? nameOf(root);
  const reason: RefReason = { op: "init", reason: `init: ${show(root, 400)}`, actor: actorOf(options) };
  const isAttached = await chooseRepository(store, { repository, isNamed: options.name !== undefined });
  const file: WorktreeFile = {
    version: WORKTREE_VERSION,
    id: randomBytes(16).toString("hex"),
    storeId: store.id,
    repository,
  };
  const temporary = join(root, `.smc.tmp-${randomBytes(6).toString("hex")}`);
  let gitignore: string | null;
  try {
    await createOneFolder(temporary, { mode: 0o700 });
    await createFile(join(temporary, "worktree.json"), `${JSON.stringify(file, undefined, 2)}\n`);
    await createFile(join(temporary, "HEAD"), formatHead({ kind: "branch", ref: branch }));
    await syncFolder(temporary);
    gitignore = (await hideFromGit(root, GIT_BLOCK))?.path ?? null;
    await store.refs.createRepository(repository, reason, { reuse: true });
    await putInPlace(temporary, root);
  } catch (error) {
    await removeTree(temporary);
    throw error;
  }
  await syncFolder(root);
  await store.refs.registerWorktree({ id: file.id, path: root, repository }, reason);
  return {
    root,
    repository,
    branch: branch.slice("refs/heads/".length),
    storeId: store.id,
    worktreeId: file.id,
    author: actorOf(options),
    isAttached,
    gitignore,
  };
}

/** Folders of an init that was killed. */
async function removeLeftovers(root: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(root);
  } catch (error) {
    throw fromErrno(error, `cannot list the folder '${show(root)}'`);
  }
  for (const name of names) if (LEFTOVER.test(name)) await removeTree(join(root, name));
}

function actorOf(options: InitOptions): string {
  if (options.author === undefined) return "smc <smc@localhost>";
  const { name, email } = parseIdentity(options.author);
  return `${name} <${email}>`;
}

/** Only one of two at the same time gets through: a folder cannot be renamed over one that has files. */
async function putInPlace(temporary: string, root: string): Promise<void> {
  try {
    await renamePath(temporary, join(root, ".smc"));
  } catch (error) {
    const errno = isSmcError(error) ? error.details.errno : undefined;
    if (errno === "ENOTEMPTY" || errno === "EEXIST" || errno === "ENOTDIR") await assertNoWorktree(root);
    throw error;
  }
}

async function assertNoWorktree(root: string): Promise<void> {
  const own = join(root, ".smc");
  const found = await lstatOne(own);
  if (found === undefined) return;
  if (kindOf(found) === "folder") {
    if ((await lstatOne(join(own, "format.json"))) !== undefined) {
      throw new SmcError("ALREADY_EXISTS", `'${show(own)}' is a store; its folder cannot be a worktree too`, {
        hint: "make the worktree in another folder",
      });
    }
    await assertOwner(own);
  }
  throw new SmcError("ALREADY_EXISTS", `'${show(root)}' has a '.smc' already; nothing was changed`, {
    hint: "work in it as it is, or choose another folder",
    details: { root },
  });
}

/** The base name, made to fit the rules for repositories. */
export function nameOf(root: string): string {
  const name = basename(root)
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/\.{2,}/g, ".")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, NAME_LENGTH_MAX)
    .replace(/(\.(lock|git)|[.-])+$/, "");
  return name === "" ? "repository" : name;
}

/** True when the repository is there and the folder joins it. */
async function chooseRepository(
  store: Store,
  { repository, isNamed }: { repository: string; isNamed: boolean },
): Promise<boolean> {
  const known = await store.refs.listRepositories();
  if (!known.some(({ name }) => name === repository)) return false;
  if (isNamed) return true;
  // A killed init leaves a repository that nobody has used.
  const isUsed =
    (await store.refs.list(repository)).length > 0 ||
    (await store.refs.listWorktrees()).some((worktree) => worktree.repository === repository);
  if (!isUsed) return false;
  throw new SmcError(
    "ALREADY_EXISTS",
    `there is a repository '${show(repository)}' already; nothing was changed`,
    {
      hint: `choose a name with --name, or join it with --name ${repository}`,
      details: { repository },
    },
  );
}
