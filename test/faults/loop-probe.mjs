/**
 * Preloaded into a daemon (`node --import`): writes down each time its event loop did not turn while its own thread was
 * at work. A loop that waits for a processor, as it must on a crowded machine, is not written down: what counts is
 * the processor time of the thread, not the time that went by. For Linux.
 */
import { appendFileSync, openSync, readSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const PERIOD_MS = 5;
/** Shorter turns are of no interest. */
const TURN_MS_MIN = 20;
const log = process.env.SMC_LOOP_LOG;

/** Processor time of the main thread so far: the first number of schedstat(5), in nanoseconds. */
function createClock() {
  const fd = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
  const buffer = Buffer.alloc(64);
  return () => {
    const length = readSync(fd, buffer, 0, buffer.length, 0);
    return Number.parseInt(buffer.toString("latin1", 0, length), 10) / 1e6;
  };
}

if (isMainThread && log !== undefined) {
  const clock = createClock();
  let last = clock();
  let lastWall = performance.now();
  appendFileSync(log, "");
  // The timer is due all the time, so it runs once a turn: between two of its ticks is one turn and at most a period.
  setInterval(() => {
    const now = clock();
    const wall = performance.now();
    const turnMs = now - last - PERIOD_MS;
    if (turnMs >= TURN_MS_MIN) {
      const line = { turnMs: Math.round(turnMs), wallMs: Math.round(wall - lastWall) };
      appendFileSync(log, `${JSON.stringify(line)}\n`);
    }
    last = clock();
    lastWall = performance.now();
  }, PERIOD_MS).unref();
}
