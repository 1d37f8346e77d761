/** Which backbones there are, and what one of them builds for some data, without training. */
import { isSmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { type Dataset, reasonOf } from "./data/dataset.ts";
import { backbone, BACKBONES, type BackboneName, EXTRACTOR, layersUsual } from "./engine/backbones.ts";
import { extractFeatures } from "./engine/extractor.ts";
import { type LayerRow, learnedCount, type Network } from "./engine/network.ts";
import { extractorOf, resolveSpec, type SpecFault, type TrainSpec } from "./spec.ts";

/** What is taken where nobody knows the data. */
const USUAL = { inputSize: 32, outputs: 10 } as const;
const MESSAGE_SHOWN = 500;
const DIGITS = { shape: [28, 28, 1], outputs: 10 } as const;

const SUMMARIES: Readonly<Record<BackboneName, string>> = {
  mlp: "dense layers; also for rows of numbers",
  "tiny-cnn": "convolutions, each with a pool; the fastest for images",
  "resnet-tiny": "residual blocks",
  "mobilenet-tiny": "depthwise convolutions: few weights",
  "efficientnet-tiny": "widened depthwise blocks that weigh their channels",
  onnx: "onnx:FILE: a trained model, frozen; a head is learned on its features",
};

export interface BackboneKind {
  readonly name: BackboneName;
  readonly summary: string;
  /** `layers` where a spec says nothing. */
  readonly layers: number;
  /** For images of 32 x 32 x 3 and 10 classes; null where it depends on a file. */
  readonly weights: number | null;
}

/** All of them, the model of a file last. */
export function listBackbones(): BackboneKind[] {
  const { inputSize, outputs } = USUAL;
  const names: BackboneName[] = [...BACKBONES, EXTRACTOR];
  return names.map((name) => {
    const isFile = name === EXTRACTOR;
    const plan = (): Network => backbone({ name, width: 1, dropout: 0 }, [inputSize, inputSize, 3], outputs);
    const weights = isFile ? null : learnedCount(plan());
    return { name, summary: SUMMARIES[name], layers: layersUsual(name), weights };
  });
}

/** What is known of the data; what is not is told by the spec, or the usual. */
export interface KnownData {
  readonly shape?: readonly number[];
  readonly outputs?: number;
}

export interface DescribedBackbone {
  /** All that is wrong; then the rest is empty. */
  readonly faults: readonly SpecFault[];
  /** The part `backbone` of the spec, with its defaults. */
  readonly backbone: Readonly<Record<string, unknown>>;
  /** Of one sample, as the network sees it: of onnx those that its model takes. */
  readonly inputShape: readonly number[];
  readonly outputs: number;
  readonly layers: readonly LayerRow[];
  /** Numbers that are learned. */
  readonly weights: number;
}

/**
 * What a training with this spec would build. `given` may leave out its data. Reads the model of onnx below `inputDir`.
 * What is wrong with the spec, or with the input for the layers, is in `faults`; throws I/O errors.
 */
export async function describeBackbone(
  given: object,
  { known = {}, ...context }: { known?: KnownData; inputDir: string; signal: AbortSignal },
): Promise<DescribedBackbone> {
  try {
    const spec = resolveSpec({ data: { kind: "images" }, ...given });
    const { name } = spec.backbone;
    const shape = shapeOf(spec, known);
    const outputs = outputsOf(spec, known);
    const data = name === EXTRACTOR ? await featuresOf(shape, spec, context) : { inputShape: shape, shape };
    const network = backbone(spec.backbone, data.shape, outputs);
    const part = { ...spec.backbone, layers: spec.backbone.layers ?? layersUsual(name) };
    const { rows: layers } = network;
    const { inputShape } = data;
    return { faults: [], backbone: part, inputShape, outputs, layers, weights: learnedCount(network) };
  } catch (error) {
    const isFault = isSmcError(error, "CONFIG_INVALID") || isSmcError(error, "FILE_MALFORMED");
    if (!isFault) throw error;
    const faults = error.details["faults"] as readonly SpecFault[] | undefined;
    const alone = [{ field: "backbone", message: show(reasonOf(error), MESSAGE_SHOWN) }];
    return { faults: faults ?? alone, backbone: {}, inputShape: [], outputs: 0, layers: [], weights: 0 };
  }
}

function shapeOf({ data, backbone: { inputSize, name } }: TrainSpec, known: KnownData): readonly number[] {
  if (data.kind === "digits") return DIGITS.shape;
  if (data.kind === "images" && inputSize !== undefined && name !== EXTRACTOR)
    return [inputSize, inputSize, data.channels];
  if (known.shape !== undefined && known.shape.length > 0) return known.shape;
  const size = inputSize ?? USUAL.inputSize;
  return [size, size, data.channels];
}

function outputsOf({ data }: TrainSpec, known: KnownData): number {
  if (data.task === "regress") return 1;
  if (data.kind === "digits") return DIGITS.outputs;
  return known.outputs ?? data.classes ?? USUAL.outputs;
}

/** One empty sample tells how many features there are. */
async function featuresOf(
  shape: readonly number[],
  spec: TrainSpec,
  context: { inputDir: string; signal: AbortSignal },
): Promise<{ inputShape: readonly number[]; shape: readonly number[] }> {
  const size = shape.reduce((product, length) => product * length, 1);
  const features = shape.length === 3 ? new Uint8Array(size) : new Float32Array(size);
  const empty: Dataset = { shape, features, labels: new Int32Array(1), classes: [], count: 1 };
  const { card, data } = await extractFeatures(empty, extractorOf(spec), context);
  return { inputShape: card.inputShape, shape: data.shape };
}
