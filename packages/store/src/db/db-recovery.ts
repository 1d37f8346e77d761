/** Whether LevelDB was closed well, and the check in a child process when it was not. */
import { fork } from "node:child_process";
import { lstat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ErrorJson, fromErrno, isSmcError, SmcError } from "../errors.ts";
import { removeFile, removeTree, renamePath, replaceFile, syncFolder } from "../fs.ts";
import { show } from "../show.ts";

export type DbCheckReport = { readonly ok: true } | { readonly ok: false; readonly error: ErrorJson };

const DAMAGED_DB_MAX = 100;
const LOCK_WAIT_MS = 3000;
const LOCK_STEP_MS = 25;

function markerOf(path: string): string {
  return `${path}.clean`;
}

/** True when the last owner closed LevelDB and nothing opened it since. */
export async function wasClosedWell(path: string): Promise<boolean> {
  try {
    return (await lstat(markerOf(path))).isFile();
  } catch (error) {
    const known = fromErrno(error, `cannot read '${show(markerOf(path))}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return false;
    throw known;
  }
}

/** Durable before LevelDB is opened: from now on a stop is an unclean one. */
export async function markOpen(path: string): Promise<void> {
  if (!(await wasClosedWell(path))) return;
  await removeFile(markerOf(path));
  await syncFolder(dirname(path));
}

export async function markClosed(path: string): Promise<void> {
  await replaceFile(markerOf(path), "closed well\n");
}

/** Runs again, for a few seconds, while a process that is just ending still has LevelDB's lock. */
export async function whileLocked<T>(action: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const deadline = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!isSmcError(error, "STORE_LOCKED") || performance.now() > deadline) throw error;
    }
    assertNotCanceled(signal);
    await setTimeout(LOCK_STEP_MS);
  }
}

function assertNotCanceled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new SmcError("CANCELED", "stopped on request");
}

function programPath(): string {
  // Sources run under the tests; a child process needs the compiled file.
  const isSource = import.meta.url.endsWith(".ts");
  return fileURLToPath(new URL(isSource ? "../../dist/db/db-check.js" : "./db-check.js", import.meta.url));
}

/** Reads the whole database in a child process. Throws INDEX_CORRUPT, also when the child crashes; STORE_LOCKED. */
export async function checkInChild(path: string, signal: AbortSignal | undefined): Promise<void> {
  assertNotCanceled(signal);
  const report = await runChild(path, signal);
  assertNotCanceled(signal);
  if (!report.ok) throw SmcError.fromJSON(report.error);
}

function runChild(path: string, signal: AbortSignal | undefined): Promise<DbCheckReport> {
  return new Promise((resolve, reject) => {
    const child = fork(programPath(), [path], {
      execArgv: [],
      env: {},
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    let report: DbCheckReport | undefined;
    const stop = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", stop, { once: true });
    child.on("message", (message) => {
      report = message as DbCheckReport;
    });
    child.on("error", (error) => {
      signal?.removeEventListener("abort", stop);
      reject(fromErrno(error, "cannot start the check of LevelDB"));
    });
    child.on("exit", (status, killer) => {
      signal?.removeEventListener("abort", stop);
      const message = `the check of LevelDB '${show(path)}' ended with ${killer ?? `status ${status ?? "unknown"}`}`;
      resolve(report ?? { ok: false, error: { code: "INDEX_CORRUPT", exit: 4, message } });
    });
  });
}

/** Renames a database that cannot be read to `db.damaged-<n>` beside it; the one after the hundredth is removed. */
export async function setAside(path: string): Promise<void> {
  for (let number = 1; number <= DAMAGED_DB_MAX; number++) {
    const target = `${path}.damaged-${number}`;
    const isFree = await lstat(target).then(
      () => false,
      () => true,
    );
    if (!isFree) continue;
    try {
      await renamePath(path, target);
    } catch (error) {
      if (!isSmcError(error, "PATH_NOT_FOUND")) throw error;
    }
    return;
  }
  await removeTree(path);
}
