/**
 * Whether this process still holds LevelDB's own lock. It is a POSIX record lock: closing any descriptor of the file
 * drops it, so whatever in this process opens db/LOCK unlocks the database without a word.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** Tells whether the lock is held; undefined where the system does not say (anything but Linux). */
export function watchLock(path: string): (() => boolean) | undefined {
  const isHeld = findLock(path);
  return isHeld?.() === true ? isHeld : undefined;
}

function findLock(path: string): (() => boolean) | undefined {
  let names;
  try {
    names = readdirSync("/proc/self/fd");
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "EACCES") return undefined;
    throw error;
  }
  const lockPath = join(realpathSync(path), "LOCK");
  const descriptor = names.find((name) => targetOf(name) === lockPath);
  if (descriptor === undefined) return undefined;
  return () =>
    targetOf(descriptor) === lockPath &&
    readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8").includes("lock:");
}

function targetOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch (error) {
    // Closed since the folder was read.
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
