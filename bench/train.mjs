/** How fast does the trainer learn without a native library, and how well? On real handwritten digits. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../packages/trainer/dist/index.js";

const STEPS_SAMPLES = 128;
const MLP = {
  epochs: 12,
  batch: 64,
  lr: 0.002,
  schedule: { name: "cosine" },
  backbone: { name: "mlp", dropout: 0.2 },
};
const CNN = {
  epochs: 10,
  batch: 64,
  lr: 0.003,
  schedule: { name: "cosine", warmupEpochs: 0.5 },
  augment: { rotateDegrees: 10, cropPixels: 2 },
  backbone: { name: "tiny-cnn", dropout: 0.25 },
};

/** A run, with the seconds that it took and those of the processor, which a busy machine does not make longer. */
async function learn(spec, onEvent = () => {}) {
  const outputDir = mkdtempSync(join(tmpdir(), "smc-bench-train-"));
  const { signal } = new AbortController();
  const started = performance.now();
  const before = process.cpuUsage();
  try {
    const context = { inputDir: outputDir, outputDir, signal, onEvent };
    const result = await train({ data: { kind: "digits" }, ...spec }, context);
    const { user, system } = process.cpuUsage(before);
    return {
      result,
      seconds: (performance.now() - started) / 1000,
      processorSeconds: (user + system) / 1e6,
    };
  } finally {
    rmSync(outputDir, { recursive: true, force: true });
  }
}

/** Processor seconds of an epoch over some samples: the mean of those after the first, in which the engine warms up. */
async function epochSeconds(backend, epochs) {
  const data = { kind: "digits", samples: STEPS_SAMPLES };
  const quiet = { augment: {}, schedule: {}, validation: 0, checkpoint: { everyEpochs: epochs } };
  const ends = [];
  await learn({ ...CNN, ...quiet, data, backend, epochs }, ({ type }) => {
    if (type === "epoch") ends.push(process.cpuUsage());
  });
  const spent = ({ user, system }) => (user + system) / 1e6;
  return (spent(ends.at(-1)) - spent(ends[0])) / (epochs - 1);
}

export async function run() {
  const percent = (value) => `${(value * 100).toFixed(2)} %`;
  const row = (name, { result, seconds, processorSeconds }, target) => [
    `${name}: right of 2,000 digits that it did not learn from`,
    percent(result.metrics.val_acc),
    `${seconds.toFixed(0)} s, ${processorSeconds.toFixed(0)} s of one processor; ${target}`,
  ];
  const mlp = await learn(MLP);
  const cnn = await learn(CNN);
  const wasm = await epochSeconds("wasm", 11);
  const cpu = await epochSeconds("cpu", 2);
  return {
    title: "Training on 8,000 handwritten digits",
    rows: [
      row("mlp", mlp, "at least 95 % in 60 s"),
      row("tiny-cnn", cnn, "at least 98 % in 5 minutes"),
      [`tiny-cnn, ${STEPS_SAMPLES} samples forth and back: WASM`, `${wasm.toFixed(2)} s`, ""],
      [
        "the same: the CPU backend of tfjs",
        `${cpu.toFixed(2)} s`,
        `${(cpu / wasm).toFixed(1)} ×; at least 10 ×`,
      ],
    ],
  };
}
