/** What a model that was trained makes of samples: numbers over all of them, and class by class. */
import { setImmediate } from "node:timers/promises";
import { isSmcError, SmcError } from "@smc/store/errors";
import { makeBatch } from "./data/batches.ts";
import { type Dataset, digestOf, reasonOf } from "./data/dataset.ts";
import { loadData, splitData } from "./data/load.ts";
import { chooseBackend } from "./engine/backend.ts";
import { assertStepFits } from "./engine/network.ts";
import { dataSpecOf, fittedData, openModel, readSavedModel, type SavedModel } from "./saved-model.ts";
import type { TrainSpec } from "./spec.ts";

/** Pairs of an expected and a predicted class that are told, the most frequent first. */
const CONFUSIONS_MAX = 10_000;

export interface EvaluationReport {
  /** SHA-256 of all samples in their order. */
  readonly digest: string;
  /** The samples are those that the model was trained on; null where that was not kept. */
  readonly isTrainingData: boolean | null;
  readonly samples: number;
  /** loss and acc, balanced_acc; or loss, mae and rmse. */
  readonly metrics: Readonly<Record<string, number>>;
  /** In the model's order; none where numbers are predicted. */
  readonly classes: readonly { readonly name: string; readonly samples: number; readonly right: number }[];
  /** How often a class was taken for which; the first 10,000. */
  readonly confusion: readonly {
    readonly expected: string;
    readonly predicted: string;
    readonly samples: number;
  }[];
  /** What computed. */
  readonly backend: string;
  /** Who says which class is which output; "data" is a guess: the order in which they name them. */
  readonly classesFrom: "model" | "asked" | "data";
}

export interface EvaluationContext {
  /** Holds the data. */
  readonly inputDir: string;
  /** Holds the model as a run left it, and that of its frozen backbone as `onnx/model.onnx`. */
  readonly modelDir: string;
  /** validation: only what is kept aside in training. */
  readonly split: "all" | "validation";
  readonly signal: AbortSignal;
}

/**
 * Runs the model over data; `given` is the part of a spec that says which. Throws as `loadData`, `readSavedModel` and
 * `fittedData`, and FILE_MALFORMED for a model that gives no finite numbers.
 */
export async function evaluateModel(given: unknown, context: EvaluationContext): Promise<EvaluationReport> {
  try {
    const saved = await readSavedModel(context.modelDir);
    const spec = dataSpecOf(saved, given);
    const data = await loadData(spec, context);
    const digest = digestOf(data);
    const fitted = await fittedData(saved, data, { ...context, extractorDir: context.modelDir });
    const indices = samplesOf(data, spec, context);
    const { name: backend } = await chooseBackend();
    const told = await judge(saved, { spec, data: fitted, indices, signal: context.signal });
    const isTrainingData = saved.dataDigest === undefined ? null : saved.dataDigest === digest;
    return {
      digest,
      isTrainingData,
      samples: indices.length,
      ...told,
      backend,
      classesFrom: "model",
    };
  } catch (error) {
    throw aboutEvaluation(error);
  }
}

/** Which samples are looked at. Throws CONFIG_INVALID where there are none. */
export function samplesOf(
  data: Dataset,
  spec: TrainSpec,
  { split }: Pick<EvaluationContext, "split">,
): Uint32Array {
  if (split === "all") return Uint32Array.from(data.labels.keys());
  const { validation } = splitData(data, spec);
  if (validation.length > 0) return validation;
  throw new SmcError("CONFIG_INVALID", "no samples are kept aside: validation is 0");
}

/** What reading data says of a training is said of an evaluation. */
export function aboutEvaluation(error: unknown): unknown {
  if (!isSmcError(error) || reasonOf(error) === error.message) return error;
  const { code, hint, details } = error;
  return new SmcError(code, `${reasonOf(error)}; nothing was computed`, {
    ...(hint === undefined ? {} : { hint }),
    details,
    cause: error,
  });
}

interface Judged {
  readonly spec: TrainSpec;
  readonly data: Dataset;
  readonly indices: Uint32Array;
  readonly signal: AbortSignal;
}

async function judge(
  saved: SavedModel,
  { spec, data, indices, signal }: Judged,
): Promise<Pick<EvaluationReport, "metrics" | "classes" | "confusion">> {
  const { network, scaling, classes } = saved;
  assertStepFits(network, Math.min(spec.batch, indices.length));
  using model = openModel(saved);
  const counts = new Map<number, number>();
  let [loss, hits, squares] = [0, 0, 0];
  for (let from = 0; from < indices.length; from += spec.batch) {
    await setImmediate();
    signal.throwIfAborted();
    const part = indices.subarray(from, from + spec.batch);
    const batch = makeBatch(data, part, { spec, scaling });
    const score = model.evaluate(batch);
    loss += score.loss * batch.count;
    hits += score.hits;
    for (const [place, sample] of part.entries()) {
      const row = score.outputs.subarray(place * batch.width, (place + 1) * batch.width);
      assertFinite(row, sample);
      const label = data.labels[sample] ?? 0;
      squares += ((row[0] ?? 0) - label) ** 2;
      if (classes.length === 0) continue;
      const pair = label * classes.length + row.indexOf(Math.max(...row));
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
  }
  const count = indices.length;
  if (classes.length === 0) {
    const metrics = { loss: loss / count, mae: hits / count, rmse: Math.sqrt(squares / count) };
    return { metrics, classes: [], confusion: [] };
  }
  return byClass(counts, { classes, loss: loss / count });
}

function assertFinite(row: Float32Array, sample: number): void {
  const wrong = row.find((value) => !Number.isFinite(value));
  if (wrong === undefined) return;
  throw new SmcError(
    "FILE_MALFORMED",
    `the model gives ${wrong} for sample ${sample}; nothing was computed`,
    {
      hint: "its weights are no numbers to work with; look at them with smc inspect",
    },
  );
}

/** `counts` by the place of the expected class times the number of classes, and the place of the predicted one. */
export function byClass(
  counts: ReadonlyMap<number, number>,
  { classes, loss }: { classes: readonly string[]; loss: number },
): Pick<EvaluationReport, "metrics" | "classes" | "confusion"> {
  const rows = classes.map((name) => ({ name, samples: 0, right: 0 }));
  const pairs = [...counts].map(([pair, samples]) => {
    const [expected, predicted] = [Math.floor(pair / classes.length), pair % classes.length];
    const row = rows[expected];
    if (row !== undefined) {
      row.samples += samples;
      if (expected === predicted) row.right += samples;
    }
    return { pair, expected: classes[expected] ?? "", predicted: classes[predicted] ?? "", samples };
  });
  pairs.sort((one, other) => other.samples - one.samples || one.pair - other.pair);
  const there = rows.filter(({ samples }) => samples > 0);
  const sum = (of: (row: (typeof rows)[number]) => number): number =>
    there.reduce((total, row) => total + of(row), 0);
  const acc = sum(({ right }) => right) / sum(({ samples }) => samples);
  const balanced = sum(({ right, samples }) => right / samples) / there.length;
  return {
    metrics: { loss, acc, balanced_acc: balanced },
    classes: rows,
    confusion: pairs.slice(0, CONFUSIONS_MAX).map(({ pair: _pair, ...told }) => told),
  };
}
