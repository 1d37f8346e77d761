/** The curve of a job: one line of JSON for each epoch, as the program told it. */
import { isSmcError } from "../errors.ts";
import { show } from "../show.ts";
import { type BestEpoch, bestOfValues, chooseMetric } from "./best-epoch.ts";
import type { EpochPoint } from "./job-record.ts";
import { readFrom } from "./job-log.ts";

/** A longer line of a program is no line of metrics. */
export const LINE_BYTES_MAX = 64 * 1024;
const NAMES_MAX = 1000;
const NAME_BYTES_MAX = 200;
const READ_BYTES = 1024 * 1024;
export const POINTS_MAX = 100_000;
/** What Python writes for numbers that JSON does not have. */
const NOT_FINITE = /(?<=[:[,\s])-?(?:NaN|Infinity)(?=[\s,}\]])/g;

export interface Told {
  readonly point: EpochPoint;
  /** Names of what is no finite number. */
  readonly leftOut: readonly string[];
}

/** A line such as `{"epoch": 1, "metrics": {"loss": 0.5}}`; undefined for any other. */
export function parseEpochLine(line: string, atMs: number): Told | undefined {
  if (!line.startsWith("{") || line.length > LINE_BYTES_MAX) return undefined;
  let value: { epoch?: unknown; metrics?: unknown } | null;
  try {
    value = JSON.parse(line.replace(NOT_FINITE, "null")) as typeof value;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { epoch, metrics } = value ?? {};
  if (typeof epoch !== "number" || !Number.isSafeInteger(epoch) || epoch < 0) return undefined;
  if (typeof metrics !== "object" || metrics === null || Array.isArray(metrics)) return undefined;
  const all = Object.entries(metrics).slice(0, NAMES_MAX);
  const isGood = ([name, number]: [string, unknown]): boolean =>
    typeof number === "number" &&
    Number.isFinite(number) &&
    Buffer.byteLength(name) <= NAME_BYTES_MAX &&
    name !== "__proto__";
  const leftOut = all.filter((entry) => !isGood(entry)).map(([name]) => show(name, 80));
  return { point: { epoch, atMs, metrics: Object.fromEntries(all.filter(isGood)) }, leftOut };
}

export interface HistoryPart {
  readonly points: readonly EpochPoint[];
  readonly nextOffset: number;
}

/** Whole lines from a byte on, at most 1 MiB of them. */
export async function readHistoryFrom(path: string, offset: number): Promise<HistoryPart> {
  const bytes = await readFrom(path, offset, READ_BYTES);
  const end = bytes.lastIndexOf("\n") + 1;
  const lines = bytes.toString("utf8", 0, end).split("\n");
  return { points: lines.flatMap(parsePoint), nextOffset: offset + end };
}

/** A line that a power cut left half written is left out. */
function parsePoint(line: string): EpochPoint[] {
  try {
    return line === "" ? [] : [JSON.parse(line) as EpochPoint];
  } catch (error) {
    if (error instanceof SyntaxError || isSmcError(error)) return [];
    throw error;
  }
}

/** Every telling of every epoch, in the order of the file. */
export async function* readPoints(path: string): AsyncGenerator<EpochPoint> {
  for (let offset = 0; ;) {
    const { points, nextOffset } = await readHistoryFrom(path, offset);
    if (nextOffset === offset) return;
    yield* points;
    offset = nextOffset;
  }
}

/** Bytes of the lines that a part of a curve holds. */
const PART_BYTES_MAX = 16 * 1024 * 1024;
/** Of all points together. */
const CURVES_MAX = 1000;

/** Which epochs of a curve are read. */
interface Part {
  readonly count: number;
  readonly isAsked: (epoch: number) => boolean;
  /** Of what is held, in the order of the epochs, what stays. */
  readonly fit: (sorted: readonly EpochPoint[]) => EpochPoint[];
}

async function readPart(path: string, { count, isAsked, fit }: Part): Promise<EpochPoint[]> {
  const held = new Map<number, EpochPoint>();
  const fitting = (): EpochPoint[] => fit([...held.values()].sort((a, b) => a.epoch - b.epoch));
  let told = 0;
  for await (const point of readPoints(path)) {
    if (!isAsked(point.epoch)) continue;
    held.set(point.epoch, point);
    told += Object.keys(point.metrics).length + 1;
    if (held.size < 2 * count && told < PART_BYTES_MAX / 16) continue;
    const kept = fitting();
    held.clear();
    for (const each of kept) held.set(each.epoch, each);
    told = 0;
  }
  return fitting();
}

/** The last ones, so many of them, and fewer where they are long. */
function lastThatFit(points: readonly EpochPoint[], count: number): EpochPoint[] {
  const last = points.slice(-count);
  let bytes = 0;
  const from = last.findLastIndex((point) => {
    bytes += JSON.stringify(point).length;
    return bytes > PART_BYTES_MAX;
  });
  return last.slice(from + 1);
}

/**
 * The newest epochs, as `readHistory` gives them, without holding all that come before: so many of them, and fewer
 * where they are long.
 */
export async function readHistoryTail(path: string, count: number): Promise<EpochPoint[]> {
  return readPart(path, { count, isAsked: () => true, fit: (sorted) => lastThatFit(sorted, count) });
}

/** The first so many epochs after one, fewer where they are long, and whether others come after them. */
export async function readHistoryPage(
  path: string,
  { after, count }: { after: number; count: number },
): Promise<{ readonly points: EpochPoint[]; readonly hasMore: boolean }> {
  // What was left out once does not come back: one before it may have been left out, too.
  let to = Number.POSITIVE_INFINITY;
  const points = await readPart(path, {
    count,
    isAsked: (epoch) => epoch > after && epoch <= to,
    fit: (sorted) => {
      const first = lastThatFit(sorted.toReversed(), count).toReversed();
      if (first.length < sorted.length) to = first.at(-1)?.epoch ?? to;
      return first;
    },
  });
  return { points, hasMore: Number.isFinite(to) };
}

/** What a curve has, without holding it. */
export interface CurveOutline {
  /** Of metrics, in the order in which they were told first; 1,000 at most. */
  readonly names: readonly string[];
  readonly firstEpoch: number;
  readonly lastEpoch: number;
}

export async function readOutline(path: string): Promise<CurveOutline> {
  const names = new Set<string>();
  let [firstEpoch, lastEpoch] = [Number.POSITIVE_INFINITY, 0];
  for await (const { epoch, metrics } of readPoints(path)) {
    for (const name of Object.keys(metrics)) if (names.size < CURVES_MAX) names.add(name);
    firstEpoch = Math.min(firstEpoch, epoch);
    lastEpoch = Math.max(lastEpoch, epoch);
  }
  return { names: [...names], firstEpoch: Math.min(firstEpoch, lastEpoch), lastEpoch };
}

/** Epochs with their values of these metrics, without holding the others; 100,000 epochs at most. */
export async function readCurves(
  path: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly (readonly [epoch: number, value: number])[]>> {
  const curves = new Map(names.map((name) => [name, new Map<number, number>()]));
  for await (const { epoch, metrics } of readPoints(path)) {
    for (const [name, values] of curves) {
      const value = metrics[name];
      // Of an epoch that is told again nothing of the first telling counts.
      if (value === undefined) values.delete(epoch);
      else if (values.size < POINTS_MAX) values.set(epoch, value);
    }
  }
  return new Map([...curves].map(([name, values]) => [name, [...values].sort(([a], [b]) => a - b)]));
}

/** All of it; of an epoch that was told twice the last time counts, so that a resumed curve has no repeat. */
export async function readHistory(path: string): Promise<EpochPoint[]> {
  const points = new Map<number, EpochPoint>();
  for await (const point of readPoints(path)) {
    points.set(point.epoch, point);
    if (points.size >= POINTS_MAX) break;
  }
  return [...points.values()].sort((a, b) => a.epoch - b.epoch);
}

/** The last epoch and the best one, without holding the points between; undefined where there is none. */
export async function readHistoryEnds(
  path: string,
  lower: readonly string[] = [],
): Promise<{ readonly last: EpochPoint | undefined; readonly best: BestEpoch | undefined }> {
  let last: EpochPoint | undefined;
  for await (const point of readPoints(path)) if (point.epoch >= (last?.epoch ?? 0)) last = point;
  const metric = chooseMetric(last?.metrics ?? {});
  if (metric === undefined) return { last, best: undefined };
  // A number for each epoch, because one that is told again takes the place of the first telling.
  const values = new Map<number, number | undefined>();
  for await (const { epoch, metrics } of readPoints(path)) {
    values.set(epoch, metrics[metric]);
    if (values.size >= POINTS_MAX) break;
  }
  return {
    last,
    best: bestOfValues(
      metric,
      [...values].sort(([a], [b]) => a - b),
      lower,
    ),
  };
}
