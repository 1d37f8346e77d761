/** Whether a metric is better when it is lower: by the setting `metrics.lower`, else by its name. Pure. */
import { SmcError } from "../errors.ts";
import { matchesPattern } from "../pattern.ts";
import { show } from "../show.ts";

const PATTERNS_MAX = 100;
const PATTERN_LENGTH_MAX = 200;

/** A word of the name says so: `val_loss`, `train/box_loss`, `latency_ms`, `error-rate`, `valLoss`. */
const LOWER =
  /(?:^|[^a-z])(?:loss|losses|err|error|errors|wrong|mae|mse|rmse|mape|nll|perplexity|ppl|wer|cer|ter|fid|kid|ece|brier|latency|duration|time|seconds|secs|ms|us|size|bytes|params|flops|macs|memory|cost|regret|distance|drift)(?=$|[^a-z])/;

/** `latency, val_*`: patterns of names. Throws ARGUMENT_INVALID. */
export function parseLower(text: string): readonly string[] {
  const patterns = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  if (patterns.length > PATTERNS_MAX)
    throw new SmcError("ARGUMENT_INVALID", `more than ${PATTERNS_MAX} patterns`);
  const long = patterns.find((pattern) => pattern.length > PATTERN_LENGTH_MAX);
  if (long !== undefined)
    throw new SmcError(
      "ARGUMENT_INVALID",
      `'${show(long, 80)}' is longer than ${PATTERN_LENGTH_MAX} characters`,
    );
  return patterns;
}

/** True when less is better. */
export function isLowerBetter(name: string, lower: readonly string[] = []): boolean {
  if (lower.some((pattern) => matchesPattern(pattern, name))) return true;
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
  return LOWER.test(words);
}
