/** A model that a run has left, taken up again: what its files say, checked before anything is computed. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Ajv } from "ajv";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { type TProperties, Type } from "typebox";
import type { Scaling } from "./data/batches.ts";
import type { Dataset } from "./data/dataset.ts";
import { type Extracted, type ExtractorCard, extractFeatures } from "./engine/extractor.ts";
import { LOSSES, type LossName } from "./engine/losses.ts";
import { Model, type NamedTensors } from "./engine/model.ts";
import { type Layer, type Network, planNetwork } from "./engine/network.ts";
import { LAYOUTS, PIXEL_RANGES } from "./onnx/session.ts";
import { decodeTensors } from "./safetensors.ts";
import { resolveSpec, type TrainSpec } from "./spec.ts";

const JSON_BYTES_MAX = 16 * 1024 * 1024;
const WEIGHTS_BYTES_MAX = 512 * 1024 * 1024;
const DEPTH_MAX = 8;
const LAYERS_MAX = 10_000;
const LENGTH_MAX = 10_000_000;
const NAMES_MAX = 10_000;

/** Where the frozen model of a head is, in the folder of the head. */
export const ONNX_FILE = "onnx/model.onnx";

export interface SavedModel {
  readonly network: Network;
  readonly weights: NamedTensors;
  /** Empty where it predicts numbers. */
  readonly classes: readonly string[];
  readonly scaling: Scaling;
  readonly loss: LossName;
  /** What makes its inputs out of samples, and where that model is; undefined where they are samples. */
  readonly extractor: { readonly card: ExtractorCard; readonly inputSize: number | undefined } | undefined;
  /** What it was trained with. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Of the samples that it was trained on; undefined where that was not kept. */
  readonly dataDigest: string | undefined;
}

const fields = (properties: TProperties) => Type.Object(properties, { additionalProperties: false });
const length = Type.Integer({ minimum: 1, maximum: LENGTH_MAX });
const name = Type.String({ maxLength: 200 });
const activation = Type.Enum(["linear", "relu", "relu6", "swish"]);
const plain = Type.Enum(["linear", "relu"]);
const flag = Type.Boolean();
const numbers = Type.Array(Type.Number(), { minItems: 1, maxItems: LENGTH_MAX });
const shape = Type.Array(length, { minItems: 1, maxItems: 3 });
const parts = Type.Array(Type.Unknown(), { maxItems: LAYERS_MAX });

const LAYER_FIELDS: Readonly<Record<Layer["kind"], TProperties>> = {
  flatten: {},
  globalAverage: {},
  maxPool: { size: length },
  dropout: { rate: Type.Number({ minimum: 0, exclusiveMaximum: 1 }) },
  dense: { name, units: length, activation: plain },
  conv: { name, filters: length, size: length, stride: length, activation: plain, bias: flag },
  depthwise: { name, size: length, stride: length },
  norm: { name, activation },
  squeeze: { name, units: length },
  residual: { body: parts, shortcut: parts, activation },
};

const ArchitectureSchema = Type.Object({
  format: Type.Literal(1),
  inputShape: shape,
  extractor: Type.Optional(
    fields({
      file: Type.String({ minLength: 1, maxLength: 4096 }),
      output: Type.String({ maxLength: 4096 }),
      pixels: Type.Enum([...PIXEL_RANGES]),
      sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
      engine: Type.String({ maxLength: 200 }),
      inputShape: shape,
      layout: Type.Enum([...LAYOUTS.slice(1), "rows"]),
      features: length,
    }),
  ),
  scaling: fields({ mean: numbers, deviation: numbers }),
  classes: Type.Array(Type.String({ maxLength: 4096 }), { maxItems: NAMES_MAX }),
  layers: parts,
});

interface Architecture {
  readonly inputShape: readonly number[];
  readonly extractor?: ExtractorCard;
  readonly scaling: Scaling;
  readonly classes: readonly string[];
  readonly layers: readonly unknown[];
}

const ajv = new Ajv({ strict: true });
const isArchitecture = ajv.compile<Architecture>(ArchitectureSchema);
const isLayer = new Map(
  Object.entries(LAYER_FIELDS).map(([kind, properties]) => [
    kind,
    ajv.compile(fields({ kind: Type.Literal(kind), ...properties })),
  ]),
);

function refuse(why: string): SmcError {
  return new SmcError("FILE_MALFORMED", `${why}; nothing was computed`, {
    hint: "take a version whose model the trainer of smc wrote",
  });
}

/**
 * The model in a folder. Throws FILE_MALFORMED for files that are not those that a run has written, PATH_NOT_FOUND,
 * LIMIT_EXCEEDED.
 */
export async function readSavedModel(folder: string): Promise<SavedModel> {
  const architecture = await readJson(folder, "architecture.json");
  if (!isArchitecture(architecture)) throw refuse("'architecture.json' describes no network of this trainer");
  const { inputShape, extractor, scaling, classes } = architecture;
  const layers = layersOf(architecture.layers, { left: LAYERS_MAX, depth: 0 });
  const groups = inputShape.at(-1);
  if (scaling.mean.length !== groups || scaling.deviation.length !== groups)
    throw refuse("the scaling in 'architecture.json' does not fit the shape of its inputs");
  const network = networkOf(layers, inputShape);
  if (network.outputs !== Math.max(1, classes.length))
    throw refuse(`'architecture.json' names ${classes.length} classes for ${network.outputs} outputs`);
  const params = await readJson(folder, "params.json");
  if (!isRecord(params)) throw refuse("'params.json' holds no settings");
  const loss = LOSSES.find((one) => one === params["loss"]);
  if (loss === undefined || (loss === "cross-entropy") !== classes.length > 0)
    throw refuse("'params.json' does not fit 'architecture.json'");
  const environment = await readJson(folder, "environment.json", {});
  const digest = isRecord(environment) ? environment["data"] : undefined;
  const inputSize = isRecord(params["backbone"]) ? params["backbone"]["inputSize"] : undefined;
  const { tensors } = decodeTensors(
    await readBytes(folder, "model.safetensors", WEIGHTS_BYTES_MAX),
    "model.safetensors",
  );
  return {
    network,
    weights: tensors,
    classes,
    scaling,
    loss,
    extractor: extractor && {
      card: extractor,
      inputSize: typeof inputSize === "number" ? inputSize : undefined,
    },
    params,
    dataDigest: typeof digest === "string" ? digest : undefined,
  };
}

function networkOf(layers: readonly Layer[], inputShape: readonly number[]): Network {
  try {
    return planNetwork(layers, inputShape);
  } catch (error) {
    if (!isSmcError(error, "CONFIG_INVALID")) throw error;
    throw refuse(`'architecture.json' describes no network: ${error.message}`);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function layersOf(list: readonly unknown[], limit: { left: number; depth: number }): Layer[] {
  if (limit.depth > DEPTH_MAX) throw refuse(`the layers are nested more than ${DEPTH_MAX} times`);
  return list.map((value) => {
    limit.left -= 1;
    const kind = isRecord(value) ? value["kind"] : undefined;
    const fits = typeof kind === "string" ? isLayer.get(kind) : undefined;
    if (limit.left < 0 || fits === undefined || !fits(value))
      throw refuse("'architecture.json' has a layer that this trainer does not know");
    const layer = value as Layer;
    if (layer.kind !== "residual") return layer;
    limit.depth += 1;
    const [body, shortcut] = [layer.body, layer.shortcut].map((inner) => layersOf(inner, limit));
    limit.depth -= 1;
    return { ...layer, body: body ?? [], shortcut: shortcut ?? [] };
  });
}

/** `absent` stands for a file that is not there. */
async function readJson(folder: string, file: string, absent?: unknown): Promise<unknown> {
  try {
    return JSON.parse((await readBytes(folder, file, JSON_BYTES_MAX)).toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) throw refuse(`'${file}' is no JSON`);
    if (absent !== undefined && isSmcError(error, "PATH_NOT_FOUND")) return absent;
    throw error;
  }
}

async function readBytes(folder: string, file: string, bytesMax: number): Promise<Buffer> {
  const path = join(folder, file);
  try {
    const { size } = await stat(path);
    if (size > bytesMax)
      throw new SmcError("LIMIT_EXCEEDED", `'${file}' has ${size} bytes, more than ${bytesMax}`);
    return await readFile(path);
  } catch (error) {
    throw fromErrno(error, `cannot read '${file}' of the model`);
  }
}

/** Ready to compute; the caller disposes of it. Throws FILE_MALFORMED for layers and weights that do not fit. */
export function openModel({ network, weights, loss, classes }: SavedModel): Model {
  const { optimizer } = resolveSpec({ data: { kind: "digits" } });
  const model = new Model({ network, seed: 0, loss, optimizer, classWeights: undefined });
  try {
    model.setWeights(weights);
    const inputs = new Float32Array(network.inputShape.reduce((size, part) => size * part, 1));
    const width = Math.max(1, classes.length);
    // tfjs throws plain errors for shapes that do not go together: they are met here, with one sample of nothing.
    model.evaluate({
      shape: [1, ...network.inputShape],
      inputs,
      targets: new Float32Array(width),
      width,
      count: 1,
    });
    return model;
  } catch (error) {
    model[Symbol.dispose]();
    if (isSmcError(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw refuse(`the layers in 'architecture.json' do not fit together: ${show(why, 200)}`);
  }
}

/**
 * How data are read for the model: what `given` says, and for the rest what the model was trained with, where the data
 * are of the same kind. Throws CONFIG_INVALID.
 */
export function dataSpecOf({ params, classes, network }: SavedModel, given: unknown): TrainSpec {
  const asked = isRecord(given) ? given : {};
  const own = isRecord(asked["data"]) ? asked["data"] : {};
  const was = isRecord(params["data"]) ? params["data"] : {};
  const backbone = isRecord(params["backbone"]) ? params["backbone"] : {};
  const task = classes.length > 0 ? "classify" : "regress";
  const channels = network.inputShape.length === 3 ? network.inputShape[2] : was["channels"];
  // How many of them were learned from says nothing about other data.
  const { samples: _samples, ...same } = was;
  const isSame = own["kind"] === was["kind"];
  const inherited = isSame ? same : channels === 1 || channels === 3 ? { task, channels } : { task };
  const isImages = own["kind"] === "images";
  const inputSize =
    isImages && backbone["inputSize"] !== undefined ? { inputSize: backbone["inputSize"] } : {};
  const { seed, splitSeed = seed, validation, batch } = params;
  const kept = Object.entries({ splitSeed, validation, batch }).filter(([, value]) => value !== undefined);
  return resolveSpec({
    ...Object.fromEntries(kept),
    ...asked,
    data: { ...inherited, ...own },
    backbone: { ...inputSize, ...(isRecord(asked["backbone"]) ? asked["backbone"] : {}) },
  });
}

/**
 * The samples as the network takes them, labels in its own order of classes. `extractorDir` holds the model of a frozen
 * backbone as `onnx/model.onnx`. Throws FILE_MALFORMED for data that do not fit the model, and as `extractFeatures`.
 */
export async function fittedData(
  saved: SavedModel,
  data: Dataset,
  { extractorDir, signal }: { extractorDir: string; signal: AbortSignal },
): Promise<Dataset> {
  const labelled = inClassesOf(saved, data);
  const { extractor, network } = saved;
  const fitted =
    extractor === undefined
      ? labelled
      : (await extractAgain(labelled, extractor, { extractorDir, signal })).data;
  const [found, wanted] = [fitted.shape, network.inputShape].map((sizes) => sizes.join(" x "));
  if (found === wanted) return fitted;
  throw refuse(`the data have samples of ${found}, the model takes ${wanted}`);
}

/** With the very model that the head was learned on. Throws FILE_MALFORMED for another, and as `extractFeatures`. */
export async function extractAgain(
  data: Dataset,
  { card, inputSize }: NonNullable<SavedModel["extractor"]>,
  { extractorDir, signal }: { extractorDir: string; signal: AbortSignal },
): Promise<Extracted> {
  const { output, pixels, layout } = card;
  const spec = {
    file: ONNX_FILE,
    output,
    pixels,
    layout: layout === "rows" ? ("auto" as const) : layout,
    inputSize,
  };
  const made = await extractFeatures(data, spec, { inputDir: extractorDir, signal });
  if (made.card.sha256 !== card.sha256)
    throw refuse(`the backbone '${show(card.file, 200)}' is not the model that it was trained on`);
  return made;
}

/** Labels as places in the classes of the model. Throws FILE_MALFORMED for a class that it does not know. */
export function inClassesOf({ classes }: Pick<SavedModel, "classes">, data: Dataset): Dataset {
  if (classes.length === 0) return data;
  const places = new Map(classes.map((one, index) => [one, index]));
  const labels = Int32Array.from(data.labels, (label) => places.get(data.classes[label] ?? "") ?? -1);
  const unknown = labels.indexOf(-1);
  if (unknown < 0) return { ...data, classes, labels };
  const shown = show(data.classes[data.labels[unknown] ?? 0] ?? "", 80);
  throw refuse(`the data have the class '${shown}', which the model does not know`);
}
