/** A trained ONNX model as a frozen extractor: samples in, rows of features out. */
import { show } from "@smc/store/show";
import { assertFits, type Dataset } from "../data/dataset.ts";
import type { OpenedModel } from "../onnx/embed.ts";
import { type Answer, OnnxSession, type OnnxUse, readOnnx, type SamplePlan } from "../onnx/session.ts";
import { sizeOf } from "./network.ts";

export interface ExtractorSpec extends OnnxUse {
  /** Path below the inputs. */
  readonly file: string;
}

/** What the head was learned on: enough to compute the same features again. */
export interface ExtractorCard extends Omit<ExtractorSpec, "inputSize" | "layout" | "output"> {
  /** Name of the value whose numbers they are. */
  readonly output: string;
  readonly sha256: string;
  readonly engine: string;
  /** Of one sample, as the model takes it. */
  readonly inputShape: readonly number[];
  readonly layout: SamplePlan["layout"];
  readonly features: number;
}

export interface Extracted {
  /** Features in place of the samples. */
  readonly data: Dataset;
  readonly card: ExtractorCard;
  /** How the samples came to the model. */
  readonly plan: SamplePlan;
  /** Of what it gave for one sample, before the means. */
  readonly outputShape: readonly number[];
  readonly model: OpenedModel;
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
): Promise<Extracted> {
  const { file, pixels } = spec;
  const source = { inputDir, file, called: `the backbone '${show(file)}'` };
  await using session = await OnnxSession.open(await readOnnx(source), { data, use: spec, source });
  const { plan, output, sha256, engine } = session;
  let features: Float32Array | undefined;
  let width = 0;
  let outputShape: readonly number[] = [];
  for await (const answer of session.run(data, signal)) {
    if (answer.shape.length === 0)
      throw session.model.refuse(
        `its output '${show(output, 80)}' has one number for each sample, no features`,
      );
    const rows = averaged(answer, plan);
    if (features === undefined) {
      width = rows.length / answer.count;
      assertFits(data.count, width * Float32Array.BYTES_PER_ELEMENT);
      features = new Float32Array(data.count * width);
      outputShape = answer.shape;
    }
    features.set(rows, answer.from * width);
  }
  const { layout, shape: inputShape } = plan;
  const card = { file, output, pixels, sha256, engine, inputShape, layout, features: width };
  const learnable = { ...data, shape: [width], features: features ?? new Float32Array(0) };
  return { data: learnable, card, plan, outputShape, model: session.model };
}

/** Of [features], [places, features], or a map with its channels where the model has them: means over the places. */
function averaged({ values, count, shape }: Answer, { layout }: SamplePlan): Float32Array {
  if (shape.length === 1) return values.slice();
  const isFirst = hasChannelsFirst(shape, layout);
  const width = (isFirst ? shape[0] : shape.at(-1)) ?? 1;
  const places = sizeOf(shape) / width;
  const rows = new Float32Array(count * width);
  for (let sample = 0; sample < count; sample += 1) {
    for (let feature = 0; feature < width; feature += 1) {
      let sum = 0;
      for (let place = 0; place < places; place += 1) {
        const at = isFirst ? feature * places + place : place * width + feature;
        sum += values[sample * places * width + at] ?? 0;
      }
      rows[sample * width + feature] = sum / places;
    }
  }
  return rows;
}

/** Whether the features of an output of this shape, without the samples, come before their places. */
export function hasChannelsFirst(shape: readonly number[], layout: SamplePlan["layout"]): boolean {
  return shape.length === 3 && layout === "nchw";
}
