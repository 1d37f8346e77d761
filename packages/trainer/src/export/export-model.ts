/** A trained model in forms that other programs run; each is run and compared before anything is said to be done. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, replaceFile } from "@smc/store/fs";
import { show } from "@smc/store/show";
import type { TypedTensor } from "onnxruntime-web";
import type { Dataset } from "../data/dataset.ts";
import { loadData } from "../data/load.ts";
import { chooseBackend } from "../engine/backend.ts";
import type { ExtractorCard } from "../engine/extractor.ts";
import { sizeOf } from "../engine/network.ts";
import { aboutEvaluation } from "../evaluate.ts";
import { randomOf } from "../random.ts";
import { samplesFor, scaleOf } from "../onnx/session.ts";
import {
  dataSpecOf,
  extractAgain,
  fittedData,
  openModel,
  readSavedModel,
  type SavedModel,
} from "../saved-model.ts";
import { type ExportedBackbone, shapeBefore } from "./onnx-backbone.ts";
import { ONNX_INPUT, onnxModel, onnxOutputs } from "./onnx-model.ts";

export type ExportFormat = "onnx" | "tfjs";

/** Samples that the exported model is compared on. */
const SAMPLES_MAX = 32;
const BYTE_MAX = 255;
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
  /** As the network takes them; of a head these are features. */
  readonly values: Float32Array;
  readonly count: number;
  /** Before shares of classes are made of them. */
  readonly logits: Float32Array;
  /** Of a head on a frozen model. */
  readonly before?: {
    readonly backbone: ExportedBackbone;
    /** As the exported model takes them: rows, or images channels first. */
    readonly values: Float32Array;
  };
}

/**
 * Writes the model in each format. `given` says which data it is compared on; null: those that it was trained on, where
 * they are there. Throws EXPORT_DIFFERS with no file left for a model that computes something else than the trainer,
 * FILE_UNSUPPORTED for one on a frozen backbone as TensorFlow.js, and as `readSavedModel` and `loadData`.
 */
export async function exportModel(given: unknown, context: ExportContext): Promise<ExportReport> {
  try {
    const saved = await readSavedModel(context.modelDir);
    if (saved.extractor !== undefined && context.formats.includes("tfjs"))
      throw onBackbone(saved.extractor.card.file);
    await chooseBackend();
    const samples = await realSamples(saved, given, context);
    const expected =
      saved.extractor === undefined
        ? expectedOf(
            saved,
            samples === undefined ? madeUpSamples(saved) : Float32Array.from(samples.features),
          )
        : await expectedBehind(saved, saved.extractor, { samples, ...context });
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
    `the model was learned on features of '${show(file, 200)}', an ONNX model, which TensorFlow.js cannot run; nothing was written`,
    { hint: "write one ONNX file with both in it: smc export --format onnx" },
  );
}

/** Some of the data, spread over them; undefined where nobody asked for any and those of the training are not there. */
async function realSamples(
  saved: SavedModel,
  given: unknown,
  { inputDir, modelDir, signal }: ExportContext,
): Promise<Dataset | undefined> {
  try {
    const asked = given ?? { data: saved.params["data"] };
    const some = spread(await loadData(dataSpecOf(saved, asked), { inputDir, signal }));
    // Those of a head become features later; that they fit is known then.
    if (saved.extractor !== undefined) return some;
    return await fittedData(saved, some, { extractorDir: modelDir, signal });
  } catch (error) {
    if (given === null && isSmcError(error) && error.exit !== 70 && !signal.aborted) return undefined;
    throw error;
  }
}

/** At most 32 of them, from all parts of the data. */
function spread(data: Dataset): Dataset {
  const size = sizeOf(data.shape);
  const count = Math.min(SAMPLES_MAX, data.count);
  const features = data.features.slice(0, count * size);
  const labels = data.labels.slice(0, count);
  for (let place = 0; place < count; place += 1) {
    const sample = Math.floor((place * data.count) / count);
    features.set(data.features.subarray(sample * size, (sample + 1) * size), place * size);
    labels[place] = data.labels[sample] ?? 0;
  }
  return { ...data, features, labels, count };
}

/** What a head makes of samples that go through its frozen model first. */
async function expectedBehind(
  saved: SavedModel,
  extractor: NonNullable<SavedModel["extractor"]>,
  { samples, modelDir, signal }: { samples: Dataset | undefined; modelDir: string; signal: AbortSignal },
): Promise<Expected> {
  const { data: was } = saved.params as { data?: { kind?: string } };
  if (samples === undefined && was?.kind === "npz" && extractor.card.layout !== "rows")
    throw new SmcError(
      "CONFIG_INVALID",
      "the data that it was trained on are not here, and arrays may hold bytes or other numbers; nothing was written",
      { hint: "name data that are like them with --data" },
    );
  const data = samples ?? madeUpPixels(extractor.card);
  const extracted = await extractAgain(data, extractor, { extractorDir: modelDir, signal });
  const { plan, card } = extracted;
  const scale = scaleOf(data);
  const raw = samplesFor(plan, { data, from: 0, count: data.count, pixels: "raw" });
  // "raw" gives bytes of pixels as they are, and makes bytes of numbers that are none.
  const taken = plan.layout === "rows" ? raw : raw.map((value) => (value * scale) / BYTE_MAX);
  const { height, width, channels } = plan;
  const values = plan.layout === "nhwc" ? channelsFirst(taken, { area: height * width, channels }) : taken;
  const backbone = { ...extracted, card, scale };
  return { ...expectedOf(saved, Float32Array.from(extracted.data.features)), before: { backbone, values } };
}

/** Images of bytes, or rows, in the shape that a frozen model takes. */
function madeUpPixels({ inputShape, layout }: ExtractorCard): Dataset {
  const random = randomOf(1, "samples of an export");
  const [first = 1, second = 1, third = 1] = inputShape;
  const shape = layout === "rows" ? inputShape : layout === "nchw" ? [second, third, first] : inputShape;
  const length = SAMPLES_MAX * sizeOf(shape);
  const features =
    layout === "rows"
      ? Float32Array.from({ length }, () => random.next())
      : Uint8Array.from({ length }, () => random.below(BYTE_MAX + 1));
  return { shape, features, labels: new Int32Array(SAMPLES_MAX), classes: [], count: SAMPLES_MAX };
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
  const bytes = onnxModel(saved, expected.before?.backbone);
  return { files: [{ path: "model.onnx", bytes }], difference: await compareOnnx(bytes, saved, expected) };
}

/** The largest difference. Throws EXPORT_DIFFERS. */
export async function compareOnnx(bytes: Uint8Array, saved: SavedModel, expected: Expected): Promise<number> {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  const { values, shape } = onnxInputs(saved, expected);
  const { count } = expected;
  const size = sizeOf(shape);
  const atOnce = expected.before?.backbone.plan.isSingle === true ? 1 : count;
  const [output = "", logits = output] = onnxOutputs(saved);
  const length = count * saved.network.outputs;
  const found = { output: new Float32Array(length), logits: new Float32Array(length) };
  try {
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    for (let from = 0; from < count; from += atOnce) {
      const part = values.slice(from * size, (from + atOnce) * size);
      const answer = await session.run({ [ONNX_INPUT]: new ort.Tensor("float32", part, [atOnce, ...shape]) });
      const numbers = (name: string): Float32Array => (answer[name] as TypedTensor<"float32">).data;
      found.output.set(numbers(output), from * saved.network.outputs);
      found.logits.set(numbers(logits), from * saved.network.outputs);
    }
    await session.release();
    return compare(saved, expected, found);
  } catch (error) {
    // ONNX Runtime throws plain errors, and numbers where its WebAssembly ends.
    if (isSmcError(error)) throw error;
    throw differs(
      `ONNX Runtime cannot run it: ${show(error instanceof Error ? error.message : String(error), 400)}`,
    );
  }
}

/** The samples as the exported model takes them, and the shape of one. */
function onnxInputs(
  { network: { inputShape } }: SavedModel,
  { values, before }: Expected,
): { values: Float32Array; shape: readonly number[] } {
  if (before !== undefined) return { values: before.values, shape: shapeBefore(before.backbone) };
  if (inputShape.length !== 3) return { values, shape: inputShape };
  const [height = 1, width = 1, channels = 1] = inputShape;
  const turned = channelsFirst(values, { area: height * width, channels });
  return { values: turned, shape: [channels, height, width] };
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
