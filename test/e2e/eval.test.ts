/** Measuring versions again, with real digits. */
import { afterAll, expect, test } from "vitest";
import type { EvalResult, NoteResult } from "@smc/store";
import { externalModel } from "../../packages/trainer/src/testing/onnx.ts";
import { npy, npz } from "../../packages/trainer/src/testing/scene.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 180_000;
const OWN = ["train", "--engine", "tfjs", "--data", "few", "--seed", "1", "--backbone", "mlp"];

test(
  "S3.19 for v in $(smc versions -q); do smc eval $v --data D; done measures all versions, archived ones too",
  { timeout: SLOW_MS },
  async () => {
    await box.ok("data", "add", "few", "digits", "--set", "data.samples=200", "--set", "splitSeed=1");
    await box.commit("data");
    for (const [tag, epochs] of [
      ["v1.0.0", "1"],
      ["v1.0.1", "6"],
    ] as const) {
      await box.ok(...OWN, "--name", tag, "--epochs", epochs);
      await box.ok("tag", tag, `jobs/${tag}`);
    }
    await box.ok("promote", "v1.0.1", "--reason", "better", "--yes");
    await box.ok("archive", "v1.0.0", "--reason", "weak");
    const ran = await box.shell(
      "for v in $(smc versions -q); do smc eval $v --data few --split validation || exit 1; done",
    );
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stdout.match(/^Noted few_val_loss=.* few_val_acc=/gm)).toHaveLength(2);
    expect(ran.stdout).toMatch(/^CLASS +SAMPLES +RIGHT +ACC\n0 +4 +\d +[\d.]+\n/m);
    type Shown = { commit: { metrics: Record<string, number> } };
    const accuracy: (number | undefined)[] = [];
    for (const tag of ["v1.0.0", "v1.0.1"]) {
      const { metrics } = (await box.json<Shown>("show", tag)).commit;
      // On the same samples it is what the training measured.
      expect(metrics["few_val_acc"]).toBe(metrics["val_acc"]);
      accuracy.push(metrics["few_val_acc"]);
    }
    const { notes } = await box.json<NoteResult>("note", "v1.0.0");
    expect(notes).toMatchObject([
      {
        kind: "evaluation",
        author: "Ada <ada@example.org>",
        evaluated: { data: "few", split: "validation", samples: 40 },
      },
    ]);
    expect(accuracy[1]).toBeGreaterThan(accuracy[0] ?? 1);
    const better = await box.ok("versions", "-q", "--filter", `few_val_acc >= ${accuracy[1]}`);
    expect(better.trim().split("\n")).toHaveLength(1);
  },
);

test("S3.19 smc eval -n notes nothing, and --json tells which class was taken for which", async () => {
  const told = await box.json<EvalResult>("eval", "v1.0.1", "--data", "few", "-n", "--metric", "azi=acc");
  expect(told).toMatchObject({
    note: null,
    samples: 200,
    isTrainingData: true,
    noted: { azi: told.metrics["acc"] },
  });
  expect(told.confusion.reduce((sum, { samples }) => sum + samples, 0)).toBe(200);
  const wrong = told.confusion.filter(({ expected, predicted }) => expected !== predicted);
  expect(wrong.reduce((sum, { samples }) => sum + samples, 0)).toBe(200 - 200 * (told.metrics["acc"] ?? 0));
  expect((await box.json<NoteResult>("note", "v1.0.1")).notes).toHaveLength(1);
});

test("S3.19 smc eval of a version of another program says to note the numbers of that program", async () => {
  await box.commit("other", { "best.pt": "weights" }, "--tag", "v2.0.0");
  const refused = await box.smc(["eval", "main", "--data", "few"]);
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain("smc note main --metric acc=0.97");
  expect(await box.refused("eval", "v1.0.1", "--data", "fw")).toMatchObject({
    code: "PATH_NOT_FOUND",
    exit: 3,
  });
  expect(await box.refused("eval", "v1.0.1")).toMatchObject({ code: "USAGE", exit: 2 });
});

test("S3.19 smc eval runs an ONNX model of the version, and tells what does not fit", async () => {
  await box.ok("export", "v1.0.1", "--format", "onnx", "-o", "net", "--data", "few");
  await box.commit("onnx");
  const own = await box.json<EvalResult>("eval", "v1.0.1", "--data", "few", "-n");
  const told = await box.json<EvalResult>("eval", "main:net/model.onnx", "--data", "few");
  expect(told).toMatchObject({
    folder: "net/model.onnx",
    classesFrom: "model",
    samples: 200,
    metrics: { acc: own.metrics["acc"] },
  });
  const { notes } = await box.json<NoteResult>("note", "main");
  expect(notes).toMatchObject([{ kind: "evaluation", metrics: { few_acc: own.metrics["acc"] } }]);
  // It takes the pixels as they are: brought to 0 to 1 it sees other images.
  const dim = ["--set", "backbone.pixels=unit", "-n"];
  const other = await box.json<EvalResult>("eval", "main", "--data", "few", ...dim);
  expect(other.metrics["loss"]).not.toBe(told.metrics["loss"]);
  expect(await box.refused("eval", "main", "--data", "few", "--classes", "a,b")).toMatchObject({
    code: "CONFIG_INVALID",
    exit: 2,
    message: expect.stringContaining("gives 10 numbers for each sample, --classes has 2") as string,
  });
});

test("S3.19 smc eval finds the weights of an ONNX model in files beside it, and misses them by name", async () => {
  const { model, weights } = externalModel("w/m.data", 12);
  const x = Uint8Array.from([255, 0, 0, 0, 255, 0]);
  const y = Uint8Array.from([0, 1]);
  const data = npz({ x: npy("|u1", [2, 1, 1, 3], x), y: npy("|u1", [2], y) });
  await box.commit("half of it", { "out/m.onnx": model, "pixels.npz": data });
  const words = ["eval", "HEAD:out/m.onnx", "--data", "pixels.npz", "-n"];
  expect(await box.refused(...words)).toMatchObject({
    code: "PATH_NOT_FOUND",
    message: expect.stringContaining("lacks 'out/w/m.data', the weights of 'out/m.onnx'") as string,
  });
  await box.commit("all of it", { "out/w/m.data": weights });
  expect(await box.ok(...words)).toMatch(/^acc +1$/m);
});
