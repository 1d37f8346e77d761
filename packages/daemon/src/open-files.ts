/** Whether this process may have enough files open at once: Node alone needs more than a hundred to load a program. */
import { readFileSync } from "node:fs";
import { SmcError } from "@smc/store/errors";

const OPEN_FILES_MIN = 256;

/**
 * Throws IO_FAILED when the limit is lower than what the daemon needs. Linux only: elsewhere nothing tells the limit.
 */
export function assertOpenFiles(): void {
  const limit = /^Max open files +(\d+)/m.exec(readLimits())?.[1];
  if (limit === undefined || Number(limit) >= OPEN_FILES_MIN) return;
  throw new SmcError("IO_FAILED", `the daemon may have only ${limit} files open; nothing was changed`, {
    hint: `raise the limit to ${OPEN_FILES_MIN} or more (see ulimit -n)`,
  });
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    // Not Linux, or without /proc: nothing tells, and nothing is refused.
    return "";
  }
}
