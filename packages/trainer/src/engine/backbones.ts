/** The networks that there are. Small ones: they learn on a processor, in minutes. */
import { SmcError } from "@smc/store/errors";
import { type Activation } from "./ops.ts";
import { type Layer, type Network, planNetwork } from "./network.ts";

export const BACKBONES = ["mlp", "tiny-cnn", "resnet-tiny", "mobilenet-tiny", "efficientnet-tiny"] as const;
/** A model of a file, frozen: what is learned is the head on its features. */
export const EXTRACTOR = "onnx";
export type BackboneName = (typeof BACKBONES)[number] | typeof EXTRACTOR;

export interface BackboneSpec {
  readonly name: BackboneName;
  /** Hidden layers of mlp and of the head of onnx; blocks of the others. */
  readonly layers?: number;
  /** What the usual numbers of units and filters are multiplied with. */
  readonly width: number;
  /** Share of the inputs of the head that is left out in training; of every hidden layer in mlp. */
  readonly dropout: number;
}

const LAYERS_USUAL: Readonly<Record<BackboneName, number>> = {
  mlp: 2,
  "tiny-cnn": 2,
  "resnet-tiny": 3,
  "mobilenet-tiny": 4,
  "efficientnet-tiny": 4,
  onnx: 0,
};
const FILTERS_MAX = 512;

/** How many layers or blocks a backbone has where nobody says. */
export function layersUsual(name: BackboneName): number {
  return LAYERS_USUAL[name];
}

/**
 * The network of a backbone for an input and a number of outputs.
 * Throws CONFIG_INVALID when the input is too small for its layers, or no image where it takes images.
 */
export function backbone(spec: BackboneSpec, inputShape: readonly number[], outputs: number): Network {
  const count = spec.layers ?? LAYERS_USUAL[spec.name];
  if (spec.name !== "mlp" && spec.name !== EXTRACTOR && inputShape.length !== 3) {
    throw new SmcError(
      "CONFIG_INVALID",
      `backbone '${spec.name}' takes images, the data are rows of numbers`,
      {
        hint: 'use backbone "mlp"',
      },
    );
  }
  const wide = (filters: number): number =>
    Math.max(1, Math.round(Math.min(filters, FILTERS_MAX) * spec.width));
  const output: Layer = { kind: "dense", name: "output", units: outputs, activation: "linear" };
  const layers = [...BODIES[spec.name](count, { wide, dropout: spec.dropout }), output];
  return planNetwork(layers, inputShape);
}

interface Sizes {
  readonly wide: (filters: number) => number;
  readonly dropout: number;
}

const BODIES: Readonly<Record<BackboneName, (count: number, sizes: Sizes) => Layer[]>> = {
  mlp: (count, sizes) => [{ kind: "flatten" }, ...hidden(count, sizes)],
  onnx: (count, sizes) => [{ kind: "dropout", rate: sizes.dropout }, ...hidden(count, sizes)],
  "tiny-cnn": (count, { wide, dropout }) => [
    ...blocks(count, (block): Layer[] => [
      {
        kind: "conv",
        name: `block${block}.conv`,
        filters: wide(16 * 2 ** (block - 1)),
        size: 3,
        stride: 1,
        activation: "relu",
        bias: true,
      },
      { kind: "maxPool", size: 2 },
    ]),
    { kind: "flatten" },
    { kind: "dense", name: "hidden", units: wide(64), activation: "relu" },
    { kind: "dropout", rate: dropout },
  ],
  "resnet-tiny": (count, { wide, dropout }) => [
    ...convNorm("stem", { filters: wide(16), stride: 1, activation: "relu" }),
    ...blocks(count, (block) => residualBlock(`block${block}`, { block, wide })),
    ...pooled(dropout),
  ],
  "mobilenet-tiny": (count, { wide, dropout }) => [
    ...convNorm("stem", { filters: wide(16), stride: 1, activation: "relu6" }),
    ...blocks(count, (block): Layer[] => [
      { kind: "depthwise", name: `block${block}.depth`, size: 3, stride: strideOf(block) },
      { kind: "norm", name: `block${block}.depthNorm`, activation: "relu6" },
      ...convNorm(`block${block}.point`, { filters: wide(filtersOf(block)), size: 1, activation: "relu6" }),
    ]),
    ...pooled(dropout),
  ],
  "efficientnet-tiny": (count, { wide, dropout }) => [
    ...convNorm("stem", { filters: wide(16), stride: 1, activation: "swish" }),
    ...blocks(count, (block) => expandedBlock(`block${block}`, { block, wide })),
    ...pooled(dropout),
  ],
};

function hidden(count: number, { wide, dropout }: Sizes): Layer[] {
  return blocks(count, (block): Layer[] => [
    { kind: "dense", name: `hidden${block}`, units: wide(128), activation: "relu" },
    { kind: "dropout", rate: dropout },
  ]);
}

function blocks(count: number, block: (number: number) => Layer[]): Layer[] {
  return Array.from({ length: count }, (_, index) => block(index + 1)).flat();
}

/** Every second block halves the image and doubles the filters. */
function strideOf(block: number): number {
  return block % 2 === 0 ? 2 : 1;
}

function filtersOf(block: number): number {
  return 16 * 2 ** Math.floor(block / 2);
}

function pooled(dropout: number): Layer[] {
  return [{ kind: "globalAverage" }, { kind: "dropout", rate: dropout }];
}

function convNorm(
  name: string,
  options: { filters: number; size?: number; stride?: number; activation: Activation },
): Layer[] {
  const { filters, size = 3, stride = 1, activation } = options;
  return [
    { kind: "conv", name, filters, size, stride, activation: "linear", bias: false },
    { kind: "norm", name: `${name}Norm`, activation },
  ];
}

/** Two convolutions beside a short way. The first block keeps the size, each later one halves it. */
function residualBlock(name: string, { block, wide }: { block: number; wide: Sizes["wide"] }): Layer[] {
  const filters = wide(16 * 2 ** (block - 1));
  const stride = block === 1 ? 1 : 2;
  const body = [
    ...convNorm(`${name}.first`, { filters, stride, activation: "relu" }),
    ...convNorm(`${name}.second`, { filters, activation: "linear" }),
  ];
  const shortcut =
    block === 1 ? [] : convNorm(`${name}.short`, { filters, size: 1, stride, activation: "linear" });
  return [{ kind: "residual", body, shortcut, activation: "relu" }];
}

/** Widened, each channel filtered by itself, weighed by what is in it, narrowed; beside the input where that fits. */
function expandedBlock(name: string, { block, wide }: { block: number; wide: Sizes["wide"] }): Layer[] {
  const EXPANSION = 4;
  const before = wide(filtersOf(Math.max(1, block - 1)));
  const filters = wide(filtersOf(block));
  const stride = strideOf(block);
  const body: Layer[] = [
    ...convNorm(`${name}.expand`, { filters: before * EXPANSION, size: 1, activation: "swish" }),
    { kind: "depthwise", name: `${name}.depth`, size: 3, stride },
    { kind: "norm", name: `${name}.depthNorm`, activation: "swish" },
    { kind: "squeeze", name: `${name}.squeeze`, units: Math.max(1, Math.round(before / EXPANSION)) },
    ...convNorm(`${name}.project`, { filters, size: 1, activation: "linear" }),
  ];
  if (stride !== 1 || before !== filters) return body;
  return [{ kind: "residual", body, shortcut: [], activation: "linear" }];
}
