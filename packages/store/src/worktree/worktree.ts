/** A worktree: a folder with `.smc/`, which says which repository, what HEAD is, and what is staged. */
import { realpath, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { Call } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { assertRepositoryName } from "../objects/names.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { readSmall } from "./head.ts";
import { kindOf, lstatOne } from "./stat.ts";

export const WORKTREE_VERSION = 1;
const FOLDERS_MAX = 4096;
const FILE_BYTES_MAX = 64 * 1024;
const ID = /^[0-9a-f]{32}$/;

export interface Worktree {
  /** Absolute path of the folder that holds `.smc/`. */
  readonly root: string;
  /** Where the user stands, relative to root, `/`-separated; "" at the root. */
  readonly prefix: string;
  /** 32 hex digits; names `refs/worktrees/<id>/HEAD`. */
  readonly id: string;
  readonly storeId: string;
  readonly repository: string;
}

/** What `.smc/worktree.json` holds. */
export interface WorktreeFile {
  readonly version: number;
  readonly id: string;
  readonly storeId: string;
  readonly repository: string;
}

/**
 * The worktree that an absolute path is in, or undefined. Walks up to the root or to where the file system ends.
 * Throws UNSAFE_OWNER for a `.smc` that others own or can write, STORE_NOT_FOUND for one of another store,
 * PATH_NOT_FOUND when the folder itself is gone, STORE_CORRUPT, FORMAT_UNSUPPORTED.
 */
export async function findWorktree(folder: string, store: Pick<Store, "id">): Promise<Worktree | undefined> {
  const found = await findRoot(folder);
  if (found === undefined) return undefined;
  const file = await readWorktreeFile(found.root);
  if (file.storeId !== store.id) {
    throw new SmcError(
      "STORE_NOT_FOUND",
      `'${show(found.root)}' belongs to store ${file.storeId}, not to ${store.id}`,
      {
        hint: "set SMC_HOME to the store that it was made in",
        details: { root: found.root, storeId: file.storeId, thisStoreId: store.id },
      },
    );
  }
  const { id, storeId, repository } = file;
  return { root: found.root, prefix: found.prefix, id, storeId, repository };
}

/** The folder above, or the folder itself, that holds `.smc/worktree.json`. Throws UNSAFE_OWNER, PATH_NOT_FOUND. */
export async function findRoot(folder: string): Promise<{ root: string; prefix: string } | undefined> {
  const start = await realFolder(folder);
  const startStat = await lstatOne(start);
  let root = start;
  for (let step = 0; step < FOLDERS_MAX; step += 1) {
    if (await isWorktreeRoot(root)) {
      return { root, prefix: relative(root, start).split(sep).join("/").normalize("NFC") };
    }
    const parent = dirname(root);
    if (parent === root || (await lstatOne(parent))?.dev !== startStat?.dev) return undefined;
    root = parent;
  }
  return undefined;
}

async function realFolder(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    const failure = fromErrno(error, `cannot enter the folder '${show(folder)}'`);
    if (!isSmcError(failure, "PATH_NOT_FOUND")) throw failure;
    throw new SmcError("PATH_NOT_FOUND", `the folder '${show(folder)}' is gone`, { cause: error });
  }
}

async function isWorktreeRoot(root: string): Promise<boolean> {
  const own = join(root, ".smc");
  const found = await lstatOne(own);
  if (found === undefined) return false;
  if (kindOf(found) === "link") {
    // A link to a store is nothing to us; a link to another worktree's folder would mix the two.
    if ((await lstatOne(join(own, "worktree.json"))) === undefined) return false;
    throw new SmcError("UNSAFE_PATH", `'${show(own)}' is a symlink, not followed`);
  }
  if (kindOf(found) !== "folder" || (await lstatOne(join(own, "worktree.json"))) === undefined) return false;
  await assertOwner(own);
  return true;
}

/** Throws UNSAFE_OWNER unless the folder is the user's own and no one else can write in it. */
export async function assertOwner(path: string): Promise<void> {
  const me = process.geteuid?.();
  if (me === undefined) return;
  const { uid, mode } = await stat(path);
  const hint =
    "what others can write could make smc change files of yours; take the folder over with chown and chmod";
  if (uid !== me) {
    throw new SmcError("UNSAFE_OWNER", `'${show(path)}' is owned by uid ${uid}, not by you (uid ${me})`, {
      hint,
    });
  }
  if ((mode & 0o022) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, "0");
    throw new SmcError("UNSAFE_OWNER", `'${show(path)}' can be written by others (mode ${shown})`, { hint });
  }
}

/** Reads `.smc/worktree.json`. Throws STORE_CORRUPT, FORMAT_UNSUPPORTED. */
export async function readWorktreeFile(root: string): Promise<WorktreeFile> {
  const path = join(root, ".smc", "worktree.json");
  const text = (await readSmall(path, FILE_BYTES_MAX)).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(path, "it is not JSON", error);
  }
  const { version, id, storeId, repository } = (value ?? {}) as Partial<Record<keyof WorktreeFile, unknown>>;
  if (typeof version !== "number") throw damaged(path, "it has no version");
  if (version !== WORKTREE_VERSION) {
    throw new SmcError(
      "FORMAT_UNSUPPORTED",
      `'${show(path)}' is of version ${version}; this smc knows ${WORKTREE_VERSION}`,
    );
  }
  if (typeof id !== "string" || !ID.test(id)) throw damaged(path, "its id is not 32 hex digits");
  if (typeof storeId !== "string" || !ID.test(storeId))
    throw damaged(path, "its storeId is not 32 hex digits");
  if (typeof repository !== "string") throw damaged(path, "it names no repository");
  try {
    assertRepositoryName(repository);
  } catch (error) {
    throw damaged(path, "its repository has a bad name", error);
  }
  return { version, id, storeId, repository };
}

function damaged(path: string, why: string, cause?: unknown): SmcError {
  return new SmcError("STORE_CORRUPT", `'${show(path)}' is damaged: ${why}`, {
    hint: 'move ".smc" away and attach the folder anew with "smc init --name REPOSITORY"',
    cause,
  });
}

const holders = new Map<string, Promise<void>>();

/** Runs `action` alone in this worktree, in the order of arrival. Throws CANCELED while it waits. Never nest it. */
export async function exclusively<T>(
  worktree: Pick<Worktree, "root">,
  call: Call,
  action: () => Promise<T>,
): Promise<T> {
  const { root } = worktree;
  const before = holders.get(root) ?? Promise.resolve();
  const { promise: mine, resolve: release } = deferred();
  const after = before.then(() => mine);
  holders.set(root, after);
  try {
    await waitFor(before, call.signal);
    return await action();
  } finally {
    release();
    if (holders.get(root) === after) holders.delete(root);
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function waitFor(before: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new SmcError("CANCELED", "stopped on request"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    void before.then(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
  });
}
