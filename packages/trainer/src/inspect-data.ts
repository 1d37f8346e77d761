/** What a training would be given to learn from, and all that is wrong with it, without training. */
import { isSmcError } from "@smc/store/errors";
import { type Dataset, digestOf, reasonOf } from "./data/dataset.ts";
import { loadData, splitData } from "./data/load.ts";
import { type Pixels, resize } from "./data/pixels.ts";
import { Problems } from "./data/problems.ts";
import { resolveSpec, type TrainSpec } from "./spec.ts";

/** Width and height of an image that is shown. */
const SHOWN_PIXELS = 32;
/** Of a row of numbers. */
const SHOWN_NUMBERS = 16;
const SAMPLES_SHOWN_MAX = 64;
const CLASSES_TOLD_MAX = 1000;

export interface SampleShown {
  /** Number of the sample in the data. */
  readonly sample: number;
  /** A class, or the number to predict. */
  readonly label: string | number;
  readonly shape: readonly number[];
  /** Of an image, made smaller: row by row, one byte for each channel; null for other samples. */
  readonly image: { readonly width: number; readonly height: number; readonly bytesBase64: string } | null;
  /** The first numbers of a row; empty for an image. */
  readonly numbers: readonly number[];
}

export interface InspectedData {
  /** The first of them, in words that name the file and the row. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  readonly badSamples: number;
  /** Samples that can be learned from. */
  readonly samples: number;
  /** Of one sample. */
  readonly shape: readonly number[];
  /** The first 1000 with their samples; none where numbers are predicted. */
  readonly classes: readonly { readonly name: string; readonly samples: number }[];
  readonly classCount: number;
  /** Null where there are none, or where none could be kept aside. */
  readonly split: { readonly train: number; readonly validation: number } | null;
  /** Of all samples in their order; null where any is wrong. */
  readonly digest: string | null;
  /** As many as were asked for, one of each class in turn. */
  readonly shown: readonly SampleShown[];
}

/**
 * Every check that `train` makes of data. `show` asks for samples, 64 at most. What is wrong with the data is the
 * answer; throws CONFIG_INVALID, PATH_NOT_FOUND, UNSAFE_PATH, LIMIT_EXCEEDED and I/O errors.
 */
export async function inspectData(
  given: unknown,
  context: { inputDir: string; signal: AbortSignal; show?: number },
): Promise<InspectedData> {
  const spec = resolveSpec(given);
  const problems = new Problems({ endsAtFirst: false });
  const data = await dataOr(() => loadData(spec, context, problems), problems);
  const split = data === undefined || data.count === 0 ? undefined : splitOr(data, { spec, problems });
  const { kept, count, badSamples } = problems;
  const shared = { problems: kept, problemCount: count, badSamples };
  if (data === undefined) {
    return {
      ...shared,
      samples: 0,
      shape: [],
      classes: [],
      classCount: 0,
      split: null,
      digest: null,
      shown: [],
    };
  }
  const counts = new Uint32Array(data.classes.length);
  if (data.classes.length > 0) for (const label of data.labels) counts[label] = (counts[label] ?? 0) + 1;
  const classes = data.classes.map((name, index) => ({ name, samples: counts[index] ?? 0 }));
  return {
    ...shared,
    samples: data.count,
    shape: data.shape,
    classes: classes.slice(0, CLASSES_TOLD_MAX),
    classCount: classes.length,
    split: split === undefined ? null : { train: split.train.length, validation: split.validation.length },
    digest: count === 0 ? digestOf(data) : null,
    shown: samplesOf(data, Math.min(context.show ?? 0, SAMPLES_SHOWN_MAX)),
  };
}

/** A file that is broken as a whole is a problem, too. */
async function dataOr(load: () => Promise<Dataset>, problems: Problems): Promise<Dataset | undefined> {
  try {
    return await load();
  } catch (error) {
    if (!isSmcError(error, "FILE_MALFORMED")) throw error;
    problems.add(reasonOf(error));
    return undefined;
  }
}

function splitOr(
  data: Dataset,
  { spec, problems }: { spec: TrainSpec; problems: Problems },
): ReturnType<typeof splitData> | undefined {
  try {
    return splitData(data, spec);
  } catch (error) {
    if (!isSmcError(error, "FILE_MALFORMED")) throw error;
    problems.add(reasonOf(error));
    return undefined;
  }
}

/** One of each class in turn, the first ones first. */
function samplesOf(data: Dataset, wanted: number): SampleShown[] {
  const groups: number[][] = Array.from({ length: Math.max(1, data.classes.length) }, () => []);
  for (const [sample, label] of data.labels.entries()) {
    const group = groups[data.classes.length === 0 ? 0 : label];
    if (group !== undefined && group.length < wanted) group.push(sample);
  }
  const order: number[] = [];
  for (let turn = 0; turn < wanted && order.length < wanted; turn += 1) {
    for (const group of groups) {
      const sample = group[turn];
      if (sample !== undefined && order.length < wanted) order.push(sample);
    }
  }
  return order.map((sample) => shownOf(data, sample));
}

function shownOf({ features, labels, classes, shape, count }: Dataset, sample: number): SampleShown {
  const size = features.length / count;
  const values = features.slice(sample * size, (sample + 1) * size);
  const number = labels[sample] ?? 0;
  const label = classes.length === 0 ? number : (classes[number] ?? "");
  const [height = 0, width = 0, channels = 0] = shape;
  if (!(values instanceof Uint8Array) || shape.length !== 3 || (channels !== 1 && channels !== 3)) {
    return { sample, label, shape, image: null, numbers: [...values.subarray(0, SHOWN_NUMBERS)] };
  }
  const pixels: Pixels = { width, height, channels, data: values };
  const small = Math.max(width, height) <= SHOWN_PIXELS ? pixels : resize(pixels, SHOWN_PIXELS);
  const bytesBase64 = Buffer.from(small.data).toString("base64");
  return {
    sample,
    label,
    shape,
    image: { width: small.width, height: small.height, bytesBase64 },
    numbers: [],
  };
}
