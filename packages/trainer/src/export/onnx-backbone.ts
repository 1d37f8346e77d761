/** The frozen model that a head was learned on, in front of the head: pixels in, features out. */
import { type Extracted, hasChannelsFirst } from "../engine/extractor.ts";
import { embedModel } from "../onnx/embed.ts";
import type { OnnxGraph } from "../onnx/graph.ts";
import { PIXELS } from "../onnx/session.ts";

/** Before the names of the model of others. */
const PREFIX = "backbone/";
const FLOAT = 1;

export interface ExportedBackbone extends Pick<Extracted, "card" | "plan" | "outputShape" | "model"> {
  /** What a byte of a pixel was divided by. */
  readonly scale: number;
}

/** Of one sample as the exported model takes it: rows, or images channels first in the size of the backbone. */
export function shapeBefore({ plan }: Pick<ExportedBackbone, "plan">): readonly number[] {
  const { layout, channels, height, width, shape } = plan;
  return layout === "rows" ? shape : [channels, height, width];
}

/**
 * Adds what makes the features of `input`; gives their name. Throws what the model is refused with when it cannot be a
 * part of another.
 */
export function addBackbone(graph: OnnxGraph, input: string, backbone: ExportedBackbone): string {
  const { card, plan, outputShape, model } = backbone;
  const pixels = plan.layout === "rows" ? input : asPixels(graph, input, backbone);
  const turned = plan.layout === "nhwc" ? transposed(graph, pixels, [0, 2, 3, 1]) : pixels;
  const attributes = { to: model.input.element };
  graph.add("Cast", [turned], { attributes, output: `${PREFIX}${model.input.name}` });
  embedModel(graph, model, { output: card.output, prefix: PREFIX });
  const made = graph.add("Cast", [`${PREFIX}${card.output}`], { attributes: { to: FLOAT } });
  if (outputShape.length === 1) return made;
  // The mean over the places: features are brought to the front where they are not.
  const last = outputShape.length;
  const order = [0, last, ...outputShape.slice(1).map((_, at) => at + 1)];
  const front = hasChannelsFirst(outputShape, plan.layout) ? made : transposed(graph, made, order);
  const means = graph.add("GlobalAveragePool", [front]);
  return graph.add("Flatten", [means], { attributes: { axis: 1 } });
}

/** What a model wants to see of the numbers of a pixel. */
function asPixels(graph: OnnxGraph, input: string, { card, plan, scale }: ExportedBackbone): string {
  const { mean, deviation } = PIXELS[card.pixels];
  const each = (name: string, numbers: readonly number[]): string => {
    const values = Float32Array.from(numbers.slice(0, plan.channels), (value) => value * scale);
    return graph.constant(`pixels.${name}`, { shape: [1, plan.channels, 1, 1], values });
  };
  const centered = graph.add("Sub", [input, each("mean", mean)]);
  return graph.add("Div", [centered, each("deviation", deviation)]);
}

function transposed(graph: OnnxGraph, name: string, perm: readonly number[]): string {
  return graph.add("Transpose", [name], { attributes: { perm } });
}
