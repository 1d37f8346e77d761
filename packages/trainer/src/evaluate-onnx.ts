/** What an ONNX model of others makes of samples: the same numbers as those of a model of this trainer. */
import { SmcError } from "@smc/store/errors";
import { type Dataset, digestOf, without } from "./data/dataset.ts";
import { loadData } from "./data/load.ts";
import { EXTRACTOR } from "./engine/backbones.ts";
import { sizeOf } from "./engine/network.ts";
import {
  aboutEvaluation,
  byClass,
  type EvaluationContext,
  type EvaluationReport,
  samplesOf,
} from "./evaluate.ts";
import type { OpenedModel } from "./onnx/embed.ts";
import { PRODUCER } from "./onnx/graph.ts";
import { type Answer, OnnxSession, readOnnx } from "./onnx/session.ts";
import { inClassesOf, ONNX_FILE } from "./saved-model.ts";
import { extractorOf, resolveSpec, type TrainSpec } from "./spec.ts";

/** How far shares of classes, of half precision, may be from a sum of 1. */
const SHARE_SLACK = 0.01;
const SHARE_MIN = 1e-7;
/** To which images are brought when they are read. */
const SIZE_MIN = 4;
const SIZE_MAX = 1024;

/**
 * Runs `onnx/model.onnx` of a folder over data. `given` says which data, and in its part `backbone` how samples are
 * brought to the model; `classes` names those of the model in the order of its outputs, else its metadata do, else they
 * are those of the data. Throws CONFIG_INVALID where data, classes and model do not fit each other, FILE_MALFORMED,
 * PATH_NOT_FOUND, UNSAFE_PATH, LIMIT_EXCEEDED.
 */
export async function evaluateOnnx(
  given: unknown,
  { classes: asked, ...context }: EvaluationContext & { readonly classes: readonly string[] | undefined },
): Promise<EvaluationReport> {
  const source = { inputDir: context.modelDir, file: ONNX_FILE, called: "the model" };
  try {
    const read = await readOnnx(source);
    const spec = specFor(read.model, given);
    const whole = await loadData(spec, context);
    const digest = digestOf(whole);
    const chosen = new Set(samplesOf(whole, spec, context));
    const data = without(whole, new Set([...whole.labels.keys()].filter((sample) => !chosen.has(sample))));
    await using session = await OnnxSession.open(read, { data, use: extractorOf(spec), source });
    let judge: Judge | undefined;
    let classesFrom: EvaluationReport["classesFrom"] = "model";
    for await (const answer of session.run(data, context.signal)) {
      if (judge === undefined) {
        const named = namesOf(read.model, { asked, data, width: widthOf(answer) });
        classesFrom = named.from;
        judge = named.names.length === 0 ? new NumberJudge(data) : new ClassJudge(data, named.names);
      }
      judge.take(answer);
    }
    const told = judge?.told() ?? { metrics: {}, classes: [], confusion: [] };
    const { engine: backend } = session;
    return { digest, isTrainingData: null, samples: data.count, ...told, backend, classesFrom };
  } catch (error) {
    throw aboutEvaluation(error);
  }
}

/** What is not said is told by the model: its channels, its size, and that one of ours takes bytes as they are. */
function specFor({ input, producer }: OpenedModel, given: unknown): TrainSpec {
  const { data = {}, backbone = {}, ...more } = given as Record<"data" | "backbone", object | undefined>;
  const { layout, inputSize } = backbone as { layout?: string; inputSize?: number };
  const [, ...rest] = input.shape;
  const isFirst = layout === "nchw" || (layout !== "nhwc" && (rest[0] === 1 || rest[0] === 3));
  const [channels, height, width] = isFirst ? rest : [rest[2], rest[0], rest[1]];
  const { kind, channels: told } = data as { kind?: string; channels?: number };
  const isImages = kind === "images" && rest.length === 3;
  const isKnown = told === undefined && (channels === 1 || channels === 3);
  const isSquare = isImages && inputSize === undefined && height === width;
  const size =
    isSquare && height !== undefined && height >= SIZE_MIN && height <= SIZE_MAX ? height : inputSize;
  return resolveSpec({
    ...more,
    data: { ...data, ...(isImages && isKnown ? { channels } : {}) },
    backbone: {
      ...(kind === "csv" || rest.length !== 3 || producer !== PRODUCER ? {} : { pixels: "raw" }),
      ...backbone,
      ...(size === undefined ? {} : { inputSize: size }),
      name: EXTRACTOR,
      file: ONNX_FILE,
    },
  });
}

/** Numbers for each sample. */
function widthOf({ shape }: Answer): number {
  if (shape.filter((length) => length !== 1).length <= 1) return sizeOf(shape);
  throw misfit(
    `the model gives [${shape.join(", ")}] for each sample; a row of classes, or a number, is needed`,
    {
      hint: "name another value of its graph with --set backbone.output=NAME",
    },
  );
}

function misfit(why: string, { hint }: { hint: string }): SmcError {
  return new SmcError("CONFIG_INVALID", `${why}; nothing was computed`, { hint });
}

function namesOf(
  model: OpenedModel,
  { asked, data, width }: { asked: readonly string[] | undefined; data: Dataset; width: number },
): { names: readonly string[]; from: EvaluationReport["classesFrom"] } {
  const hint = "name the classes of the model in its order: --classes A,B,...";
  if (data.classes.length === 0) {
    if (width === 1) return { names: [], from: "model" };
    throw misfit(`the model gives ${width} numbers for each sample, the data have one to predict`, { hint });
  }
  const own = classesIn(model);
  const from = asked !== undefined ? "asked" : own !== undefined ? "model" : "data";
  const names = asked ?? own ?? data.classes;
  if (names.length === width && width > 1) return { names, from };
  const whose = { asked: "--classes has", model: "its metadata name", data: "the data have" }[from];
  throw misfit(`the model gives ${width} numbers for each sample, ${whose} ${names.length} classes`, {
    hint,
  });
}

/** As exports of smc name them: a list as JSON. */
function classesIn({ metadata }: OpenedModel): readonly string[] | undefined {
  try {
    const found: unknown = JSON.parse(metadata.get("classes") ?? "null");
    if (!Array.isArray(found) || found.length === 0) return undefined;
    return found.every((name) => typeof name === "string") ? found : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

type Told = Pick<EvaluationReport, "metrics" | "classes" | "confusion">;

interface Judge {
  take(answer: Answer): void;
  told(): Told;
}

/** Outputs are shares of the classes, or what such shares are made of: that is seen when all are there. */
class ClassJudge implements Judge {
  readonly #labels: Dataset["labels"];
  readonly #classes: readonly string[];
  readonly #counts = new Map<number, number>();
  #areShares = true;
  #shareLoss = 0;
  #logitLoss = 0;
  #count = 0;

  constructor(data: Dataset, classes: readonly string[]) {
    this.#labels = inClassesOf({ classes }, data).labels;
    this.#classes = classes;
  }

  take({ from, count, values }: Answer): void {
    const width = this.#classes.length;
    for (let place = 0; place < count; place += 1) {
      const row = values.subarray(place * width, (place + 1) * width);
      const label = this.#labels[from + place] ?? 0;
      const most = row.reduce((one, other) => Math.max(one, other), Number.NEGATIVE_INFINITY);
      const least = row.reduce((one, other) => Math.min(one, other), Number.POSITIVE_INFINITY);
      const sum = row.reduce((total, value) => total + value, 0);
      if (least < -SHARE_SLACK || Math.abs(sum - 1) > SHARE_SLACK) this.#areShares = false;
      const powers = row.reduce((total, value) => total + Math.exp(value - most), 0);
      this.#shareLoss -= Math.log(Math.max(SHARE_MIN, row[label] ?? 0));
      this.#logitLoss += Math.log(powers) + most - (row[label] ?? 0);
      const pair = label * width + row.indexOf(most);
      this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + 1);
    }
    this.#count += count;
  }

  told(): Told {
    const sum = this.#areShares ? this.#shareLoss : this.#logitLoss;
    return byClass(this.#counts, { classes: this.#classes, loss: sum / this.#count });
  }
}

class NumberJudge implements Judge {
  readonly #labels: Dataset["labels"];
  #squares = 0;
  #distances = 0;
  #count = 0;

  constructor({ labels }: Dataset) {
    this.#labels = labels;
  }

  take({ from, count, values }: Answer): void {
    for (let place = 0; place < count; place += 1) {
      const far = (values[place] ?? 0) - (this.#labels[from + place] ?? 0);
      this.#squares += far ** 2;
      this.#distances += Math.abs(far);
    }
    this.#count += count;
  }

  told(): Told {
    const loss = this.#squares / this.#count;
    const metrics = { loss, mae: this.#distances / this.#count, rmse: Math.sqrt(loss) };
    return { metrics, classes: [], confusion: [] };
  }
}
