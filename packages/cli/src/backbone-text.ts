/** Backbones as text. */
import type { BackboneResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatAgo, formatDuration, formatNumber, formatTable, shortDigest } from "./format.ts";

const WORD_SHOWN = 60;
const METRICS_SHOWN = 4;

type Described = NonNullable<BackboneResult["described"]>;

export function kindTable(kinds: BackboneResult["kinds"]): string[] {
  const rows = kinds.map(({ name, layers, weights, summary }) => [
    name,
    String(layers),
    weights === null ? "" : String(weights),
    summary,
  ]);
  return formatTable([["NAME", "LAYERS", "PARAMETERS", ""], ...rows], [1, 2]);
}

/** `tiny-cnn  layers 2  width 1  dropout 0`. */
export function settingsLine({ backbone }: Described): string {
  const { name, ...more } = backbone;
  const parts = Object.entries(more).map(([key, value]) => `${key} ${show(String(value), WORD_SHOWN)}`);
  return [String(name), ...parts].join("  ");
}

/** `28 x 28 x 1 -> 10, 105866 parameters`. */
export function sizeLine({ inputShape, outputs, weights }: Described): string {
  return `${inputShape.join(" x ")} -> ${outputs}, ${weights} parameters`;
}

export function layerTable({ layers }: Pick<Described, "layers">): string[] {
  const rows = layers.map(({ kind, name, shape, weights }) => [
    show(kind, WORD_SHOWN),
    show(name, WORD_SHOWN),
    shape.join(" x "),
    weights === 0 ? "" : String(weights),
  ]);
  return formatTable([["LAYER", "NAME", "OUTPUT", "PARAMETERS"], ...rows], [3]);
}

/** What was trained with it; none without runs. */
export function historyTable(history: BackboneResult["history"], nowMs: number): string[] {
  if (history.length === 0) return [];
  const rows = history.map(({ job, name, state, createdMs, seconds, commit, metrics }) => [
    job,
    show(name, WORD_SHOWN),
    state,
    commit === null ? "" : shortDigest(commit),
    formatAgo(createdMs, nowMs),
    seconds === null ? "" : formatDuration(seconds),
    Object.entries(metrics)
      .slice(0, METRICS_SHOWN)
      .map(([metric, value]) => `${show(metric, WORD_SHOWN)} ${formatNumber(value)}`)
      .join("  "),
  ]);
  return formatTable([["JOB", "NAME", "STATE", "COMMIT", "MADE", "TIME", "METRICS"], ...rows]);
}
