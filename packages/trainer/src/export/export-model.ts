/** A trained model in forms that other programs run; each is run and compared before anything is said to be done. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, replaceFile } from "@smc/store/fs";
import { show } from "@smc/store/show";
import type { TypedTensor } from "onnxruntime-web";
import { loadData } from "../data/load.ts";
import { chooseBackend } from "../engine/backend.ts";
import { sizeOf } from "../engine/network.ts";
import { aboutEvaluation } from "../evaluate.ts";
import { randomOf } from "../random.ts";
import { dataSpecOf, fittedData, openModel, readSavedModel, type SavedModel } from "../saved-model.ts";
import { ONNX_INPUT, onnxModel, onnxOutputs } from "./onnx-model.ts";

export type ExportFormat = "onnx" | "tfjs";

/** Samples that the exported model is compared on. */
const SAMPLES_MAX = 32;
/** How far a number may be off, against the largest that the trainer computed, and against 1. */
export const DIFFERENCE_MAX = 1e-4;

export interface ExportReport {
  readonly formats: readonly {
    readonly format: ExportFormat;
    /** Below `outputDir`, in the order in which they are to be put into their place. */
    readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly sha256: string }[];
    /** Largest difference of an output to what the trainer computes. */
    readonly difference: number;
  }[];
  readonly samples: number;
  /** False: no data could be read, and the samples were made up. */
  readonly areReal: boolean;
}

export interface ExportContext {
  /** Holds the data. */
  readonly inputDir: string;
  /** Holds the model as a run left it. */
  readonly modelDir: string;
  /** Takes the files. */
  readonly outputDir: string;
  readonly formats: readonly ExportFormat[];
  readonly signal: AbortSignal;
}

/** Samples as they come, before any scaling, and what the trainer makes of them. */
export interface Expected {
  readonly values: Float32Array;
  readonly count: number;
  /** Before shares of classes are made of them. */
  readonly logits: Float32Array;
}

/**
 * Writes the model in each format. `given` says which data it is compared on; null: those that it was trained on, where
 * they are there. Throws EXPORT_DIFFERS with no file left for a model that computes something else than the trainer,
 * FILE_UNSUPPORTED for one on a frozen backbone, and as `readSavedModel` and `loadData`.
 */
export async function exportModel(given: unknown, context: ExportContext): Promise<ExportReport> {
  try {
    const saved = await readSavedModel(context.modelDir);
    if (saved.extractor !== undefined) throw onBackbone(saved.extractor.card.file);
    await chooseBackend();
    const samples = await realSamples(saved, given, context);
    const values = samples ?? madeUpSamples(saved);
    const expected = expectedOf(saved, values);
    const formats = [];
    const written: { path: string; bytes: Uint8Array }[] = [];
    for (const format of context.formats) {
      const made = await (format === "onnx" ? asOnnx(saved, expected) : asTfjs(saved, expected));
      written.push(...made.files);
      const files = made.files.map(({ path, bytes }) => ({
        path,
        sizeBytes: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
      }));
      formats.push({ format, files, difference: made.difference });
    }
    for (const { path, bytes } of written) {
      await createFolder(dirname(join(context.outputDir, path)));
      await replaceFile(join(context.outputDir, path), bytes, { durable: false });
    }
    return { formats, samples: expected.count, areReal: samples !== undefined };
  } catch (error) {
    throw aboutEvaluation(error);
  }
}

function onBackbone(file: string): SmcError {
  return new SmcError(
    "FILE_UNSUPPORTED",
    `the model was learned on features of '${show(file, 200)}', so it is no whole network; nothing was written`,
    { hint: "run that ONNX model first, then the layers of architecture.json; or train a backbone of smc" },
  );
}

/** Some of the data, spread over them; undefined where nobody asked for any and those of the training are not there. */
async function realSamples(
  saved: SavedModel,
  given: unknown,
  { inputDir, modelDir, signal }: ExportContext,
): Promise<Float32Array | undefined> {
  try {
    const asked = given ?? { data: saved.params["data"] };
    const data = await loadData(dataSpecOf(saved, asked), { inputDir, signal });
    const { features, count } = await fittedData(saved, data, { extractorDir: modelDir, signal });
    const size = sizeOf(saved.network.inputShape);
    const taken = Math.min(SAMPLES_MAX, count);
    const values = new Float32Array(taken * size);
    for (let place = 0; place < taken; place += 1) {
      const sample = Math.floor((place * count) / taken);
      values.set(features.subarray(sample * size, (sample + 1) * size), place * size);
    }
    return values;
  } catch (error) {
    if (given === null && isSmcError(error) && error.exit !== 70 && !signal.aborted) return undefined;
    throw error;
  }
}

/** Numbers where the model expects them. */
function madeUpSamples({ network, scaling }: SavedModel): Float32Array {
  const random = randomOf(1, "samples of an export");
  const { mean, deviation } = scaling;
  return Float32Array.from({ length: SAMPLES_MAX * sizeOf(network.inputShape) }, (_, index) => {
    const group = index % mean.length;
    return (mean[group] ?? 0) + (deviation[group] ?? 1) * random.next();
  });
}

/** What the trainer computes; a backend was chosen before. */
export function expectedOf(saved: SavedModel, values: Float32Array): Expected {
  const { network, scaling } = saved;
  const count = values.length / sizeOf(network.inputShape);
  const { mean, deviation } = scaling;
  const inputs = values.map((value, index) => {
    const group = index % mean.length;
    return (value - (mean[group] ?? 0)) / (deviation[group] ?? 1);
  });
  // With a loss of numbers the outputs are what comes out of the last layer.
  using model = openModel({ ...saved, loss: "mse" });
  const width = network.outputs;
  const targets = new Float32Array(count * width);
  const { outputs } = model.evaluate({
    shape: [count, ...network.inputShape],
    inputs,
    targets,
    width,
    count,
  });
  return { values, count, logits: outputs };
}

interface Made {
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[];
  readonly difference: number;
}

async function asOnnx(saved: SavedModel, expected: Expected): Promise<Made> {
  const bytes = onnxModel(saved);
  return { files: [{ path: "model.onnx", bytes }], difference: await compareOnnx(bytes, saved, expected) };
}

/** The largest difference. Throws EXPORT_DIFFERS. */
export async function compareOnnx(bytes: Uint8Array, saved: SavedModel, expected: Expected): Promise<number> {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  const { inputShape } = saved.network;
  const [height = 1, width = 1, channels = 1] = inputShape;
  const isImage = inputShape.length === 3;
  const shape = isImage ? [channels, height, width] : inputShape;
  const { values, count } = expected;
  const inputs = isImage ? channelsFirst(values, { area: height * width, channels }) : values;
  try {
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    const answer = await session.run({ [ONNX_INPUT]: new ort.Tensor("float32", inputs, [count, ...shape]) });
    const [output = "", logits = output] = onnxOutputs(saved);
    const numbers = (name: string): Float32Array => (answer[name] as TypedTensor<"float32">).data;
    const difference = compare(saved, expected, { output: numbers(output), logits: numbers(logits) });
    await session.release();
    return difference;
  } catch (error) {
    // ONNX Runtime throws plain errors, and numbers where its WebAssembly ends.
    if (isSmcError(error)) throw error;
    throw differs(
      `ONNX Runtime cannot run it: ${show(error instanceof Error ? error.message : String(error), 400)}`,
    );
  }
}

function channelsFirst(
  values: Float32Array,
  { area, channels }: { area: number; channels: number },
): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(values.length);
  for (let index = 0; index < values.length; index += 1) {
    const [sample, inside] = [Math.floor(index / (area * channels)), index % (area * channels)];
    const [pixel, channel] = [Math.floor(inside / channels), inside % channels];
    turned[(sample * channels + channel) * area + pixel] = values[index] ?? 0;
  }
  return turned;
}

async function asTfjs(saved: SavedModel, expected: Expected): Promise<Made> {
  // The library is large, and no training needs it.
  const { runTfjs, TFJS_WEIGHTS, tfjsModel } = await import("./tfjs-model.ts");
  const files = await tfjsModel(saved);
  const { values, count } = expected;
  const answer = await runTfjs(files, { values, shape: [count, ...saved.network.inputShape] });
  const difference = compare(saved, expected, answer);
  return {
    // The description comes last: whoever sees it finds the weights.
    files: [
      { path: `tfjs/${TFJS_WEIGHTS}`, bytes: files.weights },
      { path: "tfjs/model.json", bytes: Buffer.from(files.json) },
    ],
    difference,
  };
}

function compare(
  { classes }: SavedModel,
  { logits }: Expected,
  found: Readonly<Record<"output" | "logits", Float32Array>>,
): number {
  const shares = classes.length > 0 ? softmax(logits, classes.length) : logits;
  return Math.max(largestDifference(logits, found.logits), largestDifference(shares, found.output));
}

/** Throws EXPORT_DIFFERS. */
function largestDifference(wanted: Float32Array, found: Float32Array): number {
  if (wanted.length !== found.length) throw differs(`it gives ${found.length} numbers, not ${wanted.length}`);
  const [largest, difference] = wanted.reduce<[number, number]>(
    ([most, far], value, at) => [
      Math.max(most, Math.abs(value)),
      Math.max(far, Math.abs(value - (found[at] ?? Number.NaN))),
    ],
    [1, 0],
  );
  if (difference <= DIFFERENCE_MAX * largest) return difference;
  throw differs(`a number is off by ${difference}, more than ${DIFFERENCE_MAX * largest}`);
}

function differs(why: string): SmcError {
  return new SmcError(
    "EXPORT_DIFFERS",
    `the exported model is not the one that was trained: ${why}; nothing was written`,
  );
}

function softmax(logits: Float32Array, width: number): Float32Array {
  const shares = new Float32Array(logits.length);
  for (let from = 0; from < logits.length; from += width) {
    const row = logits.subarray(from, from + width);
    const most = Math.max(...row);
    const powers = Array.from(row, (value) => Math.exp(value - most));
    const sum = powers.reduce((total, value) => total + value, 0);
    shares.set(
      powers.map((value) => value / sum),
      from,
    );
  }
  return shares;
}
