import { expect, test } from "vitest";
import { learningRateAt } from "../engine/schedule.ts";
import { resolveSpec } from "../spec.ts";
import {
  afterPlateau,
  earlyStopReason,
  isLessBetter,
  type PlateauState,
  type Progress,
  progressed,
} from "./watch.ts";

const LOSS = { metric: "val_loss", mode: "auto" } as const;

function follow(
  values: readonly number[],
  options: { minDelta?: number; baseline?: number } = {},
): Progress[] {
  const steps: Progress[] = [];
  let progress: Progress = { waited: 0 };
  for (const [index, value] of values.entries()) {
    progress = progressed(progress, { value, epoch: index + 1 }, { watch: LOSS, minDelta: 0, ...options });
    steps.push(progress);
  }
  return steps;
}

test("isLessBetter() is true of losses and distances, not of accuracies, and does as it is told", () => {
  const better = (metric: string, mode: "auto" | "min" | "max" = "auto"): boolean =>
    isLessBetter({ metric, mode });
  expect([better("val_loss"), better("mae"), better("val_acc"), better("acc")]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect([better("val_loss", "max"), better("acc", "min")]).toEqual([false, true]);
});

test("progressed() counts epochs without improvement; equal, too little and NaN are none", () => {
  expect(follow([0.5, 0.4, 0.4, Number.NaN, 0.3]).map(({ waited }) => waited)).toEqual([0, 0, 1, 2, 0]);
  expect(follow([0.5, 0.45, 0.39], { minDelta: 0.1 }).at(-1)).toEqual({
    best: 0.39,
    bestEpoch: 3,
    waited: 0,
  });
  expect(follow([0.5, 0.45], { minDelta: 0.1 }).at(-1)).toEqual({ best: 0.5, bestEpoch: 1, waited: 1 });
  expect(follow([0.5, 0.45], { baseline: 0.4 }).at(-1)).toEqual({ waited: 2 });
});

test("earlyStopReason() says at which epoch, since when, and with which value", () => {
  const { earlyStop } = resolveSpec({ data: { kind: "digits" }, earlyStop: { patience: 2 } });
  const progress = { best: 0.18321, bestEpoch: 5, waited: 2 };
  expect(earlyStopReason(progress, { earlyStop, epoch: 7 })).toBe(
    "early stopping at epoch 7: val_loss has not improved since epoch 5 (0.1832)",
  );
  expect(earlyStopReason({ ...progress, waited: 1 }, { earlyStop, epoch: 6 })).toBeUndefined();
  expect(earlyStopReason(progress, { earlyStop: undefined, epoch: 7 })).toBeUndefined();
  const never = resolveSpec({
    data: { kind: "digits" },
    earlyStop: { patience: 1, baseline: 0.1 },
  }).earlyStop;
  expect(earlyStopReason({ waited: 1 }, { earlyStop: never, epoch: 1 })).toContain(
    "val_loss was never better than 0.1",
  );
});

test("afterPlateau() reduces after its patience, and not again while it cools down", () => {
  const given = { patience: 2, cooldown: 1, factor: 0.5 };
  const { plateau } = resolveSpec({ data: { kind: "digits" }, plateau: given });
  if (plateau === undefined) throw expect.fail("no plateau");
  let state: PlateauState = { progress: { waited: 0 }, cooldown: 0, scale: 1 };
  const scales = [1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2].map((value, index) => {
    state = afterPlateau(state, { value, epoch: index + 1 }, plateau);
    return state.scale;
  });
  expect(scales).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]);
});

test("learningRateAt() stays, steps down, follows a cosine and warms up", () => {
  const rates = (schedule: Record<string, unknown>): number[] => {
    const spec = resolveSpec({ data: { kind: "digits" }, lr: 1, epochs: 8, schedule });
    return [1, 2, 4, 5, 8].map((epoch) => Number(learningRateAt(epoch, spec).toFixed(4)));
  };
  expect(rates({})).toEqual([1, 1, 1, 1, 1]);
  expect(rates({ name: "step", everyEpochs: 2, factor: 0.1 })).toEqual([1, 0.1, 0.01, 0.01, 0.0001]);
  expect(rates({ name: "cosine", minLr: 0.2 })).toEqual([0.9696, 0.8828, 0.6, 0.4469, 0.2]);
  expect(rates({ warmupEpochs: 4 })).toEqual([0.25, 0.5, 1, 1, 1]);
});
