/** Whether LevelDB was closed well, or how else it was left, and the check in a child process when it was not. */
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { PlaceCounts } from "./db-check.ts";
import { type ErrorJson, fromErrno, isSmcError, SmcError } from "../errors.ts";
import { removeFile, removeTree, renamePath, replaceFile, syncFolder } from "../fs.ts";
import { readBootId } from "../lock/lock-holder.ts";
import { show } from "../show.ts";

export type DbCheckReport =
  | { readonly ok: true; readonly places?: PlaceCounts }
  | { readonly ok: false; readonly error: ErrorJson };

const DAMAGED_DB_MAX = 100;
const LOCK_WAIT_MS = 3000;
const LOCK_STEP_MS = 25;

function closedMarkerOf(path: string): string {
  return `${path}.clean`;
}

function openMarkerOf(path: string): string {
  return `${path}.open`;
}

/** SHA-256 of the files that LevelDB reads, by name. */
export type DbPrints = Readonly<Record<string, string>>;

const FILES_MAX = 100_000;
const DATA = /^(CURRENT|MANIFEST-\d+|\d+\.(log|ldb|sst))$/;

/** Reads the files of a LevelDB that is closed (never its LOCK). Throws INDEX_CORRUPT when the folder is gone. */
export async function printFiles(path: string): Promise<DbPrints> {
  const prints: Record<string, string> = {};
  try {
    const names = (await readdir(path)).filter((name) => DATA.test(name)).sort();
    for (const name of names.slice(0, FILES_MAX)) {
      const hash = createHash("sha256");
      for await (const bytes of createReadStream(join(path, name))) hash.update(bytes as Buffer);
      prints[name] = hash.digest("hex");
    }
  } catch (error) {
    const known = fromErrno(error, `cannot read LevelDB '${show(path)}'`);
    if (!isSmcError(known, "PATH_NOT_FOUND")) throw known;
    throw new SmcError("INDEX_CORRUPT", `LevelDB '${show(path)}' is missing files`, { cause: error });
  }
  return prints;
}

/**
 * What LevelDB holds, when the last owner closed it; undefined when it did not. Throws INDEX_CORRUPT when that is not
 * what it held then: LevelDB itself would not always notice, and answer with fewer rows.
 */
export async function readClosed(path: string): Promise<DbPrints | undefined> {
  const marker = await readMarker(closedMarkerOf(path));
  if (marker === undefined) return undefined;
  const prints = await printFiles(path);
  if (marker === textOf(prints)) return prints;
  throw new SmcError("INDEX_CORRUPT", `LevelDB '${show(path)}' was changed while it was closed`);
}

async function readMarker(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const known = fromErrno(error, `cannot read '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}

function textOf(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/**
 * True when the last owner's process ended, and the system has run on since: what it had written is in the files,
 * synced or not. False also where the system does not tell its boot.
 */
async function wasKilled(path: string): Promise<boolean> {
  const marker = await readMarker(openMarkerOf(path));
  return marker !== undefined && marker === (await describeOpening(path));
}

/** This boot, and the folder: one that was copied here was not written by this system. */
async function describeOpening(path: string): Promise<string | undefined> {
  const bootId = readBootId();
  if (bootId === null) return undefined;
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return textOf({ bootId, folder: `${dev}:${ino}` });
  } catch (error) {
    const known = fromErrno(error, `cannot look at LevelDB '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}

/** Durable before LevelDB is opened: from now on a stop is an unclean one. */
export async function markOpen(path: string): Promise<void> {
  const opening = await describeOpening(path);
  // A power cut may take it, or bring one of an earlier boot back: both are no kill.
  if (opening !== undefined) await replaceFile(openMarkerOf(path), opening, { durable: false });
  try {
    await removeFile(closedMarkerOf(path));
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return;
    throw error;
  }
  await syncFolder(dirname(path));
}

/** After LevelDB was closed: no kill, whatever comes. Without `markClosed` before it, the next open reads all rows. */
export async function unmarkOpen(path: string): Promise<void> {
  await removeTree(openMarkerOf(path));
}

/** Says that LevelDB is closed and what it holds; not when a table is no longer what it was while it was `opened`. */
export async function markClosed(path: string, opened: DbPrints): Promise<void> {
  const prints = await printFiles(path);
  const isSame = Object.entries(prints).every(
    ([name, print]) => !name.endsWith(".ldb") || (opened[name] ?? print) === print,
  );
  if (isSame) await replaceFile(closedMarkerOf(path), textOf(prints));
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
  const program = isSource ? "../../dist/db/db-check-program.js" : "./db-check-program.js";
  return fileURLToPath(new URL(program, import.meta.url));
}

/** `checkDb` in a child process. Throws INDEX_CORRUPT, also when the child crashes; STORE_LOCKED. */
export async function checkInChild(
  path: string,
  signal: AbortSignal | undefined,
): Promise<PlaceCounts | undefined> {
  assertNotCanceled(signal);
  const stop = (await wasKilled(path)) ? "killed" : "unknown";
  const report = await runChild([path, stop], signal);
  assertNotCanceled(signal);
  if (!report.ok) throw SmcError.fromJSON(report.error);
  return report.places;
}

function runChild(
  args: [path: string, stop: string],
  signal: AbortSignal | undefined,
): Promise<DbCheckReport> {
  return new Promise((resolve, reject) => {
    const child = fork(programPath(), args, {
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
      const message = `the check of LevelDB '${show(args[0])}' ended with ${killer ?? `status ${status ?? "unknown"}`}`;
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
