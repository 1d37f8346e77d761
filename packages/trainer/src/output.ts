/** The files that a run leaves in its output folder. */
import { createHash } from "node:crypto";
import { cpus, platform, release } from "node:os";
import { join } from "node:path";
import { replaceFile } from "@smc/store/fs";
import * as tf from "@tensorflow/tfjs-core";
import { callbackNames, CSV } from "./callbacks/names.ts";
import type { Metrics } from "./callbacks/watch.ts";
import type { Scaling } from "./data/batches.ts";
import type { BackendName } from "./engine/backend.ts";
import type { ExtractorCard } from "./engine/extractor.ts";
import type { NamedTensors } from "./engine/model.ts";
import type { Network } from "./engine/network.ts";
import { encodeTensors } from "./safetensors.ts";
import { metricNames, type TrainSpec } from "./spec.ts";
import type { EpochRow } from "./state.ts";

const HISTORY = "history.csv";

export function hasHistory({ callbacks }: Pick<TrainSpec, "callbacks">): boolean {
  return callbackNames(callbacks).includes(CSV);
}

/** A row for each epoch; old or new after a crash, never half. */
export async function writeHistory(
  outputDir: string,
  { spec, history }: { spec: TrainSpec; history: readonly EpochRow[] },
): Promise<string> {
  const names = metricNames(spec);
  const rows = history.map(({ epoch, metrics, lr, seconds }) =>
    [epoch, ...names.map((name) => metrics[name] ?? "nan"), lr, seconds.toFixed(3)].join(","),
  );
  const text = [["epoch", ...names, "lr", "seconds"].join(","), ...rows, ""].join("\n");
  await replaceFile(join(outputDir, HISTORY), text, { durable: false });
  return HISTORY;
}

export interface ChosenModel {
  readonly weights: NamedTensors;
  readonly epoch: number;
  /** Batches that were learned after that epoch. */
  readonly batch: number;
}

export interface Outcome {
  readonly spec: TrainSpec;
  readonly network: Network;
  readonly classes: readonly string[];
  readonly scaling: Scaling;
  /** Absent where no epoch was whole, or where the loss was no number. */
  readonly model: ChosenModel | undefined;
  readonly history: readonly EpochRow[];
  readonly dataDigest: string;
  /** What made the inputs of the network out of samples; absent where they are samples. */
  readonly extractor: ExtractorCard | undefined;
  readonly backend: BackendName;
}

/** Writes every file; `modelDigest` is the SHA-256 of model.safetensors. */
export async function writeOutput(
  outputDir: string,
  outcome: Outcome,
): Promise<{ files: string[]; modelDigest?: string; metrics: Metrics }> {
  const { spec, network, classes, scaling, model, history, extractor } = outcome;
  const files = hasHistory(spec) ? [await writeHistory(outputDir, outcome)] : [];
  const write = async (name: string, content: string | Uint8Array): Promise<void> => {
    await replaceFile(join(outputDir, name), content);
    files.push(name);
  };
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const { epoch, batch } = model ?? { epoch: history.length, batch: 0 };
  const metrics = (batch === 0 ? history[epoch - 1]?.metrics : undefined) ?? {};
  await write("params.json", json(spec));
  await write("metrics.json", json({ ...metrics, epoch, batch, epochs: history.length }));
  await write("environment.json", json(environment(outcome)));
  if (model === undefined) return { files, metrics };
  const { inputShape, layers } = network;
  await write("architecture.json", json({ format: 1, inputShape, extractor, scaling, classes, layers }));
  const bytes = encodeTensors({ tensors: model.weights, metadata: { format: "smc" } });
  await write("model.safetensors", bytes);
  return { files, metrics, modelDigest: createHash("sha256").update(bytes).digest("hex") };
}

/** What the numbers depend on beside the spec. */
function environment({ backend, dataDigest, spec }: Outcome): Record<string, unknown> {
  return {
    engine: `tfjs ${tf.version_core}`,
    backend,
    node: process.version,
    system: `${platform()} ${release()} ${process.arch}`,
    processor: cpus()[0]?.model ?? "unknown",
    seed: spec.seed,
    data: dataDigest,
  };
}
