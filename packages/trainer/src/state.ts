/** How far a run is: all that a checkpoint holds beside weights. Plain JSON data. */
import type { Metrics, PlateauState, Progress } from "./callbacks/watch.ts";
import type { TrainSpec } from "./spec.ts";

export interface EpochRow {
  /** Counted from 1, without gaps over any number of interruptions. */
  readonly epoch: number;
  readonly metrics: Metrics;
  /** The learning rate of its last step. */
  readonly lr: number;
  readonly seconds: number;
}

export interface RunState {
  /** Whole epochs that are done. */
  epoch: number;
  /** Batches of the next epoch that are done: more than 0 only where a run was stopped. */
  batch: number;
  /** Steps over all epochs. */
  step: number;
  /** Of the batches of the epoch that is not whole. */
  sums: { loss: number; hits: number; samples: number; seconds: number; lr: number };
  history: EpochRow[];
  /** Of the early stop's metric; nothing is counted where there is no early stop. */
  progress: Progress;
  plateau: PlateauState;
  /** How many epochs the run that saved it was to have; absent in checkpoints of before. */
  epochs?: number;
}

export const NO_SUMS = { loss: 0, hits: 0, samples: 0, seconds: 0, lr: 0 } as const;

export function startState(): RunState {
  return {
    epoch: 0,
    batch: 0,
    step: 0,
    sums: { ...NO_SUMS },
    history: [],
    progress: { waited: 0 },
    plateau: { progress: { waited: 0 }, cooldown: 0, scale: 1 },
  };
}

/** Fields that may differ between a run and the one that continues it: they decide when it ends and what is kept. */
const FREE_FIELDS = ["callbacks", "epochs", "checkpoint", "timeLimitMs", "terminateOnNan"];

/** What of the spec a run may not be continued without: it decides about the weights, or about which are best. */
export function fixedPart(spec: TrainSpec): Record<string, unknown> {
  const { earlyStop } = spec;
  const fixed = Object.entries(spec).filter(([name]) => !FREE_FIELDS.includes(name));
  // Only its patience is free: a best epoch by another measure would have no weights any more.
  return { ...Object.fromEntries(fixed), earlyStop: earlyStop && { ...earlyStop, patience: undefined } };
}

/** Dotted names of the fields that differ, with both values. */
export function differences(before: unknown, after: unknown, prefix = ""): string[] {
  if (isRecord(before) && isRecord(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) =>
      differences(before[name], after[name], prefix === "" ? name : `${prefix}.${name}`),
    );
  }
  const [old, now] = [JSON.stringify(before) ?? "not set", JSON.stringify(after) ?? "not set"];
  return old === now ? [] : [`${prefix} was ${old} and is now ${now}`];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
