/** The priority of the threads that work. */
import { setPriority } from "node:os";

/** Behind the daemon's own thread, and hardly behind other programs, which may keep all cores busy for days. */
const NICE = 2;

/**
 * Lets the daemon's thread, which answers everyone, go before the calling one: where there are fewer cores than threads,
 * an answer does not wait for a piece of work to end. On Linux alone has a thread a priority of its own
 * (setpriority(2)); elsewhere this does nothing.
 */
export function stepBack(): void {
  if (process.platform === "linux") setPriority(0, NICE);
}
