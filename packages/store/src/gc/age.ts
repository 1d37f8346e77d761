/**
 * How long ago something was, as far as the journal bears out what the clock says. A clock that jumped must not make
 * what is young look old, so a pause without any change counts for little.
 */
const DAY_MS = 86_400_000;
/** A pause counts for this at most … */
const PAUSE_MS_MAX = 7 * DAY_MS;
/** … and for nothing when it is longer than this: then it is likelier that the clock is wrong. */
const PAUSE_MS_CREDIBLE = 365 * DAY_MS;

/** When a change of refs was made. */
export interface Moment {
  readonly seq: number;
  readonly ms: number;
}

export interface Past {
  /** The newest change that is at least so long ago; undefined when none is. */
  readonly last: Moment | undefined;
  /** The clock alone would have said more. */
  readonly isDoubtful: boolean;
}

function counted(pauseMs: number): number {
  return pauseMs > PAUSE_MS_CREDIBLE ? 0 : Math.min(pauseMs, PAUSE_MS_MAX);
}

/** Looks back over changes, the newest first, until one is as old as the span. */
export async function lookBack(
  moments: AsyncIterable<Moment>,
  { nowMs, spanMs }: { nowMs: number; spanMs: number },
): Promise<Past> {
  let [ageMs, laterMs, isDoubtful] = [0, nowMs, false];
  for await (const moment of moments) {
    // One that is later than what came after it is of a clock that was wrong then.
    ageMs += counted(Math.max(0, laterMs - moment.ms));
    if (ageMs >= spanMs) return { last: moment, isDoubtful };
    isDoubtful ||= nowMs - moment.ms >= spanMs;
    laterMs = Math.min(laterMs, moment.ms);
  }
  return { last: undefined, isDoubtful };
}

/** True when the span has passed since a moment that is not in the journal. */
export async function hasPassed(
  moments: AsyncIterable<Moment>,
  { sinceMs, nowMs, spanMs }: { sinceMs: number; nowMs: number; spanMs: number },
): Promise<boolean> {
  let [ageMs, laterMs] = [0, nowMs];
  for await (const { ms } of moments) {
    if (ms <= sinceMs || ageMs >= spanMs) break;
    ageMs += counted(Math.max(0, laterMs - ms));
    laterMs = Math.min(laterMs, ms);
  }
  return ageMs + counted(Math.max(0, laterMs - sinceMs)) >= spanMs;
}
