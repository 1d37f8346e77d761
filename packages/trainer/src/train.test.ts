import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { BACKBONES } from "./engine/backbones.ts";
import { decodeTensors } from "./safetensors.ts";
import { BARS, bars, refusal, trainIn, withScene } from "./testing/scene.ts";

/** Learns lying and standing bars in well under a second. */
const QUICK = {
  data: BARS,
  epochs: 3,
  batch: 16,
  lr: 0.01,
  backbone: { name: "tiny-cnn", layers: 1, width: 0.25 },
};

test("train() learns, tells of every epoch, and leaves model, history, metrics, params and environment", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(80, 8));
    const { result, events } = await trainIn(scene, { ...QUICK, epochs: 6 });
    expect(result).toMatchObject({
      status: "finished",
      epochs: 6,
      modelEpoch: 6,
      modelBatch: 0,
      backend: "wasm",
    });
    expect(result.data).toMatchObject({ train: 64, validation: 16, classes: ["0", "1"] });
    expect(result.metrics.val_acc).toBeGreaterThan(0.8);
    const epochs = events.filter((event) => event.type === "epoch");
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(epochs.at(-1)?.predictions).toHaveLength(8);
    expect(epochs.at(-1)?.predictions[0]).toMatchObject({ expected: expect.stringMatching(/^[01]$/) });
    const read = (name: string): string => readFileSync(join(scene.outputDir, name), "utf8");
    const [head, ...rows] = read("history.csv").trimEnd().split("\n");
    expect(head).toBe("epoch,loss,acc,val_loss,val_acc,lr,seconds");
    expect(rows.map((row) => row.split(",")[0])).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(JSON.parse(read("metrics.json"))).toMatchObject({
      ...result.metrics,
      epoch: 6,
      batch: 0,
      epochs: 6,
    });
    expect(JSON.parse(read("params.json"))).toMatchObject({ seed: 1, lr: 0.01, optimizer: { name: "adam" } });
    expect(JSON.parse(read("environment.json"))).toMatchObject({ backend: "wasm", node: process.version });
    expect(JSON.parse(read("architecture.json"))).toMatchObject({
      inputShape: [8, 8, 1],
      classes: ["0", "1"],
    });
    const { tensors } = decodeTensors(readFileSync(join(scene.outputDir, "model.safetensors")), "model");
    expect([...tensors.keys()]).toContain("block1.conv.weight");
    expect(readdirSync(scene.outputDir).sort()).toEqual([...result.files, "checkpoints"].sort());
  });
});

test("S1.3 the same seed gives the same weights, another seed others, and no tensors stay behind", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(40, 8));
    const augmented = {
      ...QUICK,
      epochs: 2,
      augment: { flip: true, rotateDegrees: 10, cropPixels: 1, color: 0.1, mixup: 0.2 },
      backbone: { ...QUICK.backbone, dropout: 0.3 },
    };
    const digests: (string | undefined)[] = [];
    const left: number[] = [];
    for (const [place, seed] of [1, 1, 2].entries()) {
      const other = { ...scene, outputDir: join(scene.outputDir, "..", `out${place}`) };
      await other.write(`../out${place}/keep`, "");
      digests.push((await trainIn(other, { ...augmented, seed })).result.modelDigest);
      left.push(tf.memory().numTensors);
    }
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
    expect(left[2]).toBe(left[0]);
  });
});

test.for(BACKBONES)(
  "backbone %s learns, on WASM and with the same result on the CPU backend",
  async (name) => {
    await withScene(async (scene) => {
      await scene.write("bars.npz", bars(32, 8));
      const spec = { ...QUICK, epochs: 2, batch: 8, backbone: { name, layers: 2, width: 0.25 } };
      const losses: number[] = [];
      for (const backend of ["wasm", "cpu"]) {
        const outputDir = join(scene.outputDir, "..", backend);
        await scene.write(`../${backend}/keep`, "");
        const { result } = await trainIn(scene, { ...spec, backend }, { outputDir });
        expect(result.backend).toBe(backend);
        losses.push(...result.history.map(({ metrics }) => metrics.loss ?? Number.NaN));
      }
      const [first = 0, second = 0, firstSlow = 0, secondSlow = 0] = losses;
      expect(second).toBeLessThan(first);
      // The two add up in another order.
      expect(first).toBeCloseTo(firstSlow, 3);
      expect(second).toBeCloseTo(secondSlow, 2);
    });
  },
);

test("train() learns numbers from a CSV file, and classes that are rare", async () => {
  await withScene(async (scene) => {
    const rows = Array.from({ length: 60 }, (_, at) => [at % 7, (at * 3) % 5] as const);
    const numbers = rows.map(([a, b]) => `${a},${b},${2 * a - b + 1}`);
    await scene.write("n.csv", ["a,b,y", ...numbers].join("\n"));
    const data = { kind: "csv", path: "n.csv", label: "y", task: "regress" };
    const checkpoint = { everyEpochs: 40 };
    const spec = {
      checkpoint,
      data,
      epochs: 40,
      batch: 12,
      lr: 0.02,
      backbone: { layers: 1 },
      loss: "huber",
    };
    const { result } = await trainIn(scene, spec);
    expect(Object.keys(result.metrics)).toEqual(["loss", "mae", "val_loss", "val_mae"]);
    expect(result.metrics.val_mae).toBeLessThan(0.5);
    const classes = rows.map(([a, b]) => `${a},${b},${a === 6 ? "rare" : "usual"}`);
    await scene.write("c.csv", ["a,b,y", ...classes].join("\n"));
    const outputDir = join(scene.outputDir, "..", "second");
    await scene.write("../second/keep", "");
    const rare = {
      ...spec,
      loss: "cross-entropy",
      data: { kind: "csv", path: "c.csv", label: "y" },
      balanceClasses: true,
    };
    expect((await trainIn(scene, rare, { outputDir })).result.metrics.val_acc).toBeGreaterThan(0.9);
    const unknown = { ...rare, balanceClasses: false, classWeights: { nobody: 2 } };
    const { message } = await refusal(() => trainIn(scene, unknown, { outputDir: scene.inputDir }));
    expect(message).toContain("the data have no class nobody; they have rare, usual");
  });
});

test("S1.6 early stopping says why, and the best weights are in the model", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(40, 8));
    // At a rate of nothing the loss stands still.
    const spec = { ...QUICK, epochs: 20, lr: 1e-12, earlyStop: { patience: 2, minDelta: 0.001 } };
    const { result, events } = await trainIn(scene, spec);
    expect(result).toMatchObject({ status: "finished", epochs: 3, modelEpoch: 1 });
    expect(result.reason).toMatch(
      /^early stopping at epoch 3: val_loss has not improved since epoch 1 \(0\.\d+\)$/,
    );
    const text = "the patience is 2; a larger one waits longer";
    expect(events).toContainEqual({ type: "message", level: "info", text });
    expect(result.metrics).toEqual(result.history[0]?.metrics);
  });
});

test("the learning rate is reduced where the loss stands still, as low as minLr", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(40, 8));
    const plateau = { patience: 1, factor: 0.1, minLr: 1e-14 };
    const { result, events } = await trainIn(scene, { ...QUICK, epochs: 6, lr: 1e-12, plateau });
    const rates = result.history.map(({ lr }) => Number(lr.toPrecision(3)));
    expect(rates).toEqual([1e-12, 1e-12, 1e-13, 1e-14, 1e-14, 1e-14]);
    expect(events.filter((event) => event.type === "message").map(({ text }) => text)[0]).toBe(
      "epoch 2: val_loss stands still, the learning rate is reduced to 1e-13",
    );
  });
});

test("S1.17 a loss that is no number ends the run as failed, with what to do, and without a model", async () => {
  await withScene(async (scene) => {
    await scene.write("n.csv", "a,y\n1,1e30\n2,-1e30\n3,1e30\n4,2e30\n5,0\n");
    const data = { kind: "csv", path: "n.csv", label: "y", task: "regress" };
    const { result } = await trainIn(scene, { data, lr: 1000, epochs: 3, batch: 2 });
    expect(result.status).toBe("failed");
    expect(result.reason).toMatch(
      /^the loss is (Infinity|NaN) in epoch \d+, batch \d+: the steps are too large/,
    );
    expect(result.modelDigest).toBeUndefined();
    expect(result.files).not.toContain("model.safetensors");
  });
});

test("a spec that does not fit the data is refused before anything is written", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(40, 8));
    const tooDeep = { ...QUICK, backbone: { name: "tiny-cnn", layers: 4 } };
    expect((await refusal(() => trainIn(scene, tooDeep))).message).toContain(
      "is too small: after a maxPool layer",
    );
    const tooWide = { ...QUICK, backbone: { name: "mlp", layers: 64, width: 16 } };
    expect((await refusal(() => trainIn(scene, tooWide))).message).toContain("more than 100000000");
    await scene.write("large.npz", bars(60, 256));
    const tooMuch = { data: { ...BARS, path: "large.npz" }, batch: 48, backbone: { name: "resnet-tiny" } };
    const error = await refusal(() => trainIn(scene, tooMuch));
    expect(error.code).toBe("LIMIT_EXCEEDED");
    expect(error.hint).toMatch(/^use a batch of \d+ at most, or smaller images$/);
    expect(readdirSync(scene.outputDir)).toEqual([]);
  });
});

test("an epoch has one batch where a batch is larger than all samples, and never none", async () => {
  await withScene(async (scene) => {
    await scene.write("c.csv", "x,label\n1,a\n2,b\n3,a\n4,b\n");
    const data = { kind: "csv", path: "c.csv" };
    const { result } = await trainIn(scene, { data, epochs: 2, batch: 65_536, validation: 0.5 });
    expect(result).toMatchObject({ status: "finished", epochs: 2, data: { train: 2, validation: 2 } });
    for (const { metrics } of result.history) expect(metrics["loss"]).toBeGreaterThan(0);
    await scene.write("few.csv", "x,label\n1,a\n2,b\n");
    const few = { data: { ...data, path: "few.csv" }, epochs: 1 };
    const outputDir = join(scene.outputDir, "..", "few");
    await scene.write("../few/keep", "");
    expect((await refusal(() => trainIn(scene, few, { outputDir }))).message).toContain(
      "2 samples are too few to keep",
    );
    expect((await trainIn(scene, { ...few, validation: 0 }, { outputDir })).result.epochs).toBe(1);
  });
});

test("S1.17 without terminateOnNan a run goes on to its last epoch, and its history says nan", async () => {
  await withScene(async (scene) => {
    await scene.write("n.csv", "a,y\n1,1e30\n2,-1e30\n3,1e30\n4,2e30\n5,0\n");
    const data = { kind: "csv", path: "n.csv", label: "y", task: "regress" };
    const spec = { data, lr: 1000, epochs: 3, batch: 2, validation: 0.4, terminateOnNan: false };
    const { result } = await trainIn(scene, spec);
    expect(result).toMatchObject({ status: "finished", epochs: 3 });
    const rows = readFileSync(join(scene.outputDir, "history.csv"), "utf8").trimEnd().split("\n").slice(1);
    expect(rows.map((row) => row.split(",").length)).toEqual([7, 7, 7]);
    expect(rows.at(-1)).toMatch(/^3,(?:NaN|nan|Infinity),/);
  });
});

test("S1.6 an early stop looks for more of an accuracy, and not before the epoch that startFrom names", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(40, 8));
    const earlyStop = { metric: "val_acc", patience: 1, startFrom: 3, restoreBest: false };
    const { result } = await trainIn(scene, { ...QUICK, epochs: 20, lr: 1e-12, earlyStop });
    expect(result).toMatchObject({ status: "finished", epochs: 5, modelEpoch: 5 });
    expect(result.reason).toMatch(/^early stopping at epoch 5: val_acc has not improved since epoch 4 /);
    const outputDir = join(scene.outputDir, "..", "turned");
    await scene.write("../turned/keep", "");
    const turned = { metric: "val_loss", mode: "max", patience: 2 };
    // A loss that falls is never better where more is asked for.
    const second = await trainIn(scene, { ...QUICK, epochs: 20, earlyStop: turned }, { outputDir });
    expect(second.result).toMatchObject({ epochs: 3, modelEpoch: 1 });
  });
});
