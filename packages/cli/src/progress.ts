/**
 * Progress of a call as text: a bar for terminals, a line every ten per cent elsewhere. Pure but for the clock given
 * in.
 */
import type { Progress } from "@smc/store";
import { formatDuration, formatSize, textWidth } from "./format.ts";

const REDRAW_MS = 100;
const SAMPLES_MAX = 10;
const BAR_WIDTH_MAX = 20;
const BAR_WIDTH_MIN = 4;
/** Both ends of the bar, the space behind it, and the last column, which stays free. */
const BAR_FRAME_WIDTH = 4;
/** What is done sooner than this needs no progress. */
const QUIET_MS = 300;
const STEP_PERCENT = 10;

export type ProgressStyle = "none" | "plain" | "fancy";

export interface ProgressView {
  /** What to write for this state: for "fancy" a text that replaces the last one, for "plain" a line; or nothing. */
  next(progress: Progress, nowMs: number): string | undefined;
}

function amount(count: number, unit: Progress["unit"]): string {
  return unit === "bytes" ? formatSize(count) : `${count}`;
}

function percent(progress: Progress): number | undefined {
  if (progress.total === undefined) return undefined;
  if (progress.total <= 0) return 100;
  return Math.min(100, Math.floor((100 * progress.done) / progress.total));
}

function counts(progress: Progress): string {
  const of = progress.total === undefined ? "" : ` of ${amount(progress.total, progress.unit)}`;
  const unit = progress.unit === "bytes" ? "" : ` ${progress.unit}`;
  return `${amount(progress.done, progress.unit)}${of}${unit}`;
}

/** Units a second over the last samples, or undefined while there are too few. */
export class Rate {
  readonly #samples: { ms: number; done: number }[] = [];

  add(done: number, ms: number): number | undefined {
    this.#samples.push({ ms, done });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || ms - first.ms < REDRAW_MS || done <= first.done) return undefined;
    return ((done - first.done) * 1000) / (ms - first.ms);
  }
}

/** "▕█████     ▏", or nothing where it would not fit. */
function bar(percentDone: number, columns: number): string {
  const width = Math.min(BAR_WIDTH_MAX, columns);
  if (width < BAR_WIDTH_MIN) return "";
  const full = Math.round((width * percentDone) / 100);
  return `▕${"█".repeat(full)}${" ".repeat(width - full)}▏ `;
}

/** Rate and time left, as far as they are known. */
function speed({ done, total, unit }: Progress, rate: number | undefined): string[] {
  if (rate === undefined) return [];
  const each = unit === "bytes" ? `${formatSize(rate)}/s` : `${Math.round(rate)}/s`;
  if (total === undefined || total <= done) return [each];
  return [each, `${formatDuration((total - done) / rate)} left`];
}

function fancyLine(progress: Progress, rate: number | undefined, columns: number): string {
  const done = percent(progress);
  const parts = [counts(progress), ...speed(progress, rate)];
  const head = `${progress.phase}  `;
  const tail = done === undefined ? parts.join("  ") : `${String(done).padStart(3)} %  ${parts.join("  ")}`;
  const free = columns - textWidth(head) - textWidth(tail) - BAR_FRAME_WIDTH;
  return cutTo(`${head}${done === undefined ? "" : bar(done, free)}${tail}`, columns - 1);
}

/** At most so many columns of a text. */
export function cutTo(text: string, columns: number): string {
  let cut = text;
  while (textWidth(cut) > columns && cut !== "") cut = cut.slice(0, -1);
  return cut;
}

/** A view of one style. `columns` is the width of the terminal. */
export function createProgressView(style: ProgressStyle, columns: number): ProgressView {
  let startedMs: number | undefined;
  let drawnMs = Number.NEGATIVE_INFINITY;
  let phase = "";
  let step = 0;
  let rate = new Rate();
  const enter = (progress: Progress, nowMs: number): void => {
    if (progress.phase === phase) return;
    phase = progress.phase;
    step = 0;
    rate = new Rate();
    rate.add(progress.done, nowMs);
  };
  const plain = (progress: Progress, nowMs: number): string | undefined => {
    const reached = Math.floor((percent(progress) ?? 0) / STEP_PERCENT);
    if (reached <= step) return undefined;
    step = reached;
    const amounts = [counts(progress), ...speed(progress, rate.add(progress.done, nowMs))];
    return `${progress.phase}: ${reached * STEP_PERCENT} % (${amounts.join(", ")})`;
  };
  return {
    next: (progress, nowMs) => {
      startedMs ??= nowMs;
      enter(progress, nowMs);
      if (style === "none" || nowMs - startedMs < QUIET_MS) return undefined;
      if (style === "plain") return plain(progress, nowMs);
      if (nowMs - drawnMs < REDRAW_MS) return undefined;
      drawnMs = nowMs;
      return fancyLine(progress, rate.add(progress.done, nowMs), columns);
    },
  };
}
