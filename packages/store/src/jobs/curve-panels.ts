/** The curve of a job as what is drawn: a panel for each number, with that of the validation beside it. Pure. */
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";

/** Drawn first, when the curve has them. */
const LOOKED_AT = ["loss", "acc", "accuracy", "mae"];
const PANELS_USUAL = 2;
const PANELS_MAX = 8;
/** Of one line. */
const POINTS_MAX = 2000;
const VALIDATION = "val_";

export interface CurveLine {
  readonly name: string;
  /** Epoch and value. */
  readonly points: readonly (readonly [number, number])[];
}

export interface CurvePanel {
  readonly name: string;
  readonly lines: readonly CurveLine[];
  readonly low: number;
  readonly high: number;
  readonly firstEpoch: number;
  readonly lastEpoch: number;
}

/** A panel before its points are known. */
export interface PlannedPanel {
  readonly name: string;
  /** Metrics of its lines. */
  readonly lines: readonly string[];
}

/** Of the metrics that a curve has: at most 8 panels. Throws ARGUMENT_INVALID for a metric that no epoch has. */
export function planPanels(names: readonly string[], wanted: readonly string[] = []): PlannedPanel[] {
  const bases = [...new Set(names.map(baseOf))];
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new SmcError("ARGUMENT_INVALID", `no epoch of the job has the metric '${show(unknown, 80)}'`, {
      hint: names.length === 0 ? "there is no epoch yet" : `there are ${show(names.join(", "), 500)}`,
    });
  const usual = [...LOOKED_AT.filter((name) => bases.includes(name)), ...bases];
  const chosen = wanted.length > 0 ? wanted.map(baseOf) : usual.slice(0, PANELS_USUAL);
  return [...new Set(chosen)].slice(0, PANELS_MAX).map((name) => {
    const lines = [name, VALIDATION + name].filter((line) => names.includes(line));
    return { name, lines };
  });
}

export function drawnPanel(
  { name, lines: names }: PlannedPanel,
  curves: ReadonlyMap<string, CurveLine["points"]>,
  { firstEpoch, lastEpoch }: Pick<CurvePanel, "firstEpoch" | "lastEpoch">,
): CurvePanel {
  const lines = names.map((line) => ({ name: line, points: thinned(curves.get(line) ?? []) }));
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value));
  return { name, lines, low: Math.min(...values), high: Math.max(...values), firstEpoch, lastEpoch };
}

/**
 * At most 2,000 of them: of a longer curve of each part the lowest and the highest, so that no peak is lost, and the
 * ends.
 */
export function thinned(points: CurveLine["points"]): CurveLine["points"] {
  if (points.length <= POINTS_MAX) return points;
  const length = Math.ceil(points.length / (POINTS_MAX / 2 - 1));
  const kept = new Set([0, points.length - 1]);
  const valueAt = (at: number): number => points[at]?.[1] ?? 0;
  for (let from = 0; from < points.length; from += length) {
    let [lowest, highest] = [from, from];
    for (let at = from; at < Math.min(from + length, points.length); at += 1) {
      if (valueAt(at) < valueAt(lowest)) lowest = at;
      if (valueAt(at) > valueAt(highest)) highest = at;
    }
    kept.add(lowest).add(highest);
  }
  return points.filter((_, at) => kept.has(at));
}

function baseOf(name: string): string {
  return name.startsWith(VALIDATION) ? name.slice(VALIDATION.length) : name;
}
