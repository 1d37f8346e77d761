/** What a training is asked to do: the fields, their limits and their defaults. */
import { Ajv, type ErrorObject } from "ajv";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { type Static, type TProperties, Type } from "typebox";
import { CSV, switchOn } from "./callbacks/names.ts";
import { isAugmented } from "./data/augment.ts";
import { BACKBONES, EXTRACTOR } from "./engine/backbones.ts";
import type { ExtractorSpec } from "./engine/extractor.ts";
import { LOSSES } from "./engine/losses.ts";
import { OPTIMIZERS } from "./engine/optimizers.ts";
import { SCHEDULES } from "./engine/schedule.ts";
import { LAYOUTS, PIXEL_RANGES } from "./onnx/session.ts";

const EPOCHS_MAX = 10_000;
const TEXT_MAX = 4096;
const SEED_MAX = 2 ** 31 - 1;
const DAY_MS = 24 * 60 * 60 * 1000;

const fields = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
/** A part that may be left out: it then has its defaults. */
const part = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false, default: {} });
const choice = <const T extends string[]>(values: readonly [...T], usual: T[number]) =>
  Type.Enum<T>([...values], { default: usual });
const number = (minimum: number, maximum: number, usual: number) =>
  Type.Number({ minimum, maximum, default: usual });
const positive = (maximum: number, usual: number) =>
  Type.Number({ exclusiveMinimum: 0, maximum, default: usual });
const share = (usual: number) => Type.Number({ minimum: 0, exclusiveMaximum: 1, default: usual });
const whole = (minimum: number, maximum: number, usual: number) =>
  Type.Integer({ minimum, maximum, default: usual });
const flag = (usual: boolean) => Type.Boolean({ default: usual });
const text = (usual: string) => Type.String({ minLength: 1, maxLength: TEXT_MAX, default: usual });

/** Which number is watched, and whether less of it is better. */
const watched = {
  metric: text("val_loss"),
  mode: choice(["auto", "min", "max"], "auto"),
};

export const TrainSpecSchema = fields({
  seed: whole(0, SEED_MAX, 1),
  epochs: whole(1, EPOCHS_MAX, 10),
  batch: whole(1, 65_536, 32),
  lr: positive(1000, 0.001),
  backend: choice(["auto", "native", "wasm", "cpu"], "auto"),
  data: fields({
    kind: Type.Enum(["images", "csv", "npz", "digits"]),
    path: text("."),
    task: choice(["classify", "regress"], "classify"),
    label: text("label"),
    x: text("x"),
    y: text("y"),
    classes: Type.Optional(Type.Integer({ minimum: 2, maximum: 10_000 })),
    channels: Type.Enum([1, 3], { default: 3 }),
    samples: Type.Optional(Type.Integer({ minimum: 2, maximum: 10_000_000 })),
    normalize: choice(["scale", "standard", "none"], "scale"),
    workers: whole(1, 16, 1),
  }),
  validation: Type.Number({ minimum: 0, maximum: 0.9, default: 0.2 }),
  // Absent: that of the run. A data set has one, so that all trainings keep the same samples aside.
  splitSeed: Type.Optional(Type.Integer({ minimum: 0, maximum: SEED_MAX })),
  backbone: part({
    name: choice([...BACKBONES, EXTRACTOR], "mlp"),
    layers: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
    width: Type.Number({ minimum: 0.05, maximum: 16, default: 1 }),
    inputSize: Type.Optional(Type.Integer({ minimum: 4, maximum: 1024 })),
    dropout: share(0),
    // Of onnx: the model, which value of its graph are the features, and what it takes.
    file: Type.Optional(Type.String({ minLength: 1, maxLength: TEXT_MAX })),
    output: Type.Optional(Type.String({ minLength: 1, maxLength: TEXT_MAX })),
    layout: Type.Optional(Type.Enum([...LAYOUTS])),
    pixels: Type.Optional(Type.Enum([...PIXEL_RANGES])),
  }),
  loss: Type.Optional(Type.Enum([...LOSSES])),
  labelSmoothing: share(0),
  classWeights: Type.Record(Type.String({ maxLength: TEXT_MAX }), number(0, 1e6, 1), { default: {} }),
  balanceClasses: flag(false),
  optimizer: part({
    name: choice(OPTIMIZERS, "adam"),
    momentum: share(0.9),
    beta1: share(0.9),
    beta2: share(0.999),
    rho: share(0.9),
    epsilon: positive(1, 1e-7),
    weightDecay: number(0, 1, 0),
  }),
  schedule: part({
    name: choice(SCHEDULES, "const"),
    warmupEpochs: number(0, EPOCHS_MAX, 0),
    everyEpochs: whole(1, EPOCHS_MAX, 10),
    factor: positive(1, 0.1),
    minLr: number(0, 1000, 0),
  }),
  augment: part({
    flip: flag(false),
    rotateDegrees: number(0, 180, 0),
    cropPixels: whole(0, 512, 0),
    color: share(0),
    mixup: number(0, 10, 0),
  }),
  // Names with commas: what is switched on with its usual settings.
  callbacks: text(CSV),
  earlyStop: Type.Optional(
    fields({
      ...watched,
      patience: whole(1, EPOCHS_MAX, 5),
      minDelta: number(0, 1e9, 0),
      baseline: Type.Optional(Type.Number()),
      startFrom: whole(0, EPOCHS_MAX, 0),
      restoreBest: flag(true),
    }),
  ),
  checkpoint: part({
    ...watched,
    everyEpochs: whole(1, EPOCHS_MAX, 1),
    keepBest: whole(0, 1000, 1),
    keepLast: whole(1, 1000, 1),
  }),
  plateau: Type.Optional(
    fields({
      ...watched,
      factor: Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, default: 0.5 }),
      patience: whole(1, EPOCHS_MAX, 3),
      minDelta: number(0, 1e9, 1e-4),
      cooldown: whole(0, EPOCHS_MAX, 0),
      minLr: number(0, 1000, 0),
    }),
  ),
  terminateOnNan: flag(true),
  timeLimitMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 365 * DAY_MS })),
});

/** Every field with its value. */
export type TrainSpec = Static<typeof TrainSpecSchema> & { loss: (typeof LOSSES)[number] };
export type Watched = { metric: string; mode: "auto" | "min" | "max" };

export interface SpecFault {
  /** Dotted: `optimizer.name`. */
  readonly field: string;
  readonly message: string;
}

const ajv = new Ajv({ allErrors: true, useDefaults: true, coerceTypes: false, strict: true });
const fits = ajv.compile(TrainSpecSchema);

/**
 * The spec with every default written out; what was given is left as it is. Throws CONFIG_INVALID that names all faults
 * at once, also in `details.faults`.
 */
export function resolveSpec(given: unknown): TrainSpec {
  const spec = structuredClone(given) as TrainSpec;
  const strange = typeof spec === "object" && spec !== null ? switchOn(spec) : [];
  const faults: SpecFault[] = strange.map((message) => ({ field: "callbacks", message }));
  if (!fits(spec)) faults.push(...(fits.errors ?? []).map(describe));
  if (faults.length === 0) {
    spec.loss ??= spec.data.task === "classify" ? "cross-entropy" : "mse";
    faults.push(...contradictions(spec));
  }
  if (faults.length === 0) return spec;
  const lines = faults.map(({ field, message }) => `${field}: ${message}`);
  throw new SmcError("CONFIG_INVALID", `the training cannot be started: ${lines.join("; ")}`, {
    hint: "correct these fields and start again",
    details: { faults },
  });
}

function describe({ instancePath, params, message }: ErrorObject): SpecFault {
  const { additionalProperty, missingProperty, allowedValues } = params as {
    additionalProperty?: string;
    missingProperty?: string;
    allowedValues?: unknown[];
  };
  const names = instancePath.split("/").slice(1);
  const inner = missingProperty ?? additionalProperty;
  const field = [...names, ...(inner === undefined ? [] : [inner])].map((name) => show(name, 80)).join(".");
  if (missingProperty !== undefined) return { field, message: "is missing" };
  if (additionalProperty !== undefined) return { field, message: "there is no such field" };
  if (allowedValues !== undefined) return { field, message: `must be one of ${allowedValues.join(", ")}` };
  return { field: field === "" ? "spec" : field, message: message ?? "is invalid" };
}

/** The numbers of each epoch that may be watched. */
export function metricNames({ data, validation }: Pick<TrainSpec, "data" | "validation">): string[] {
  const own = ["loss", data.task === "classify" ? "acc" : "mae"];
  return validation > 0 ? [...own, ...own.map((name) => `val_${name}`)] : own;
}

/** How the features of the backbone onnx are made. */
export function extractorOf({ backbone }: TrainSpec): ExtractorSpec {
  const { file = "", output, layout = "auto", pixels = "unit", inputSize } = backbone;
  return { file, output, layout, pixels, inputSize };
}

/** Faults between fields that are well by themselves. */
function contradictions(spec: TrainSpec): SpecFault[] {
  const { data, augment, backbone, loss, schedule } = spec;
  const faults: SpecFault[] = [];
  const refuse = (field: string, message: string): void => void faults.push({ field, message });
  const classes = data.task === "classify";
  if (classes !== (loss === "cross-entropy")) {
    refuse("loss", `'${loss}' does not fit the task '${data.task}'`);
  }
  if (!classes && (data.kind === "images" || data.kind === "digits")) {
    refuse("data.task", `data of kind '${data.kind}' have classes, not numbers, to learn`);
  }
  if (!classes && (spec.balanceClasses || Object.keys(spec.classWeights).length > 0)) {
    refuse("classWeights", "there are no classes where numbers are predicted");
  }
  if (spec.balanceClasses && Object.keys(spec.classWeights).length > 0) {
    refuse("classWeights", "give them, or set balanceClasses, not both");
  }
  if (!classes && (augment.mixup > 0 || spec.labelSmoothing > 0)) {
    refuse("augment.mixup", "mixup and labelSmoothing need classes");
  }
  if (data.kind === "csv" && isAugmented(augment)) refuse("augment", "rows of a CSV file are no images");
  faults.push(...extractorFaults(spec));
  if (data.kind === "csv" && backbone.name !== "mlp" && backbone.name !== EXTRACTOR) {
    refuse("backbone.name", `'${backbone.name}' takes images; rows of a CSV file need 'mlp'`);
  }
  if (backbone.inputSize !== undefined && data.kind !== "images" && backbone.name !== EXTRACTOR) {
    refuse("backbone.inputSize", `only folders of images are resized, not data of kind '${data.kind}'`);
  }
  if (schedule.warmupEpochs >= spec.epochs && schedule.warmupEpochs > 0) {
    refuse("schedule.warmupEpochs", `must be less than epochs, which is ${spec.epochs}`);
  }
  const known = metricNames(spec);
  for (const name of ["earlyStop", "checkpoint", "plateau"] as const) {
    const watch = spec[name];
    if (watch === undefined || known.includes(watch.metric)) continue;
    // Without validation samples the usual metric is not there; the loss takes its place.
    if (name === "checkpoint" && watch.metric === "val_loss") watch.metric = "loss";
    else refuse(`${name}.metric`, `there is no '${show(watch.metric, 80)}'; there are ${known.join(", ")}`);
  }
  return faults;
}

function extractorFaults({ backbone, augment, data }: TrainSpec): SpecFault[] {
  const { name, file, output, layout, pixels } = backbone;
  if (name !== EXTRACTOR) {
    const given = Object.entries({ file, output, layout, pixels }).filter(([, value]) => value !== undefined);
    return given.map(([field]) => ({ field: `backbone.${field}`, message: `only '${EXTRACTOR}' takes it` }));
  }
  const faults: SpecFault[] = [];
  if (file === undefined) faults.push({ field: "backbone.file", message: `'${EXTRACTOR}' needs a model` });
  if (isAugmented(augment)) {
    const message = "features are computed once; only mixup works on them";
    faults.push({ field: "augment", message });
  }
  if (data.kind === "csv" && (layout ?? pixels) !== undefined)
    faults.push({ field: "backbone.pixels", message: "rows of a CSV file are no images" });
  return faults;
}
