/** How long the event loop did not turn: the promise is 50 ms at most. */
import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 10;

export interface LoopDelay {
  read(): { loopDelayMaxMs: number; loopDelayP99Ms: number };
  reset(): void;
  stop(): void;
}

export function watchLoopDelay(): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // Each sample is the time between two ticks of a timer, so the timer's own period is taken off.
  const toMs = (ns: number): number => Math.max(0, Math.round(ns / 1e5) / 10 - RESOLUTION_MS);
  return {
    read: () => ({
      loopDelayMaxMs: histogram.count === 0 ? 0 : toMs(histogram.max),
      loopDelayP99Ms: histogram.count === 0 ? 0 : toMs(histogram.percentile(99)),
    }),
    reset: () => histogram.reset(),
    stop: () => {
      histogram.disable();
    },
  };
}
