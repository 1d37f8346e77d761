/**
 * How far a program is, as it says itself: the file that SMC_PROGRESS_FILE names, replaced whole by the program as
 * often as it likes. Nothing depends on it, so it may be old or wrong: it is only shown.
 */
import { stat } from "node:fs/promises";
import { isSmcError } from "../errors.ts";
import { readSmall } from "../worktree/head.ts";

const BYTES_MAX = 64 * 1024;
const METRICS_MAX = 100;
const PREDICTIONS_MAX = 32;
const LAYERS_MAX = 500;
const DIMENSIONS_MAX = 8;
const TEXT_LENGTH_MAX = 200;
const REASON_LENGTH_MAX = 1000;

/** What the model makes of a sample that it does not learn from. */
export interface SamplePrediction {
  /** Number of the sample in the data. */
  readonly sample: number;
  readonly expected: string | number;
  readonly predicted: string | number;
  /** How sure it is, from 0 to 1. */
  readonly probability?: number;
}

/** A layer of the network that is trained. */
export interface ProgressLayer {
  /** `conv`, `dense`. */
  readonly kind: string;
  /** Empty where it has none. */
  readonly name: string;
  /** What comes out of it for one sample. */
  readonly shape: readonly number[];
  /** Numbers that are learned in it. */
  readonly weights: number;
}

export interface JobProgress {
  /** When it was said, in microseconds. */
  readonly atUs: number;
  /** The epoch that is being learned, or was learned last. */
  readonly epoch: number;
  readonly epochs: number | null;
  /** Steps of this epoch that are done. */
  readonly step: number;
  readonly steps: number | null;
  /** Numbers that are learned. */
  readonly weights: number | null;
  /** Of the epoch so far. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Why it ends before its last epoch. */
  readonly reason: string | null;
  /** Of the last epoch whose predictions were told. */
  readonly predictions: readonly SamplePrediction[];
  /** Of its network, in their order. */
  readonly layers: readonly ProgressLayer[];
}

/** Undefined when nothing was said, or nothing that can be understood. */
export async function readProgress(path: string): Promise<JobProgress | undefined> {
  try {
    // Looked at before it is read: what is said meanwhile is told once more, not left out.
    const { mtimeNs } = await stat(path, { bigint: true });
    const said = JSON.parse((await readSmall(path, BYTES_MAX)).toString("utf8")) as unknown;
    return isRecord(said) ? toProgress(said, Number(mtimeNs / 1000n)) : undefined;
  } catch (error) {
    // A link, a pipe, no right to read it: whatever a program puts there, the job can be watched.
    const isFile = isSmcError(error) || (error as NodeJS.ErrnoException).syscall !== undefined;
    if (isFile || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function toProgress(said: Readonly<Record<string, unknown>>, atUs: number): JobProgress {
  const metrics = isRecord(said["metrics"]) ? Object.entries(said["metrics"]) : [];
  const listed = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
  return {
    atUs,
    epoch: countOf(said["epoch"]) ?? 0,
    epochs: countOf(said["epochs"]),
    step: countOf(said["step"]) ?? 0,
    steps: countOf(said["steps"]),
    weights: countOf(said["weights"]),
    metrics: Object.fromEntries(
      metrics
        .filter((entry): entry is [string, number] => Number.isFinite(entry[1]) && entry[0] !== "__proto__")
        .slice(0, METRICS_MAX),
    ),
    reason: typeof said["reason"] === "string" ? said["reason"].slice(0, REASON_LENGTH_MAX) : null,
    predictions: listed(said["predictions"]).slice(0, PREDICTIONS_MAX).flatMap(toPrediction),
    layers: listed(said["layers"]).slice(0, LAYERS_MAX).flatMap(toLayer),
  };
}

function toPrediction(said: unknown): SamplePrediction[] {
  if (!isRecord(said)) return [];
  const [expected, predicted] = [labelOf(said["expected"]), labelOf(said["predicted"])];
  const { probability } = said;
  const sample = countOf(said["sample"]);
  if (expected === undefined || predicted === undefined || sample === null) return [];
  const isSure = typeof probability === "number" && probability >= 0 && probability <= 1;
  return [{ sample, expected, predicted, ...(isSure ? { probability } : {}) }];
}

function toLayer(said: unknown): ProgressLayer[] {
  if (!isRecord(said)) return [];
  const { kind, name, shape, weights } = said;
  if (typeof kind !== "string" || !Array.isArray(shape)) return [];
  const lengths = (shape as unknown[]).slice(0, DIMENSIONS_MAX).map(countOf);
  if (lengths.includes(null)) return [];
  return [
    {
      kind: kind.slice(0, TEXT_LENGTH_MAX),
      name: typeof name === "string" ? name.slice(0, TEXT_LENGTH_MAX) : "",
      shape: lengths.filter((length) => length !== null),
      weights: countOf(weights) ?? 0,
    },
  ];
}

function labelOf(value: unknown): string | number | undefined {
  if (typeof value === "string") return value.slice(0, TEXT_LENGTH_MAX);
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function countOf(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
