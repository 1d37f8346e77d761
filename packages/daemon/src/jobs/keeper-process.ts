/** The keepers of programs, as the daemon sees them: started, found again, asked to end, waited for. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { jobPlaces, type JobRecord, readClaim } from "@smc/store";
import { openLog } from "@smc/store/fs";
import { isAlive, type LockHolder } from "@smc/store/lock";

/** One that was not started by this daemon is looked at so often. */
const LOOK_MS = 200;
const CLAIM_LOOK_MS = 20;
/** What a keeper itself gets of the daemon's environment. */
const ENVIRONMENT = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "SystemRoot"];

export interface Keeper {
  readonly holder: LockHolder;
  /** Resolves when it is gone. Throws the reason of the signal when that fires. */
  readonly gone: (signal: AbortSignal) => Promise<void>;
}

/** Starts a keeper and waits until the attempt is its own; undefined when it ended without. */
export async function startKeeper(storePath: string, record: JobRecord): Promise<Keeper | undefined> {
  const places = jobPlaces(storePath, record);
  const log = await openLog(places.keeperLog);
  try {
    // Built code also when the tests run from source: a child process cannot load TypeScript.
    const program = fileURLToPath(new URL("../../dist/jobs/keeper.js", import.meta.url));
    const child = spawn(process.execPath, [program, storePath, record.id], {
      // It outlives this daemon, and the terminal that started it.
      detached: true,
      cwd: places.root,
      env: Object.fromEntries(
        ENVIRONMENT.flatMap((name) => {
          const value = process.env[name];
          return value === undefined ? [] : [[name, value]];
        }),
      ),
      stdio: ["ignore", log.fd, log.fd],
      windowsHide: true,
    });
    child.unref();
    let hasExited = false;
    const exited = once(child, "exit").then(
      () => undefined,
      // It could not be started at all: its claim never comes.
      () => undefined,
    );
    void exited.then(() => {
      hasExited = true;
    });
    for (;;) {
      const wasGone = hasExited;
      const holder = await readClaim(places, record.attempt);
      if (holder !== undefined) return { holder, gone: (signal) => orAborted(exited, signal) };
      if (wasGone) return undefined;
      await Promise.race([exited, sleep(CLAIM_LOOK_MS)]);
    }
  } finally {
    await log.close();
  }
}

/** The keeper that claimed an attempt under an earlier daemon. */
export function keeperOf(holder: LockHolder): Keeper {
  const gone = async (signal: AbortSignal): Promise<void> => {
    while (isAlive(holder)) await sleep(LOOK_MS, undefined, { signal });
  };
  return { holder, gone };
}

const SIGNALS = { stop: "SIGTERM", cancel: "SIGINT", look: "SIGUSR2" } as const;

/** Asks for the end of the program, or to look whether it shall stand still; a keeper that is gone needs no asking. */
export function askKeeper({ holder }: Keeper, what: "stop" | "cancel" | "look"): void {
  if (!isAlive(holder)) return;
  try {
    process.kill(holder.pid, SIGNALS[what]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<never>((_, reject) => {
    const fail = (): void => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
  await Promise.race([work, aborted]);
}
