/** Checkpoints of a run: `checkpoints/epoch-0003.safetensors`, each enough to go on from. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, removeFile, replaceFile } from "@smc/store/fs";
import { show } from "@smc/store/show";
import { isLessBetter } from "./callbacks/watch.ts";
import type { Model, NamedTensors } from "./engine/model.ts";
import { decodeTensors, encodeTensors } from "./safetensors.ts";
import type { TrainSpec } from "./spec.ts";
import { differences, fixedPart, type RunState } from "./state.ts";

const FOLDER = "checkpoints";
const FORMAT = "1";
/** Whole epochs and, where a run was stopped inside of one, batches of the next. */
const NAME = /^epoch-(\d{4,})(?:-batch-(\d{6,}))?\.safetensors$/;
const TEMPORARY = /^epoch-\S+\.safetensors\.[0-9a-f]{12}\.tmp$/;

interface Entry {
  readonly name: string;
  readonly epoch: number;
  readonly batch: number;
}

/** Everything that a run needs to go on as if it had never ended. */
export interface Snapshot {
  readonly state: RunState;
  readonly weights: NamedTensors;
  readonly slots: NamedTensors;
  /** Weights of the best epoch; absent where they are not asked for. */
  readonly best: NamedTensors | undefined;
}

function pathOf(outputDir: string, name = ""): string {
  return join(outputDir, FOLDER, name);
}

/** What a checkpoint belongs to. */
interface Run {
  readonly outputDir: string;
  readonly spec: TrainSpec;
  readonly dataDigest: string;
}

/**
 * Durable and whole, or not there at all. Returns its path below the output folder. Throws DISK_FULL and other I/O
 * errors.
 */
export async function writeCheckpoint(
  { outputDir, spec, dataDigest }: Run,
  { state, weights, slots, best }: Snapshot,
): Promise<string> {
  const batch = state.batch === 0 ? "" : `-batch-${String(state.batch).padStart(6, "0")}`;
  const name = `epoch-${String(state.epoch).padStart(4, "0")}${batch}.safetensors`;
  const tensors = new Map([
    ...prefixed("weight", weights),
    ...prefixed("slot", slots),
    ...(best === undefined ? [] : prefixed("best", best)),
  ]);
  const metadata = {
    "smc.checkpoint": FORMAT,
    "smc.data": dataDigest,
    "smc.spec": JSON.stringify(fixedPart(spec)),
    "smc.state": JSON.stringify(state),
  };
  await createFolder(pathOf(outputDir));
  await replaceFile(pathOf(outputDir, name), encodeTensors({ tensors, metadata }));
  await prune(outputDir, { spec, state });
  return `${FOLDER}/${name}`;
}

function prefixed(
  prefix: string,
  tensors: NamedTensors,
): [string, { shape: readonly number[]; values: Float32Array }][] {
  return [...tensors].map(([name, tensor]) => [`${prefix}/${name}`, tensor]);
}

function withPrefix(prefix: string, tensors: NamedTensors): NamedTensors {
  const start = `${prefix}/`;
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(start))
      .map(([name, tensor]) => [name.slice(start.length), tensor]),
  );
}

async function list(outputDir: string): Promise<{ entries: Entry[]; temporary: string[] }> {
  let names: string[];
  try {
    names = await readdir(pathOf(outputDir));
  } catch (error) {
    const known = fromErrno(error, `cannot read '${show(pathOf(outputDir))}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return { entries: [], temporary: [] };
    throw known;
  }
  const entries = names.flatMap((name) => {
    const match = NAME.exec(name);
    return match === null ? [] : [{ name, epoch: Number(match[1]), batch: Number(match[2] ?? 0) }];
  });
  entries.sort((left, right) => left.epoch - right.epoch || left.batch - right.batch);
  return { entries, temporary: names.filter((name) => TEMPORARY.test(name)) };
}

export async function hasCheckpoints(outputDir: string): Promise<boolean> {
  return (await list(outputDir)).entries.length > 0;
}

/** Leaves the best and the last ones, and takes away what a kill left behind. */
async function prune(
  outputDir: string,
  { spec, state }: { spec: TrainSpec; state: RunState },
): Promise<void> {
  const { entries, temporary } = await list(outputDir);
  const kept = new Set(keptNames(entries, { spec, state }));
  for (const { name } of entries) {
    if (!kept.has(name)) await removeFile(pathOf(outputDir, name));
  }
  for (const name of temporary) await removeFile(pathOf(outputDir, name));
}

function keptNames(
  entries: readonly Entry[],
  { spec, state }: { spec: TrainSpec; state: RunState },
): string[] {
  const { checkpoint } = spec;
  const last = entries.slice(-checkpoint.keepLast);
  const sign = isLessBetter(checkpoint) ? 1 : -1;
  const scored = entries
    .filter(({ batch }) => batch === 0)
    .map(({ name, epoch }) => ({ name, epoch, value: state.history[epoch - 1]?.metrics[checkpoint.metric] }))
    .filter((entry): entry is { name: string; epoch: number; value: number } => Number.isFinite(entry.value));
  // Of two that are equal the earlier one: it took less training.
  scored.sort((left, right) => sign * (left.value - right.value) || left.epoch - right.epoch);
  return [...last, ...scored.slice(0, checkpoint.keepBest)].map(({ name }) => name);
}

/**
 * The newest checkpoint that can be read, or undefined where there is none. One that is damaged is told to `warn` and
 * the one before it is taken. Throws CONFIG_INVALID when it belongs to another spec or other data.
 */
export async function readCheckpoint(run: Run, warn: (text: string) => void): Promise<Snapshot | undefined> {
  const { entries } = await list(run.outputDir);
  for (const { name } of entries.toReversed()) {
    let snapshot: Snapshot | undefined;
    try {
      snapshot = decodeCheckpoint(await readFile(pathOf(run.outputDir, name)), { name, run });
    } catch (error) {
      const known = fromErrno(error, `cannot read the checkpoint '${show(name)}'`);
      if (!isSmcError(known, "FILE_MALFORMED")) throw known;
      warn(`${known.message}; the checkpoint before it is used`);
    }
    if (snapshot !== undefined) return snapshot;
  }
  return undefined;
}

function decodeCheckpoint(bytes: Uint8Array, { name, run }: { name: string; run: Run }): Snapshot {
  const { tensors, metadata } = decodeTensors(bytes, name);
  if (metadata["smc.checkpoint"] !== FORMAT) {
    throw new SmcError("FORMAT_UNSUPPORTED", `'${show(name)}' is a checkpoint of another version of smc`);
  }
  const changed = differences(
    JSON.parse(metadata["smc.spec"] ?? "{}"),
    JSON.parse(JSON.stringify(fixedPart(run.spec))),
  );
  if (metadata["smc.data"] !== run.dataDigest) changed.push("the data are not the same");
  if (changed.length > 0) {
    throw new SmcError("CONFIG_INVALID", `the run cannot be continued: ${show(changed.join("; "), 2000)}`, {
      hint: "start a new run for new settings; epochs, checkpoint, earlyStop.patience and timeLimitMs may change",
      details: { changed },
    });
  }
  const best = withPrefix("best", tensors);
  return {
    state: JSON.parse(metadata["smc.state"] ?? "{}") as RunState,
    weights: withPrefix("weight", tensors),
    slots: withPrefix("slot", tensors),
    best: best.size === 0 ? undefined : best,
  };
}

/** Puts a model where the snapshot was. */
export function restore(model: Model, { weights, slots }: Snapshot): void {
  model.setWeights(weights);
  model.setSlots(slots);
}
