/** Starts a daemon: detached, in its own session, and only after it said that it is ready. Loaded when needed. */
import { type ChildProcess, spawn } from "node:child_process";
import { statSync } from "node:fs";
import { dirname, parse } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type ErrorJson, fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, openLog, renamePath } from "@smc/store/fs";
import { acquireLock, readLockHolder } from "@smc/store/lock";
import { show } from "@smc/store/show";
import { answers, pause, READY_MS_MAX } from "./connect.ts";
import { isSafeFolder, type Presence } from "./presence.ts";

/** A log of this size is set aside as `daemon.log.1` when the next daemon starts. */
export const LOG_BYTES_MAX = 8 * 1024 * 1024;
const READY_LINE_BYTES_MAX = 64 * 1024;
const READY_FD = 3;
const LOOK_MS = 1_000;
/** A daemon that has not even taken the store by then never will. */
const STUCK_MS = 30_000;
/** Where the tools of AWS find credentials, a region and certificates. */
const AWS = /^AWS_[A-Z0-9_]+$/;
/** The only other variables of the user's environment that a daemon gets. */
const ENVIRONMENT = new Set(
  (
    "PATH HOME USER LOGNAME LANG LC_ALL TZ TMPDIR XDG_RUNTIME_DIR SystemRoot TEMP TMP USERPROFILE " +
    "NODE_EXTRA_CA_CERTS SMC_IDLE_MS SMC_DAEMON_IDLE_MINUTES SMC_LOG"
  ).split(" "),
);

/**
 * False when another process is starting one now, or our try came to nothing. Throws what the daemon throws while it
 * opens the store.
 */
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
    return (await answers(presence)) || (await startDaemon(presence, signal));
  } finally {
    await lock.release();
  }
}

/** False when the process hung before it took the store: it is ended, and another try is safe. */
async function startDaemon(presence: Presence, signal: AbortSignal): Promise<boolean> {
  await rotate(presence.logFile);
  const log = await openLog(presence.logFile);
  try {
    // Built code also when the tests run from source: a child process cannot load TypeScript.
    const program = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
    const words = [program, presence.storePath, "--ready-fd", String(READY_FD)];
    const child = spawn(process.execPath, words, {
      detached: true,
      cwd: parse(process.execPath).root,
      env: Object.fromEntries(
        Object.entries(process.env).filter(([name]) => ENVIRONMENT.has(name) || AWS.test(name)),
      ),
      stdio: ["ignore", log.fd, log.fd, "pipe"],
      windowsHide: true,
    });
    child.unref();
    return await becomesReady(child, presence, signal);
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

/** Its own line on the pipe says how a start ended; whether the socket answers is looked at as well. */
async function becomesReady(child: ChildProcess, presence: Presence, signal: AbortSignal): Promise<boolean> {
  const failed = new Promise<never>((_, reject) => {
    child.once("error", (error) => {
      const message = `the daemon cannot be started: ${error.message}`;
      reject(new SmcError("DAEMON_UNREACHABLE", message, { cause: error }));
    });
  });
  const pipe = child.stdio[READY_FD] as Readable;
  const ended = new AbortController();
  const waiting = AbortSignal.any([signal, ended.signal]);
  try {
    return await Promise.race([
      failed,
      readReadiness(pipe, child, presence),
      watch(child, presence, waiting),
    ]);
  } finally {
    ended.abort();
    pipe.destroy();
  }
}

/** Waits for the one line that a daemon writes when it listens, or when it cannot. */
async function readReadiness(pipe: Readable, child: ChildProcess, presence: Presence): Promise<boolean> {
  let text = "";
  try {
    pipe.setEncoding("utf8");
    for await (const part of pipe) {
      text += String(part);
      if (text.includes("\n") || text.length > READY_LINE_BYTES_MAX) break;
    }
  } catch (error) {
    // Destroyed when the wait ended otherwise.
    if (!pipe.destroyed) throw error;
  }
  if (!text.includes("\n")) throw notReady(`process ${child.pid ?? 0} ended before it was ready`, presence);
  const message = JSON.parse(text) as { ready?: boolean; error?: ErrorJson };
  if (message.error !== undefined) throw SmcError.fromJSON(message.error);
  return true;
}

async function watch(child: ChildProcess, presence: Presence, signal: AbortSignal): Promise<boolean> {
  const startMs = performance.now();
  for (;;) {
    await pause(LOOK_MS, signal);
    if (await answers(presence)) return true;
    const waitedMs = performance.now() - startMs;
    // One that has the store recovers it, and that may take its time.
    if (waitedMs > STUCK_MS && (await readLockHolder(presence.ownerLock))?.pid !== child.pid) {
      child.kill("SIGKILL");
      return false;
    }
    if (waitedMs > READY_MS_MAX) {
      const what = `process ${child.pid ?? 0} has the store and is not ready after ${READY_MS_MAX / 1000} s`;
      throw notReady(what, presence);
    }
  }
}

function notReady(what: string, presence: Presence): SmcError {
  return new SmcError("DAEMON_UNREACHABLE", `the daemon did not start: ${what}; nothing was changed`, {
    hint: `see '${show(presence.logFile)}'`,
  });
}
