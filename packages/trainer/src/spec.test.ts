import { expect, test } from "vitest";
import { resolveSpec, type TrainSpec } from "./spec.ts";
import { refusal } from "./testing/scene.ts";

const DIGITS = { kind: "digits" };

test("resolveSpec() writes every default out and leaves what was given as it is", () => {
  const given = { data: DIGITS, lr: 0.01, earlyStop: { patience: 2 } };
  const spec = resolveSpec(given);
  expect(given).toEqual({ data: DIGITS, lr: 0.01, earlyStop: { patience: 2 } });
  expect(spec).toMatchObject({
    seed: 1,
    epochs: 10,
    batch: 32,
    lr: 0.01,
    loss: "cross-entropy",
    validation: 0.2,
    backbone: { name: "mlp", width: 1, dropout: 0 },
    optimizer: { name: "adam", beta1: 0.9 },
    schedule: { name: "const" },
    earlyStop: { metric: "val_loss", patience: 2, restoreBest: true },
    checkpoint: { everyEpochs: 1, keepBest: 1, keepLast: 1 },
  });
  expect(spec.plateau).toBeUndefined();
});

test("S1.9 resolveSpec() names every fault at once", async () => {
  const wrong = { batch: 0, lr: "abc", optimizer: { name: "nope" }, epoch: 3, backbone: { layers: -1 } };
  const error = await refusal(() => resolveSpec(wrong));
  expect(error.code).toBe("CONFIG_INVALID");
  const { faults } = error.details as { faults: { field: string; message: string }[] };
  expect(faults.map(({ field }) => field).sort()).toEqual([
    "backbone.layers",
    "batch",
    "data",
    "epoch",
    "lr",
    "optimizer.name",
  ]);
  for (const { field } of faults) expect(error.message).toContain(`${field}: `);
  expect(faults.find(({ field }) => field === "optimizer.name")?.message).toBe(
    "must be one of sgd, momentum, adam, adamw, rmsprop",
  );
});

test.for([
  ["loss", { data: DIGITS, loss: "mse" }],
  ["data.task", { data: { ...DIGITS, task: "regress" } }],
  ["classWeights", { data: { kind: "csv", task: "regress" }, balanceClasses: true }],
  ["classWeights", { data: DIGITS, balanceClasses: true, classWeights: { 1: 2 } }],
  ["augment.mixup", { data: { kind: "csv", task: "regress" }, augment: { mixup: 0.2 } }],
  ["augment", { data: { kind: "csv" }, augment: { flip: true } }],
  ["backbone.name", { data: { kind: "csv" }, backbone: { name: "tiny-cnn" } }],
  ["backbone.inputSize", { data: { kind: "npz" }, backbone: { inputSize: 32 } }],
  ["schedule.warmupEpochs", { data: DIGITS, epochs: 3, schedule: { warmupEpochs: 3 } }],
  ["earlyStop.metric", { data: DIGITS, earlyStop: { metric: "f1" } }],
  ["plateau.metric", { data: DIGITS, validation: 0, plateau: {} }],
] as const)("resolveSpec() refuses %s that contradicts the rest", async ([field, spec]) => {
  const error = await refusal(() => resolveSpec(spec));
  const { faults } = error.details as { faults: { field: string }[] };
  expect(faults.map((fault) => fault.field)).toContain(field);
});

test("resolveSpec() watches the loss for checkpoints where no samples are kept aside", () => {
  const spec: TrainSpec = resolveSpec({ data: DIGITS, validation: 0 });
  expect(spec.checkpoint.metric).toBe("loss");
});
