/**
 * The owner lock of a folder: at most one process holds it, and a holder that died is taken over without help.
 *
 * `lock` holds the record of an owner with nonce n; the file `lock.<n>` is the claim of its successor, and so on:
 * the last of the chain owns. A claim is made by link(2), so it is whole and there is one successor; nothing that
 * another process may rely on is ever removed. Light on purpose: the command line starts with it.
 */
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isSmcError, SmcError } from "../errors.ts";
import { createFile, linkFile, removeFile, renamePath } from "../fs.ts";
import {
  describeThisProcess,
  type LockHolder,
  type LockRecord,
  readLockRecord,
  stateOf,
} from "./lock-holder.ts";
import { show } from "../show.ts";

export type { LockHolder } from "./lock-holder.ts";

const CHAIN_MAX = 64;
const ROUNDS_MAX = 100;
const SWEEP_MAX = 1000;

export interface Lock extends AsyncDisposable {
  readonly path: string;
  readonly holder: LockHolder;
  /** Removes the lock file if it is still ours; again is fine. */
  release(): Promise<void>;
}

interface Link {
  readonly path: string;
  readonly record: LockRecord;
}

/**
 * Takes the lock file `path` (its folder must exist) or throws STORE_LOCKED with the holder's pid and host in
 * `details`. Throws STORE_CORRUPT when something else than a file is in its place.
 */
export async function acquireLock(path: string): Promise<Lock> {
  const holder = describeThisProcess();
  const temporary = `${path}.${holder.nonce}.tmp`;
  await createFile(temporary, `${JSON.stringify(holder)}\n`);
  try {
    await claim(path, holder.nonce, temporary);
  } finally {
    await removeIfThere(temporary);
  }
  const release = () => releaseLock(path, holder.nonce);
  return { path, holder, release, [Symbol.asyncDispose]: release };
}

/** The process that holds the lock now, or undefined. One on another machine counts as holding it. */
export async function readLockHolder(path: string): Promise<LockHolder | undefined> {
  const holder = (await readChain(path)).at(-1)?.record.holder;
  return holder === undefined || stateOf(holder) === "gone" ? undefined : holder;
}

/** False once the holder's process has ended, and with it every file that it had open; true where nobody can tell. */
export function isAlive(holder: LockHolder): boolean {
  return stateOf(holder) !== "gone";
}

async function claim(path: string, nonce: string, temporary: string): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const last = (await readChain(path)).at(-1);
    if (last !== undefined) assertGone(path, last.record);
    const target = last === undefined ? path : `${path}.${last.record.nonce}`;
    if (!(await tryLink(temporary, target))) continue;
    // The chain may have been cut short between reading and linking: only what is reachable from `path` counts.
    const chain = await readChain(path);
    if (chain.at(-1)?.record.nonce === nonce) {
      await compact(path, chain);
      return;
    }
    await releaseLock(target, nonce);
  }
  throw new SmcError("STORE_LOCKED", `'${show(path)}' is locked: other processes keep taking it`, {
    hint: "run the command again",
  });
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await linkFile(from, to);
    return true;
  } catch (error) {
    if (isSmcError(error) && error.details.errno === "EEXIST") return false;
    throw error;
  }
}

async function readChain(path: string): Promise<Link[]> {
  const chain: Link[] = [];
  for (let next = path; chain.length < CHAIN_MAX;) {
    const record = await readLockRecord(next);
    if (record === undefined) return chain;
    chain.push({ path: next, record });
    next = `${path}.${record.nonce}`;
  }
  throw new SmcError("STORE_CORRUPT", `the lock '${show(path)}' has more than ${CHAIN_MAX} successors`, {
    hint: `if no smc runs, remove the files '${show(basename(path))}.*' beside it`,
  });
}

function assertGone(path: string, { holder }: LockRecord): void {
  if (holder === undefined) return;
  const state = stateOf(holder);
  if (state === "gone") return;
  const { pid } = holder;
  const host = show(holder.host, 255);
  const where = state === "alive" ? `process ${pid}` : `process ${pid} on '${host}', another machine`;
  throw new SmcError("STORE_LOCKED", `'${show(path)}' is locked by ${where}; nothing was changed`, {
    hint: state === "alive" ? "use that daemon, or stop it" : `stop smc on '${host}' first`,
    details: { pid, host },
  });
}

/** Makes our record the root of the chain first, then drops what came before it. */
async function compact(path: string, chain: readonly Link[]): Promise<void> {
  const own = chain.at(-1);
  if (own !== undefined && own.path !== path) {
    await renamePath(own.path, path);
    for (const { path: old } of chain.slice(1, -1)) await removeIfThere(old);
  }
  await sweep(path, own?.record.nonce);
}

/** Removes what killed attempts left beside the lock. */
async function sweep(path: string, nonce: string | undefined): Promise<void> {
  const prefix = `${basename(path)}.`;
  const names = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix));
  for (const name of names.slice(0, SWEEP_MAX)) {
    if (!/^[0-9a-f]{32}(\.tmp)?$/.test(name.slice(prefix.length))) continue;
    const holder = (await readLockRecord(join(dirname(path), name)))?.holder;
    if (holder === undefined || holder.nonce === nonce || stateOf(holder) !== "gone") continue;
    await removeIfThere(join(dirname(path), name));
  }
}

async function releaseLock(path: string, nonce: string): Promise<void> {
  if ((await readLockRecord(path))?.nonce === nonce) await removeIfThere(path);
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await removeFile(path);
  } catch (error) {
    if (!isSmcError(error, "PATH_NOT_FOUND")) throw error;
  }
}
