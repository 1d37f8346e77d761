/** Runs an ONNX model over samples: ONNX Runtime computes it as WebAssembly, on one thread. */
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { InferenceSession, TypedTensor } from "onnxruntime-web";
import type { Dataset } from "../data/dataset.ts";
import { resizeTo } from "../data/pixels.ts";
import { sizeOf } from "../engine/network.ts";
import { embedModel, type ModelInput, openModelBytes, type OpenedModel } from "./embed.ts";
import { OnnxGraph } from "./graph.ts";
import { type ModelFile, modelFault, readModelFile } from "./model-file.ts";

/** Samples that are computed at once, where the model takes more than one. */
const BATCH = 16;

/** What the numbers of a pixel are made of its byte: (byte / 255 - mean) / deviation. */
export const PIXELS = {
  unit: { mean: [0, 0, 0], deviation: [1, 1, 1] },
  signed: { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] },
  imagenet: { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
  raw: { mean: [0, 0, 0], deviation: [1 / 255, 1 / 255, 1 / 255] },
} as const;
export type PixelRange = keyof typeof PIXELS;
export const PIXEL_RANGES = ["unit", "signed", "imagenet", "raw"] as const satisfies readonly PixelRange[];
export const LAYOUTS = ["auto", "nchw", "nhwc"] as const;

/** How samples are brought to a model, and what is taken of it. */
export interface OnnxUse {
  /** A value of the graph; its first output when left out. */
  readonly output: string | undefined;
  readonly layout: (typeof LAYOUTS)[number];
  readonly pixels: PixelRange;
  /** Where the model takes any size. */
  readonly inputSize: number | undefined;
}

/** How the samples are laid out for the model. */
export interface SamplePlan {
  readonly layout: "nchw" | "nhwc" | "rows";
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Of one sample, as the model takes it. */
  readonly shape: readonly number[];
  /** Samples at once. */
  readonly batch: number;
  /** The model takes just one. */
  readonly isSingle: boolean;
}

/** What came out for some samples after each other. */
export interface Answer {
  readonly from: number;
  readonly count: number;
  readonly values: Float32Array;
  /** Of one sample; empty for one number. */
  readonly shape: readonly number[];
}

/** A model that was looked at, before anybody knows what it is run on. */
export interface ReadModel {
  readonly model: OpenedModel;
  readonly sha256: string;
}

/** Throws PATH_NOT_FOUND, UNSAFE_PATH, FILE_MALFORMED, LIMIT_EXCEEDED. */
export async function readOnnx(source: ModelFile): Promise<ReadModel> {
  const { bytes, sha256 } = await readModelFile(source);
  return { model: openModelBytes(bytes, (why) => modelFault(source, why)), sha256 };
}

const INPUT = "smc/input";
const OUTPUT = "smc/output";

/** Owns the memory of the model: dispose of it. One at a time computes. */
export class OnnxSession implements AsyncDisposable {
  readonly plan: SamplePlan;
  /** Name of what is taken. */
  readonly output: string;
  readonly sha256: string;
  /** What computes. */
  readonly engine: string;
  readonly model: OpenedModel;
  readonly #session: InferenceSession;
  readonly #use: OnnxUse;

  private constructor(
    session: InferenceSession,
    made: Pick<OnnxSession, "plan" | "output" | "sha256" | "engine" | "model"> & { use: OnnxUse },
  ) {
    this.#session = session;
    this.#use = made.use;
    this.plan = made.plan;
    this.output = made.output;
    this.sha256 = made.sha256;
    this.engine = made.engine;
    this.model = made.model;
  }

  /**
   * Ready for samples like these. Throws FILE_MALFORMED for a model that cannot be run, CONFIG_INVALID where it takes
   * other samples.
   */
  static async open(
    { model, sha256 }: ReadModel,
    { data, use, source }: { data: Pick<Dataset, "shape">; use: OnnxUse; source: ModelFile },
  ): Promise<OnnxSession> {
    const { refuse } = model;
    const plan = planOf(model.input, { data, use, source });
    const output = use.output ?? model.outputs[0] ?? "";
    const wrapped = withFloatBorder(model, output);
    const ort = await import("onnxruntime-web");
    // Threads of WebAssembly add up in any order; and one is what the trainer has, too.
    ort.env.wasm.numThreads = 1;
    const session = await attempt(
      () => ort.InferenceSession.create(wrapped, { logSeverityLevel: 3 }),
      refuse,
    );
    const engine = `onnxruntime-web ${ort.env.versions.web ?? ""}`.trim();
    return new OnnxSession(session, { plan, output, sha256, engine, model, use });
  }

  /** All samples, in their order. Throws FILE_MALFORMED for what gives no finite number for each. */
  async *run(data: Dataset, signal: AbortSignal): AsyncGenerator<Answer> {
    const { Tensor } = await import("onnxruntime-web");
    const { plan } = this;
    const { refuse } = this.model;
    for (let from = 0; from < data.count; from += plan.batch) {
      signal.throwIfAborted();
      const count = Math.min(plan.batch, data.count - from);
      const values = samplesFor(plan, { data, from, count, pixels: this.#use.pixels });
      const tensor = new Tensor("float32", values, [count, ...plan.shape]);
      const answer = await attempt(() => this.#session.run({ [INPUT]: tensor }, [OUTPUT]), refuse);
      const made = answer[OUTPUT] as TypedTensor<"float32">;
      const [samples, ...shape] = made.dims;
      if (samples !== count)
        throw refuse(`its output has the shape [${made.dims.join(", ")}] for ${count} samples`);
      const wrong = made.data.findIndex((value) => !Number.isFinite(value));
      if (wrong >= 0)
        throw refuse(`it gives ${made.data[wrong]} for sample ${from + Math.floor(wrong / sizeOf(shape))}`);
      yield { from, count, values: made.data, shape };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}

/** Takes and gives float32, whatever kinds of floats the model works with. */
function withFloatBorder(model: OpenedModel, output: string): Buffer {
  const { input, refuse } = model;
  if (model.bytes.includes(INPUT)) throw refuse(`it has a value called '${INPUT}'`);
  const graph = new OnnxGraph("smc/");
  graph.add("Cast", [INPUT], { attributes: { to: input.element }, output: input.name });
  embedModel(graph, model, { output, prefix: "" });
  graph.add("Cast", [output], { attributes: { to: 1 }, output: OUTPUT });
  return graph.encode({
    input: { name: INPUT, shape: input.shape },
    // Its shape is told by the runtime.
    outputs: [{ name: OUTPUT, shape: undefined }],
    metadata: {},
  });
}

/** ONNX Runtime throws plain errors, and numbers where its WebAssembly ends. */
async function attempt<T>(open: () => Promise<T>, refuse: (why: string) => Error): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw refuse(`it cannot be run: ${show(error instanceof Error ? error.message : String(error), 400)}`);
  }
}

function planOf(
  input: ModelInput,
  { data, use, source }: { data: Pick<Dataset, "shape">; use: OnnxUse; source: ModelFile },
): SamplePlan {
  const [samples, ...rest] = input.shape;
  const isSingle = samples === 1;
  if (samples !== undefined && !isSingle)
    throw modelFault(source, `it takes ${samples} samples at once; one or any number is needed`);
  const shared = { isSingle, batch: isSingle ? 1 : BATCH };
  const misfit = (): SmcError => {
    const taken = rest.map((length) => length ?? "any").join(" x ");
    return new SmcError(
      "CONFIG_INVALID",
      `${source.called} takes samples of ${taken}, the data have ${data.shape.join(" x ")}; nothing was trained`,
      { hint: "set data.channels, backbone.inputSize or backbone.layout, or take another model" },
    );
  };
  if (data.shape.length === 1 && rest.length === 1) {
    const [width = 0] = data.shape;
    if (rest[0] !== undefined && rest[0] !== width) throw misfit();
    return { ...shared, layout: "rows", height: 1, width, channels: 1, shape: [width] };
  }
  if (data.shape.length !== 3 || rest.length !== 3) throw misfit();
  const [dataHeight = 1, dataWidth = 1, dataChannels = 1] = data.shape;
  const isFirst = rest[0] === 1 || rest[0] === 3;
  const layout = use.layout === "auto" ? (isFirst ? "nchw" : "nhwc") : use.layout;
  const [channels = dataChannels, fixedHeight, fixedWidth] =
    layout === "nchw" ? rest : [rest[2], rest[0], rest[1]];
  // Grey may stand for three channels alike; colours are never thrown away unasked.
  if (channels !== dataChannels && !(channels === 3 && dataChannels === 1)) throw misfit();
  const height = fixedHeight ?? use.inputSize ?? dataHeight;
  const width = fixedWidth ?? use.inputSize ?? Math.max(1, Math.round((dataWidth * height) / dataHeight));
  const shape = layout === "nchw" ? [channels, height, width] : [height, width, channels];
  return { ...shared, layout, height, width, channels, shape };
}

/** What a byte of a pixel is divided by; other numbers are taken as they are. */
export function scaleOf({ features }: Pick<Dataset, "features">): number {
  return features instanceof Uint8Array ? 255 : 1;
}

/** A part of the samples as the model takes them. */
export function samplesFor(
  plan: SamplePlan,
  { data, from, count, pixels }: { data: Dataset; from: number; count: number; pixels: PixelRange },
): Float32Array {
  const size = sizeOf(data.shape);
  const values = new Float32Array(count * sizeOf(plan.shape));
  if (plan.layout === "rows") {
    values.set(data.features.subarray(from * size, (from + count) * size));
    return values;
  }
  const [height = 1, width = 1, dataChannels = 1] = data.shape;
  const { mean, deviation } = PIXELS[pixels];
  const scale = scaleOf(data);
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
