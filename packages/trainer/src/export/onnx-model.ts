/** A trained network as ONNX: images channels first, the scaling of the inputs in front, all weights inside. */
import { SmcError } from "@smc/store/errors";
import { type Layer, sizeOf } from "../engine/network.ts";
import { NORM_EPSILON } from "../engine/ops.ts";
import type { SavedModel } from "../saved-model.ts";
import { OnnxGraph } from "../onnx/graph.ts";
import { addBackbone, type ExportedBackbone, shapeBefore } from "./onnx-backbone.ts";

export const ONNX_INPUT = "input";

/** What comes out of the graph, the first is that of use: shares of classes, or numbers. */
export function onnxOutputs({ classes }: Pick<SavedModel, "classes">): readonly string[] {
  return classes.length > 0 ? ["probabilities", "logits"] : ["prediction"];
}

/** Something that was computed, and its shape as the trainer has it: [numbers], or [height, width, channels]. */
interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The file, with the frozen backbone where there is one. Throws FILE_MALFORMED for operations that are too old. */
export function onnxModel(saved: SavedModel, backbone?: ExportedBackbone): Buffer {
  const { network, scaling, classes } = saved;
  const graph = new OnnxGraph();
  const writer = new LayerWriter(graph, saved);
  const { inputShape } = network;
  const isImage = inputShape.length === 3;
  const [height = 1, width = 1, channels = 1] = inputShape;
  const around = isImage ? [1, channels, 1, 1] : [1, ...inputShape];
  const features = backbone === undefined ? ONNX_INPUT : addBackbone(graph, ONNX_INPUT, backbone);
  const own = [undefined, ...(isImage ? [channels, height, width] : inputShape)];
  const samples = backbone?.plan.isSingle === true ? 1 : undefined;
  const scale = (name: keyof typeof scaling): string =>
    graph.constant(`scaling.${name}`, { shape: around, values: Float32Array.from(scaling[name]) });
  const centered = graph.add("Sub", [features, scale("mean")]);
  const scaled = graph.add("Div", [centered, scale("deviation")]);
  const last = writer.layers(network.layers, { name: scaled, shape: inputShape });
  const [first = "", logits = first] = onnxOutputs(saved);
  graph.add("Identity", [last.name], { output: logits });
  if (classes.length > 0) graph.add("Softmax", [logits], { output: first, attributes: { axis: 1 } });
  return graph.encode({
    input: { name: ONNX_INPUT, shape: backbone === undefined ? own : [samples, ...shapeBefore(backbone)] },
    outputs: onnxOutputs(saved).map((name) => ({ name, shape: [samples, network.outputs] })),
    metadata: { classes: JSON.stringify(classes) },
  });
}

class LayerWriter {
  readonly #graph: OnnxGraph;
  readonly #weights: SavedModel["weights"];

  constructor(graph: OnnxGraph, { weights }: SavedModel) {
    this.#graph = graph;
    this.#weights = weights;
  }

  layers(list: readonly Layer[], input: Value): Value {
    return list.reduce((value, layer) => this.#layer(layer, value), input);
  }

  #layer(layer: Layer, { name, shape }: Value): Value {
    const graph = this.#graph;
    const [height = 1, width = 1, channels = shape[0] ?? 1] = shape;
    switch (layer.kind) {
      case "dropout":
        return { name, shape };
      case "flatten":
        return { name: this.#flat(name, shape), shape: [sizeOf(shape)] };
      case "globalAverage":
        return { name: this.#averages(name), shape: [channels] };
      case "maxPool": {
        const { size } = layer;
        const attributes = { kernel_shape: [size, size], strides: [size, size] };
        const pooled = graph.add("MaxPool", [name], { attributes });
        return { name: pooled, shape: [Math.floor(height / size), Math.floor(width / size), channels] };
      }
      case "dense": {
        const made = this.#dense(name, layer.name);
        return { name: this.#activated(made, layer.activation), shape: [layer.units] };
      }
      case "conv":
      case "depthwise":
        return this.#conv(layer, { name, shape });
      case "norm": {
        const parts = ["gamma", "beta", "mean", "variance"].map((part) =>
          this.#weight(`${layer.name}.${part}`),
        );
        const attributes = { epsilon: { float: NORM_EPSILON } };
        const made = graph.add("BatchNormalization", [name, ...parts], { attributes });
        return { name: this.#activated(made, layer.activation), shape };
      }
      case "squeeze": {
        const down = graph.add("Relu", [this.#dense(this.#averages(name), `${layer.name}.down`)]);
        const gate = graph.add("Sigmoid", [this.#dense(down, `${layer.name}.up`)]);
        const wanted = BigInt64Array.of(-1n, BigInt(channels), 1n, 1n);
        const spread = graph.constant(`${layer.name}.shape`, { shape: [4], values: wanted });
        return { name: graph.add("Mul", [name, graph.add("Reshape", [gate, spread])]), shape };
      }
      case "residual": {
        const body = this.layers(layer.body, { name, shape });
        const shortcut = this.layers(layer.shortcut, { name, shape });
        const both = graph.add("Add", [body.name, shortcut.name]);
        return { name: this.#activated(both, layer.activation), shape: body.shape };
      }
      default: {
        const unknown: never = layer;
        throw new SmcError("INTERNAL", `no layer ${JSON.stringify(unknown)}`);
      }
    }
  }

  /** The trainer's order of the numbers of an image: channels last. */
  #flat(name: string, shape: readonly number[]): string {
    if (shape.length === 1) return name;
    const turned = this.#graph.add("Transpose", [name], { attributes: { perm: [0, 2, 3, 1] } });
    return this.#graph.add("Flatten", [turned], { attributes: { axis: 1 } });
  }

  #averages(name: string): string {
    return this.#graph.add("Flatten", [this.#graph.add("GlobalAveragePool", [name])], {
      attributes: { axis: 1 },
    });
  }

  #dense(input: string, name: string): string {
    return this.#graph.add("Gemm", [input, this.#weight(`${name}.weight`), this.#weight(`${name}.bias`)]);
  }

  /** Padding "same": where it is odd, the further row is at the end. */
  #conv(layer: Extract<Layer, { kind: "conv" | "depthwise" }>, { name, shape }: Value): Value {
    const { size, stride } = layer;
    const [height = 1, width = 1, channels = 1] = shape;
    const [out, pads] = [height, width].reduce<[number[], number[]]>(
      ([lengths, all], length) => {
        const wanted = Math.ceil(length / stride);
        const pad = Math.max(0, (wanted - 1) * stride + size - length);
        return [
          [...lengths, wanted],
          [...all, pad],
        ];
      },
      [[], []],
    );
    const before = pads.map((pad) => Math.floor(pad / 2));
    const after = pads.map((pad, side) => pad - (before[side] ?? 0));
    const isEach = layer.kind === "depthwise";
    const attributes = {
      kernel_shape: [size, size],
      strides: [stride, stride],
      pads: [...before, ...after],
      group: isEach ? channels : 1,
    };
    // Ours: height, width, from, to; of depthwise ones: height, width, channel, 1.
    const weight = this.#weight(`${layer.name}.weight`, isEach ? [2, 3, 0, 1] : [3, 2, 0, 1]);
    const bias = layer.kind === "conv" && layer.bias ? [this.#weight(`${layer.name}.bias`)] : [];
    const made = this.#graph.add("Conv", [name, weight, ...bias], { attributes });
    const filters = layer.kind === "conv" ? layer.filters : channels;
    const activation = layer.kind === "conv" ? layer.activation : "linear";
    return { name: this.#activated(made, activation), shape: [...out, filters] };
  }

  #activated(name: string, activation: "linear" | "relu" | "relu6" | "swish"): string {
    const graph = this.#graph;
    if (activation === "linear") return name;
    if (activation === "relu") return graph.add("Relu", [name]);
    if (activation === "swish") return graph.add("Mul", [name, graph.add("Sigmoid", [name])]);
    const six = graph.constant(`${name}.six`, { shape: [], values: Float32Array.of(6) });
    return graph.add("Min", [graph.add("Relu", [name]), six]);
  }

  /** `order` names the dimension of ours that stands at each place of theirs. */
  #weight(name: string, order?: readonly number[]): string {
    const found = this.#weights.get(name);
    if (found === undefined) throw new SmcError("INTERNAL", `no weight '${name}'`);
    return this.#graph.constant(name, order === undefined ? found : turned(found, order));
  }
}

function turned(
  { shape, values }: { shape: readonly number[]; values: Float32Array },
  order: readonly number[],
): { shape: readonly number[]; values: Float32Array } {
  const steps = shape.map((_, at) => sizeOf(shape.slice(at + 1)));
  const lengths = order.map((from) => shape[from] ?? 1);
  const [step0 = 0, step1 = 0, step2 = 0, step3 = 0] = order.map((from) => steps[from] ?? 0);
  const [length0 = 1, length1 = 1, length2 = 1, length3 = 1] = lengths;
  const result = new Float32Array(values.length);
  let at = 0;
  for (let a = 0; a < length0; a += 1) {
    for (let b = 0; b < length1; b += 1) {
      for (let c = 0; c < length2; c += 1) {
        for (let d = 0; d < length3; d += 1) {
          result[at] = values[a * step0 + b * step1 + c * step2 + d * step3] ?? 0;
          at += 1;
        }
      }
    }
  }
  return { shape: lengths, values: result };
}
