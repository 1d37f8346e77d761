/**
 * A trained ONNX model as a frozen extractor: samples in, rows of features out. ONNX Runtime computes it as
 * WebAssembly, on one thread.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { posix } from "node:path";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { InferenceSession, Tensor, TypedTensor } from "onnxruntime-web";
import { assertFits, type Dataset } from "../data/dataset.ts";
import { insidePath } from "../data/load.ts";
import { resizeTo } from "../data/pixels.ts";
import { sizeOf } from "./network.ts";
import { withOutput } from "./onnx-outputs.ts";
import { type ReadWeights, withWeights } from "./onnx-weights.ts";

const FILE_BYTES_MAX = 1024 * 1024 * 1024;
/** Samples that are computed at once, where the model takes more than one. */
const BATCH = 16;

/** What the numbers of a pixel are made of its byte: (byte / 255 - mean) / deviation. */
const PIXELS = {
  unit: { mean: [0, 0, 0], deviation: [1, 1, 1] },
  signed: { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] },
  imagenet: { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
  raw: { mean: [0, 0, 0], deviation: [1 / 255, 1 / 255, 1 / 255] },
} as const;
export type PixelRange = keyof typeof PIXELS;
export const PIXEL_RANGES = ["unit", "signed", "imagenet", "raw"] as const satisfies readonly PixelRange[];
export const LAYOUTS = ["auto", "nchw", "nhwc"] as const;

export interface ExtractorSpec {
  /** Path below the inputs. */
  readonly file: string;
  /** A value of the graph; its first output when left out. */
  readonly output: string | undefined;
  readonly layout: (typeof LAYOUTS)[number];
  readonly pixels: PixelRange;
  /** Where the model takes any size. */
  readonly inputSize: number | undefined;
}

/** What the head was learned on: enough to compute the same features again. */
export interface ExtractorCard extends Omit<ExtractorSpec, "inputSize" | "layout"> {
  readonly sha256: string;
  readonly engine: string;
  /** Of one sample, as the model takes it. */
  readonly inputShape: readonly number[];
  readonly layout: "nchw" | "nhwc" | "rows";
  readonly features: number;
}

/** How samples are brought to the model. */
interface Plan {
  readonly input: string;
  readonly output: string;
  readonly layout: ExtractorCard["layout"];
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly shape: readonly number[];
  readonly batch: number;
}

/**
 * The features of all samples, in their order; labels stay. Computed once: the epochs learn from them. Throws
 * PATH_NOT_FOUND, UNSAFE_PATH, FILE_MALFORMED for a model that cannot be run or gives numbers that are not finite,
 * CONFIG_INVALID where it takes other samples, LIMIT_EXCEEDED.
 */
export async function extractFeatures(
  data: Dataset,
  spec: ExtractorSpec,
  { inputDir, signal }: { inputDir: string; signal: AbortSignal },
): Promise<{ data: Dataset; card: ExtractorCard }> {
  const refuse = (why: string): SmcError => fault(spec, why);
  const { bytes, sha256 } = await readModel(await insidePath(inputDir, spec.file, "backbone.file"), spec);
  const whole = await withWeights(bytes, weightsIn(inputDir, { spec, modelBytes: bytes.length }), refuse);
  const wanted = spec.output === undefined ? whole : withOutput(whole, spec.output, refuse);
  const ort = await import("onnxruntime-web");
  // Threads of WebAssembly add up in any order; and one is what the trainer has, too.
  ort.env.wasm.numThreads = 1;
  const session = await opened(() => ort.InferenceSession.create(wanted, { logSeverityLevel: 3 }), refuse);
  try {
    const plan = planOf(session, { data, spec });
    let features: Float32Array | undefined;
    let width = 0;
    for (let from = 0; from < data.count; from += plan.batch) {
      signal.throwIfAborted();
      const count = Math.min(plan.batch, data.count - from);
      const values = inputOf(data, { from, count, plan, pixels: spec.pixels });
      const tensor = new ort.Tensor("float32", values, [count, ...plan.shape]);
      const rows = await run(session, { plan, tensor, count, refuse });
      if (features === undefined) {
        width = rows.length / count;
        assertFits(data.count, width * Float32Array.BYTES_PER_ELEMENT);
        features = new Float32Array(data.count * width);
      }
      assertFinite(rows, { from, width, refuse });
      features.set(rows, from * width);
    }
    const { file, pixels } = spec;
    const { output, layout, shape } = plan;
    const engine = `onnxruntime-web ${ort.env.versions.web ?? ""}`.trim();
    const card = { file, output, pixels, sha256, engine, inputShape: shape, layout, features: width };
    return { data: { ...data, shape: [width], features: features ?? new Float32Array(0) }, card };
  } finally {
    await session.release();
  }
}

function fault({ file }: ExtractorSpec, why: string): SmcError {
  return new SmcError("FILE_MALFORMED", `the backbone '${show(file)}': ${why}; nothing was trained`, {
    hint: 'it must be an ONNX model; see "smc inspect"',
  });
}

function tooLarge({ file }: ExtractorSpec, sizeBytes: number): SmcError {
  return new SmcError(
    "LIMIT_EXCEEDED",
    `the backbone '${show(file)}' has ${sizeBytes} bytes, more than ${FILE_BYTES_MAX}; nothing was trained`,
  );
}

/** Weights lie below the inputs, as seen from the folder of the model. */
function weightsIn(
  inputDir: string,
  { spec, modelBytes }: { spec: ExtractorSpec; modelBytes: number },
): ReadWeights {
  let allBytes = modelBytes;
  return async (location, { offset, length }) => {
    const path = posix.join(posix.dirname(spec.file), location);
    try {
      await using file = await open(await insidePath(inputDir, path, "backbone.file"), constants.O_RDONLY);
      const { size } = await file.stat();
      const wanted = length ?? Math.max(0, size - offset);
      allBytes += wanted;
      if (allBytes > FILE_BYTES_MAX) throw tooLarge(spec, allBytes);
      if (offset + wanted > size) throw fault(spec, `its weights '${show(path)}' are truncated`);
      const bytes = Buffer.alloc(wanted);
      await file.read(bytes, 0, wanted, offset);
      return bytes;
    } catch (error) {
      throw fromErrno(error, `cannot read the weights '${show(path)}' of the backbone '${show(spec.file)}'`);
    }
  };
}

async function readModel(path: string, spec: ExtractorSpec): Promise<{ bytes: Buffer; sha256: string }> {
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) throw tooLarge(spec, size);
    bytes = await readFile(path);
  } catch (error) {
    throw fromErrno(error, `cannot read the backbone '${show(spec.file)}'`);
  }
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** ONNX Runtime throws plain errors, and numbers where its WebAssembly ends. */
async function opened<T>(open: () => Promise<T>, refuse: (why: string) => Error): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw refuse(`it cannot be run: ${show(error instanceof Error ? error.message : String(error), 400)}`);
  }
}

function planOf(session: InferenceSession, { data, spec }: { data: Dataset; spec: ExtractorSpec }): Plan {
  const refuse = (why: string): SmcError => fault(spec, why);
  const [input, ...more] = session.inputMetadata;
  if (input === undefined || more.length > 0)
    throw refuse(`it has ${session.inputNames.length} inputs; one is needed`);
  if (!input.isTensor || input.type !== "float32")
    throw refuse(`it takes ${input.isTensor ? input.type : "no tensor"}; float32 is needed`);
  const output = spec.output ?? session.outputNames[0] ?? "";
  const [samples, ...rest] = input.shape.map((length) => (typeof length === "number" ? length : undefined));
  if (samples !== undefined && samples < 1) throw refuse("it takes no samples");
  const batch = samples ?? BATCH;
  if (batch !== 1 && samples !== undefined)
    throw refuse(`it takes ${batch} samples at once; one or any number is needed`);
  const shared = { input: input.name, output, batch };
  const misfit = (): SmcError =>
    new SmcError(
      "CONFIG_INVALID",
      `the backbone '${show(spec.file)}' takes samples of ${input.shape.slice(1).join(" x ")}, the data have ${data.shape.join(" x ")}; nothing was trained`,
      { hint: "set data.channels, backbone.inputSize or backbone.layout, or take another model" },
    );
  if (data.shape.length === 1 && rest.length === 1) {
    const [width = 0] = data.shape;
    if (rest[0] !== undefined && rest[0] !== width) throw misfit();
    return { ...shared, layout: "rows", height: 1, width, channels: 1, shape: [width] };
  }
  if (data.shape.length !== 3 || rest.length !== 3) throw misfit();
  const [dataHeight = 1, dataWidth = 1, dataChannels = 1] = data.shape;
  const isFirst = rest[0] === 1 || rest[0] === 3;
  const layout = spec.layout === "auto" ? (isFirst ? "nchw" : "nhwc") : spec.layout;
  const [channels = dataChannels, fixedHeight, fixedWidth] =
    layout === "nchw" ? rest : [rest[2], rest[0], rest[1]];
  // Grey may stand for three channels alike; colours are never thrown away unasked.
  if (channels !== dataChannels && !(channels === 3 && dataChannels === 1)) throw misfit();
  const height = fixedHeight ?? spec.inputSize ?? dataHeight;
  const width = fixedWidth ?? spec.inputSize ?? Math.max(1, Math.round((dataWidth * height) / dataHeight));
  const shape = layout === "nchw" ? [channels, height, width] : [height, width, channels];
  return { ...shared, layout, height, width, channels, shape };
}

/** A part of the samples as the model takes them. */
function inputOf(
  data: Dataset,
  { from, count, plan, pixels }: { from: number; count: number; plan: Plan; pixels: PixelRange },
): Float32Array {
  const size = sizeOf(data.shape);
  const values = new Float32Array(count * sizeOf(plan.shape));
  if (plan.layout === "rows") {
    values.set(data.features.subarray(from * size, (from + count) * size));
    return values;
  }
  const [height = 1, width = 1, dataChannels = 1] = data.shape;
  const { mean, deviation } = PIXELS[pixels];
  const scale = data.features instanceof Uint8Array ? 255 : 1;
  const area = plan.height * plan.width;
  for (let place = 0; place < count; place += 1) {
    const bytes = data.features.subarray((from + place) * size, (from + place + 1) * size);
    const image = resizeTo({ width, height, channels: dataChannels, data: bytes }, plan);
    for (let pixel = 0; pixel < area; pixel += 1) {
      for (let channel = 0; channel < plan.channels; channel += 1) {
        const value = image[pixel * dataChannels + (dataChannels === 1 ? 0 : channel)] ?? 0;
        const at = plan.layout === "nchw" ? channel * area + pixel : pixel * plan.channels + channel;
        values[place * area * plan.channels + at] =
          (value / scale - (mean[channel] ?? 0)) / (deviation[channel] ?? 1);
      }
    }
  }
  return values;
}

/** One row for each sample. Of feature maps and sequences the mean over their places. */
async function run(
  session: InferenceSession,
  {
    plan,
    tensor,
    count,
    refuse,
  }: { plan: Plan; tensor: Tensor; count: number; refuse: (why: string) => Error },
): Promise<Float32Array> {
  const answer = await opened(() => session.run({ [plan.input]: tensor }, [plan.output]), refuse);
  const output = answer[plan.output];
  if (output === undefined || output.type !== "float32") {
    throw refuse(
      `its output '${show(plan.output, 80)}' is ${output?.type ?? "not there"}; float32 is needed`,
    );
  }
  const { data, dims } = output as TypedTensor<"float32">;
  const [samples, ...rest] = dims;
  if (samples !== count || rest.length === 0) {
    throw refuse(`its output has the shape [${dims.join(", ")}] for ${count} samples`);
  }
  return averaged(data, { count, shape: rest, layout: plan.layout });
}

/** [features], [places, features], or a map with its channels where the model has them. */
function averaged(
  data: Float32Array,
  { count, shape, layout }: { count: number; shape: readonly number[]; layout: Plan["layout"] },
): Float32Array {
  if (shape.length === 1) return data.slice();
  const isFirst = shape.length === 3 && layout === "nchw";
  const width = (isFirst ? shape[0] : shape.at(-1)) ?? 1;
  const places = sizeOf(shape) / width;
  const rows = new Float32Array(count * width);
  for (let sample = 0; sample < count; sample += 1) {
    for (let feature = 0; feature < width; feature += 1) {
      let sum = 0;
      for (let place = 0; place < places; place += 1) {
        const at = isFirst ? feature * places + place : place * width + feature;
        sum += data[sample * places * width + at] ?? 0;
      }
      rows[sample * width + feature] = sum / places;
    }
  }
  return rows;
}

function assertFinite(
  rows: Float32Array,
  { from, width, refuse }: { from: number; width: number; refuse: (why: string) => Error },
): void {
  const at = rows.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw refuse(`it gives ${rows[at]} for sample ${from + Math.floor(at / width)}`);
}
