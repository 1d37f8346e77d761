/** The priority of the threads that work. */
import { constants, getPriority, setPriority } from "node:os";

/** Behind the daemon's own thread, and hardly behind other programs, which may keep all cores busy for days. */
const STEP = 2;

/**
 * Lets the daemon's thread, which answers everyone, go before the calling one: where there are fewer cores than
 * threads, an answer does not wait for a piece of work to end. On Linux alone has a thread a priority of its own
 * (setpriority(2)); elsewhere this does nothing.
 */
export function stepBack(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(0, Math.min(getPriority(0) + STEP, constants.priority.PRIORITY_LOW));
  } catch {
    // A system that forbids it: the work is done all the same.
  }
}
