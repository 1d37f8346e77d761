/** Options of `smc train` that are settings of the engine tfjs, and what they are called there. */
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { OptionSpecs, OptionValues } from "./words.ts";
import { parsePairs, parseScalars, type Scalar } from "./pairs.ts";

const LEARNS = "Options of the engine tfjs: what is learned, and how";
const ENDS = "Options of the engine tfjs: when it ends, and what stays";

export const SETTING_OPTIONS = {
  data: {
    type: "string",
    value: "PATH",
    summary: "a data set of smc data, or a folder of images, .csv, .npz, .npy of REV, or digits",
    group: LEARNS,
  },
  backbone: {
    type: "string",
    value: "NAME",
    summary: "mlp, tiny-cnn, …, or onnx:FILE for a head on that model",
    group: LEARNS,
  },
  epochs: { type: "string", value: "N", summary: "how often all data are seen", group: LEARNS },
  batch: { type: "string", value: "N", summary: "samples of a step", group: LEARNS },
  lr: { type: "string", value: "X", summary: "learning rate", group: LEARNS },
  optimizer: { type: "string", value: "NAME", summary: "adam, sgd, …", group: LEARNS },
  seed: { type: "string", value: "N", summary: "the same seed gives the same weights", group: LEARNS },
  preprocess: {
    type: "string",
    value: "NAME[=V],...",
    summary: "resize=64, normalize=scale, standard or none",
    group: LEARNS,
  },
  augment: {
    type: "string",
    value: "NAME[=V],...",
    summary: "changed copies: flip, rotate=10, crop=2, color=0.1, mixup=0.2",
    group: LEARNS,
  },
  workers: { type: "string", value: "N", summary: "threads that decode images (1)", group: LEARNS },
  "preview-batch": {
    type: "integer",
    value: "N",
    min: 1,
    max: 1000,
    summary: "make no job, but N images of what it would see, in --output DIR",
    group: LEARNS,
  },
  set: {
    type: "string",
    value: "K=V",
    multiple: true,
    summary: "any other setting, such as augment.flip=true",
    group: LEARNS,
  },
  "early-stop": {
    type: "string",
    value: "METRIC",
    summary: "end when this metric has not improved for some epochs",
    group: ENDS,
  },
  patience: { type: "string", value: "N", summary: "of the early stop: so many epochs (5)", group: ENDS },
  "min-delta": {
    type: "string",
    value: "X",
    summary: "of the early stop: less is no improvement",
    group: ENDS,
  },
  mode: { type: "string", value: "min|max", summary: "of the early stop: which way is better", group: ENDS },
  "restore-best": {
    type: "boolean",
    summary: "of the early stop: give the weights of the best epoch (the default)",
    group: ENDS,
  },
  callback: {
    type: "string",
    value: "NAME,...",
    summary: "csv, early-stop, plateau: switched on with their usual settings (csv)",
    group: ENDS,
  },
  checkpoint: {
    type: "string",
    value: "K=V",
    multiple: true,
    summary: "every=N epochs, metric=NAME, mode=min|max",
    group: ENDS,
  },
  "terminate-on-nan": {
    type: "boolean",
    summary: "end when the loss is no number (the default)",
    group: ENDS,
  },
} as const satisfies OptionSpecs;

/** Option → setting. */
const SETTINGS = {
  data: "data",
  backbone: "backbone.name",
  epochs: "epochs",
  batch: "batch",
  lr: "lr",
  optimizer: "optimizer.name",
  seed: "seed",
  workers: "data.workers",
  callback: "callbacks",
  "early-stop": "earlyStop.metric",
  patience: "earlyStop.patience",
  "min-delta": "earlyStop.minDelta",
  mode: "earlyStop.mode",
  "restore-best": "earlyStop.restoreBest",
  "terminate-on-nan": "terminateOnNan",
} as const;

/** Words of --preprocess and --augment → setting, and its value where none is said. */
const LISTED = {
  preprocess: { resize: ["backbone.inputSize"], normalize: ["data.normalize", "scale"] },
  augment: {
    flip: ["augment.flip", "true"],
    rotate: ["augment.rotateDegrees"],
    crop: ["augment.cropPixels"],
    color: ["augment.color"],
    mixup: ["augment.mixup"],
  },
} as const;

/** `flip,rotate=10` → `augment.flip=true`, `augment.rotateDegrees=10`. */
function listed(option: keyof typeof LISTED, text: string | undefined): string[] {
  const known: Readonly<Record<string, readonly [string, string?]>> = LISTED[option];
  return (text ?? "").split(",").flatMap((word) => {
    if (word === "") return [];
    const [name = "", value] = word.split("=", 2);
    const [setting, usual] = Object.hasOwn(known, name) ? (known[name] ?? []) : [];
    if (setting === undefined)
      throw new SmcError(
        "ARGUMENT_INVALID",
        `--${option}: '${show(name, 40)}' is none of ${Object.keys(known).join(", ")}`,
      );
    if ((value ?? usual) === undefined)
      throw new SmcError("ARGUMENT_INVALID", `--${option}: '${name}' needs a value, such as ${name}=10`);
    return [`${setting}=${value ?? usual}`];
  });
}

/** As the trainer names them; it checks them, all at once. Throws ARGUMENT_INVALID for no `=`, and for one twice. */
export function settingsOf(options: OptionValues<typeof SETTING_OPTIONS>): Record<string, Scalar> {
  const words = Object.entries(SETTINGS).flatMap(([option, name]) => {
    const value = options[option as keyof typeof SETTINGS];
    return value === undefined || value === false ? [] : [`${name}=${value}`];
  });
  const checkpoint = [...parsePairs("--checkpoint", options.checkpoint)].map(
    ([key, value]) => `checkpoint.${key === "every" ? "everyEpochs" : key}=${value}`,
  );
  const lists = [...listed("preprocess", options.preprocess), ...listed("augment", options.augment)];
  return parseScalars("--set", [...words, ...lists, ...checkpoint, ...options.set]);
}
