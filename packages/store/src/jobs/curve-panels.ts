/** The curve of a job as what is drawn: a panel for each number, with that of the validation beside it. Pure. */
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";
import type { EpochPoint } from "./job-record.ts";

/** Drawn first, when the curve has them. */
const LOOKED_AT = ["loss", "acc", "accuracy", "mae"];
const PANELS_USUAL = 2;
const PANELS_MAX = 8;
/** Of one line; of a longer curve every n-th epoch, and the last. */
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

/** At most 8 panels. Throws ARGUMENT_INVALID for a metric that no epoch has. */
export function curvePanels(points: readonly EpochPoint[], wanted: readonly string[] = []): CurvePanel[] {
  const names = [...new Set(points.flatMap(({ metrics }) => Object.keys(metrics)))];
  const bases = [...new Set(names.map(baseOf))];
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new SmcError("ARGUMENT_INVALID", `no epoch of the job has the metric '${show(unknown, 80)}'`, {
      hint: names.length === 0 ? "there is no epoch yet" : `there are ${show(names.join(", "), 500)}`,
    });
  const usual = [...LOOKED_AT.filter((name) => bases.includes(name)), ...bases];
  const chosen = wanted.length > 0 ? wanted.map(baseOf) : usual.slice(0, PANELS_USUAL);
  return [...new Set(chosen)].slice(0, PANELS_MAX).map((base) => {
    const lines = [base, VALIDATION + base]
      .filter((name) => names.includes(name))
      .map((name) => ({ name, points: pointsOf(points, name) }));
    const values = lines.flatMap((line) => line.points.map(([, value]) => value));
    return {
      name: base,
      lines,
      low: Math.min(...values),
      high: Math.max(...values),
      firstEpoch: points[0]?.epoch ?? 0,
      lastEpoch: points.at(-1)?.epoch ?? 0,
    };
  });
}

function baseOf(name: string): string {
  return name.startsWith(VALIDATION) ? name.slice(VALIDATION.length) : name;
}

function pointsOf(points: readonly EpochPoint[], name: string): (readonly [number, number])[] {
  const all = points.flatMap(({ epoch, metrics }) => {
    const value = metrics[name];
    return value === undefined ? [] : [[epoch, value] as const];
  });
  const step = Math.ceil(all.length / POINTS_MAX);
  return all.filter((_, at) => at % step === 0 || at === all.length - 1);
}
