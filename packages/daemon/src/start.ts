/** Starts a daemon: detached, in its own session, and only after it said that it is ready. Loaded when needed. */
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { dirname, parse } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type ErrorJson, fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, openLog, renamePath } from "@smc/store/fs";
import { acquireLock, readLockHolder } from "@smc/store/lock";
import { show } from "@smc/store/show";
import { answers, READY_MS_MAX } from "./connect.ts";
import { isSafeFolder, type Presence } from "./presence.ts";
import { canceled } from "./request.ts";

/** A log of this size is set aside as `daemon.log.1` when the next daemon starts. */
export const LOG_BYTES_MAX = 8 * 1024 * 1024;
const READY_LINE_BYTES_MAX = 64 * 1024;
const READY_FD = 3;
/** The only variables of the user's environment that a daemon gets. */
const ENVIRONMENT = new Set(
  (
    "PATH HOME USER LOGNAME LANG LC_ALL TZ TMPDIR XDG_RUNTIME_DIR SystemRoot TEMP TMP USERPROFILE " +
    "SMC_IDLE_MS SMC_DAEMON_IDLE_MINUTES SMC_LOG"
  ).split(" "),
);

/** False when another process is starting one now. Throws what the daemon throws while it opens the store. */
export async function tryStart(presence: Presence, signal: AbortSignal): Promise<boolean> {
  if ((await readLockHolder(presence.startLock)) !== undefined) return false;
  await createFolder(presence.runFolder);
  isSafeFolder(presence.runFolder);
  await createFolder(dirname(presence.logFile));
  let lock;
  try {
    lock = await acquireLock(presence.startLock);
  } catch (error) {
    if (isSmcError(error, "STORE_LOCKED")) return false;
    throw error;
  }
  try {
    // Another one may have been started between our knock and the lock.
    if (!(await answers(presence))) await startDaemon(presence, signal);
    return true;
  } finally {
    await lock.release();
  }
}

async function startDaemon(presence: Presence, signal: AbortSignal): Promise<void> {
  await rotate(presence.logFile);
  const log = await openLog(presence.logFile);
  try {
    // Built code also when the tests run from source: a child process cannot load TypeScript.
    const program = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
    const words = [program, presence.storePath, "--ready-fd", String(READY_FD)];
    const child = spawn(process.execPath, words, {
      detached: true,
      cwd: parse(process.execPath).root,
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => ENVIRONMENT.has(name))),
      stdio: ["ignore", log.fd, log.fd, "pipe"],
      windowsHide: true,
    });
    child.unref();
    const failed = new Promise<never>((_, reject) => {
      child.once("error", (error) => {
        reject(
          new SmcError("DAEMON_UNREACHABLE", `the daemon cannot be started: ${error.message}`, {
            cause: error,
          }),
        );
      });
    });
    const pipe = child.stdio[READY_FD] as Readable;
    await Promise.race([failed, readReadiness(pipe, presence, signal)]);
  } finally {
    await log.close();
  }
}

async function rotate(logFile: string): Promise<void> {
  try {
    if (statSync(logFile).size >= LOG_BYTES_MAX) await renamePath(logFile, `${logFile}.1`);
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(logFile)}'`);
    if (!isSmcError(known, "PATH_NOT_FOUND")) throw known;
  }
}

/** Waits for the one line that a daemon writes when it listens, or when it cannot. */
async function readReadiness(pipe: Readable, presence: Presence, signal: AbortSignal): Promise<void> {
  const timeout = setTimeout(() => pipe.destroy(), READY_MS_MAX);
  const abort = (): void => {
    pipe.destroy();
  };
  signal.addEventListener("abort", abort, { once: true });
  let text = "";
  try {
    pipe.setEncoding("utf8");
    for await (const part of pipe) {
      text += String(part);
      if (text.includes("\n") || text.length > READY_LINE_BYTES_MAX) break;
    }
  } catch (error) {
    // Destroyed by the time-out or the signal.
    if (!pipe.destroyed) throw error;
  } finally {
    clearTimeout(timeout);
    signal.removeEventListener("abort", abort);
    pipe.destroy();
  }
  if (signal.aborted) throw canceled();
  if (!text.includes("\n")) {
    throw new SmcError("DAEMON_UNREACHABLE", "the daemon ended, or took too long, before it was ready", {
      hint: `see '${show(presence.logFile)}'`,
    });
  }
  const message = JSON.parse(text) as { ready?: boolean; error?: ErrorJson };
  if (message.error !== undefined) throw SmcError.fromJSON(message.error);
}
