/** A trained network as a layers model of TensorFlow.js, built and saved by its own library. */
import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { SmcError } from "@smc/store/errors";
import type { NamedTensor } from "../engine/model.ts";
import type { Layer } from "../engine/network.ts";
import { NORM_EPSILON } from "../engine/ops.ts";
import type { SavedModel } from "../saved-model.ts";

export const TFJS_WEIGHTS = "group1-shard1of1.bin";
const OUTPUT = "probabilities";
const SCALING = "scaling";

type Symbolic = tfl.SymbolicTensor;

export interface TfjsFiles {
  /** Of model.json. */
  readonly json: string;
  readonly weights: Uint8Array;
}

/** The two files of the model, scaling of the inputs included. */
export async function tfjsModel(saved: SavedModel): Promise<TfjsFiles> {
  const { network, classes } = saved;
  const writer = new LayerWriter(saved);
  const input = tfl.input({ shape: [...network.inputShape], name: "input" });
  const scaled = writer.scaled(input);
  const logits = writer.layers(network.layers, scaled);
  const output =
    classes.length > 0 ? applied(tfl.layers.softmax({ name: OUTPUT, axis: -1 }), logits) : logits;
  const model = tfl.model({ inputs: input, outputs: output, name: "smc" });
  try {
    writer.setWeights();
    model.setUserDefinedMetadata({ classes });
    const artifacts = await artifactsOf(model);
    const { modelTopology, weightSpecs, weightData, generatedBy, userDefinedMetadata } = artifacts;
    const weightsManifest = [{ paths: [TFJS_WEIGHTS], weights: weightSpecs }];
    const whole = {
      format: "layers-model",
      generatedBy,
      convertedBy: null,
      modelTopology,
      userDefinedMetadata,
      weightsManifest,
    };
    return { json: `${JSON.stringify(whole)}\n`, weights: bytesOf(weightData) };
  } finally {
    model.dispose();
  }
}

async function artifactsOf(model: tfl.LayersModel): Promise<tf.io.ModelArtifacts> {
  let kept: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      kept = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    }),
  );
  if (kept === undefined) throw new SmcError("INTERNAL", "TensorFlow.js saved no model");
  return kept;
}

function bytesOf(data: tf.io.WeightData | undefined): Uint8Array {
  const all = data === undefined ? [] : Array.isArray(data) ? data : [data];
  return Buffer.concat(all.map((part) => new Uint8Array(part)));
}

/** Reads the files as any program would, and runs the model: what comes out, and what it is made of. */
export async function runTfjs(
  { json, weights }: TfjsFiles,
  inputs: { values: Float32Array; shape: number[] },
): Promise<Readonly<Record<"output" | "logits", Float32Array>>> {
  const { modelTopology, weightsManifest } = JSON.parse(json) as tf.io.ModelJSON;
  const weightSpecs = weightsManifest.flatMap((group) => group.weights);
  const weightData = Uint8Array.from(weights).buffer;
  const model = await tfl.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
  try {
    return tf.tidy(() => {
      const input = tf.tensor(inputs.values, inputs.shape, "float32");
      const numbersOf = (made: tf.Tensor): Float32Array => made.dataSync<"float32">().slice();
      const last = model.layers.at(-1);
      const output = numbersOf(model.predict(input) as tf.Tensor);
      if (last?.name !== OUTPUT) return { output, logits: output };
      const inner = tfl.model({ inputs: model.inputs, outputs: last.input });
      return { output, logits: numbersOf(inner.predict(input) as tf.Tensor) };
    });
  } finally {
    model.dispose();
  }
}

function applied(layer: tfl.layers.Layer, input: Symbolic | Symbolic[]): Symbolic {
  return layer.apply(input) as Symbolic;
}

class LayerWriter {
  readonly #saved: SavedModel;
  readonly #filled: { readonly layer: tfl.layers.Layer; readonly weights: readonly NamedTensor[] }[] = [];
  #count = 0;

  constructor(saved: SavedModel) {
    this.#saved = saved;
  }

  /** (value - mean) / deviation: a normalisation by moments that are known. */
  scaled(input: Symbolic): Symbolic {
    const { mean, deviation } = this.#saved.scaling;
    const groups = mean.length;
    const named = (values: Float32Array): NamedTensor => ({ shape: [groups], values });
    const layer = tfl.layers.batchNormalization({ name: SCALING, epsilon: 0, trainable: false });
    const weights = [
      new Float32Array(groups).fill(1),
      new Float32Array(groups),
      Float32Array.from(mean),
      Float32Array.from(deviation, (one) => one * one),
    ];
    return this.#filledLayer(layer, input, weights.map(named));
  }

  layers(list: readonly Layer[], input: Symbolic): Symbolic {
    return list.reduce((value, layer) => this.#layer(layer, value), input);
  }

  /** Of all layers that were applied. */
  setWeights(): void {
    for (const { layer, weights } of this.#filled) {
      tf.tidy(() => layer.setWeights(weights.map(({ shape, values }) => tf.tensor(values, [...shape]))));
    }
  }

  #layer(layer: Layer, input: Symbolic): Symbolic {
    const { layers } = tfl;
    switch (layer.kind) {
      case "dropout":
        return applied(layers.dropout({ rate: layer.rate, name: this.#name("dropout") }), input);
      case "flatten":
        // Rows of numbers are flat already; the library refuses them. Its shapes count the samples.
        if (input.shape.length === 2) return input;
        return applied(layers.flatten({ name: this.#name("flatten") }), input);
      case "globalAverage":
        return applied(layers.globalAveragePooling2d({ name: this.#name("average") }), input);
      case "maxPool": {
        const { size } = layer;
        const options = {
          poolSize: size,
          strides: size,
          padding: "valid" as const,
          name: this.#name("pool"),
        };
        return applied(layers.maxPooling2d(options), input);
      }
      case "dense": {
        const { name, units, activation } = layer;
        return this.#dense(input, { name, units, activation });
      }
      case "conv": {
        const { name, filters, size, stride, activation, bias } = layer;
        const options = { filters, kernelSize: size, strides: stride, padding: "same" as const };
        const made = layers.conv2d({ ...options, activation, useBias: bias, name });
        return this.#filledLayer(made, input, this.#weights(name, ["weight", ...(bias ? ["bias"] : [])]));
      }
      case "depthwise": {
        const { name, size, stride } = layer;
        const options = { kernelSize: size, strides: stride, padding: "same" as const, useBias: false, name };
        return this.#filledLayer(layers.depthwiseConv2d(options), input, this.#weights(name, ["weight"]));
      }
      case "norm": {
        const { name } = layer;
        const made = layers.batchNormalization({ name, epsilon: NORM_EPSILON });
        const weights = this.#weights(name, ["gamma", "beta", "mean", "variance"]);
        return this.#activated(this.#filledLayer(made, input, weights), layer.activation);
      }
      case "squeeze": {
        const { name, units } = layer;
        const channels = input.shape.at(-1) ?? 1;
        const means = applied(layers.globalAveragePooling2d({ name: `${name}.average` }), input);
        const down = this.#dense(means, { name: `${name}.down`, units, activation: "relu" });
        const gate = this.#dense(down, { name: `${name}.up`, units: channels, activation: "sigmoid" });
        const spread = applied(
          layers.reshape({ targetShape: [1, 1, channels], name: `${name}.spread` }),
          gate,
        );
        return applied(layers.multiply({ name: `${name}.scaled` }), [input, spread]);
      }
      case "residual": {
        const both = [this.layers(layer.body, input), this.layers(layer.shortcut, input)];
        return this.#activated(applied(layers.add({ name: this.#name("add") }), both), layer.activation);
      }
      default: {
        const unknown: never = layer;
        throw new SmcError("INTERNAL", `no layer ${JSON.stringify(unknown)}`);
      }
    }
  }

  #name(kind: string): string {
    this.#count += 1;
    return `${kind}_${this.#count}`;
  }

  #dense(
    input: Symbolic,
    options: { name: string; units: number; activation: "linear" | "relu" | "sigmoid" },
  ): Symbolic {
    const weights = this.#weights(options.name, ["weight", "bias"]);
    return this.#filledLayer(tfl.layers.dense(options), input, weights);
  }

  #activated(input: Symbolic, activation: "linear" | "relu" | "relu6" | "swish"): Symbolic {
    if (activation === "linear") return input;
    const name = this.#name(activation);
    // "swish" is known to the library, but not to its types.
    const known = activation as "relu";
    return activation === "relu6"
      ? applied(tfl.layers.reLU({ maxValue: 6, name }), input)
      : applied(tfl.layers.activation({ activation: known, name }), input);
  }

  #weights(layer: string, parts: readonly string[]): NamedTensor[] {
    return parts.map((part) => {
      const found = this.#saved.weights.get(`${layer}.${part}`);
      if (found === undefined) throw new SmcError("INTERNAL", `no weight '${layer}.${part}'`);
      return found;
    });
  }

  #filledLayer(layer: tfl.layers.Layer, input: Symbolic, weights: readonly NamedTensor[]): Symbolic {
    this.#filled.push({ layer, weights });
    return applied(layer, input);
  }
}
