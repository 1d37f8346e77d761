/** Which epoch was the best, by the metric that people look at first. Pure. */
import { isLowerBetter } from "../registry/metric-direction.ts";
import type { EpochPoint } from "./job-record.ts";

/** The first of these that the curve has is looked at, else the first metric of its last point. */
const LOOKED_AT = ["val_acc", "val_accuracy", "val_loss", "acc", "accuracy", "loss"];

export interface BestEpoch {
  readonly epoch: number;
  readonly metric: string;
  readonly value: number;
}

/** Undefined when there is none. */
export function chooseMetric(metrics: Readonly<Record<string, number>>): string | undefined {
  return LOOKED_AT.find((name) => Object.hasOwn(metrics, name)) ?? Object.keys(metrics)[0];
}

/** Undefined for a curve without points; of equal ones the first. */
export function bestEpoch(
  points: readonly EpochPoint[],
  lower: readonly string[] = [],
): BestEpoch | undefined {
  const last = points.at(-1)?.metrics ?? {};
  const metric = chooseMetric(last);
  if (metric === undefined) return undefined;
  const values = points.map(({ epoch, metrics }) => [epoch, metrics[metric]] as const);
  return bestOfValues(metric, values, lower);
}

/** Epochs with their values; of equal ones the first. */
export function bestOfValues(
  metric: string,
  values: Iterable<readonly [epoch: number, value: number | undefined]>,
  lower: readonly string[] = [],
): BestEpoch | undefined {
  const sign = isLowerBetter(metric, lower) ? -1 : 1;
  let best: BestEpoch | undefined;
  for (const [epoch, value] of values) {
    if (value === undefined || (best !== undefined && sign * value <= sign * best.value)) continue;
    best = { epoch, metric, value };
  }
  return best;
}

/** The same where the best of all points before is known. */
export function bestSince(
  before: BestEpoch | undefined,
  points: readonly EpochPoint[],
): BestEpoch | undefined {
  if (before === undefined) return bestEpoch(points);
  const { epoch, metric, value } = before;
  return bestEpoch([{ epoch, atMs: 0, metrics: { [metric]: value } }, ...points]);
}
