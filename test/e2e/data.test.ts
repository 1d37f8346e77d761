import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, expect, test } from "vitest";
import type { DataResult } from "@smc/store";
import { ROOT } from "../source.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

/** The encoder that the trainer's tests use: nothing else here makes images. */
const { PNG } = createRequire(join(ROOT, "packages", "trainer", "package.json"))("pngjs") as {
  PNG: {
    new (size: { width: number; height: number }): { data: Buffer };
    sync: { write(image: object): Buffer };
  };
};

function image(size: number, color: readonly [number, number, number]): Buffer {
  const png = new PNG({ width: size, height: size });
  for (let at = 0; at < png.data.length; at += 1) png.data[at] = at % 4 === 3 ? 255 : (color[at % 4] ?? 0);
  return PNG.sync.write(png);
}

const SCHEMA = JSON.parse(readFileSync(join(ROOT, "docs", "reference", "data.schema.json"), "utf8"));
const rows = (count: number): string =>
  [
    "x,y,label",
    ...Array.from({ length: count }, (_, at) => `${at},${at * 2},${at % 2 === 0 ? "even" : "odd"}`),
  ].join("\n");

test("S1.17 smc data validate tells all that is wrong with a data set, exits 1, and starts nothing", async () => {
  for (const name of ["cat/1", "cat/2", "cat/3", "dog/1", "dog/2", "dog/3"])
    box.write(`pets/${name}.png`, image(8, name.startsWith("cat") ? [255, 0, 0] : [0, 0, 255]));
  const added = await box.ok("data", "add", "pets", "pets");
  expect(added).toBe(
    `Added pets to ${box.path("smc.data.json")}\n` +
      "pets: 6 samples of 8 x 8 x 3, 2 classes (cat 3, dog 3), 4 to train, 2 to validate\n",
  );
  box.write("pets/cat/4.png", image(7, [255, 0, 0]));
  box.write("pets/dog/4.png", image(8, [0, 0, 255]).subarray(0, 40));
  box.write("pets/emu/notes.txt", "no image");
  const { code, stdout } = await box.smc(["data", "validate"]);
  expect(code).toBe(1);
  for (const words of [
    "the class 'emu' has no PNG",
    "'cat/4.png' has 7 x 7 pixels",
    "'dog/4.png' is truncated",
  ])
    expect(stdout).toContain(words);
  expect(stdout).toContain("6 samples of 8 x 8 x 3, 3 classes (cat 3, dog 3, emu 0)");
  expect(await box.refused("data", "validate", "pet")).toMatchObject({ code: "PATH_NOT_FOUND", exit: 3 });
  expect(await box.refused("data", "add", "x", "none.csv")).toMatchObject({
    code: "PATH_NOT_FOUND",
    exit: 3,
  });
  expect(await box.refused("data", "add", "x", "pets", "--set", "data.chanels=1")).toMatchObject({
    code: "CONFIG_INVALID",
    exit: 2,
  });
  const validate = new Ajv2020().compile(SCHEMA);
  expect(validate(JSON.parse(box.read("smc.data.json"))), JSON.stringify(validate.errors)).toBe(true);
});

test("S3.22 smc data status counts the samples that the champion has not seen, and how many are needed", async () => {
  box.write("rows.csv", rows(10));
  await box.ok("data", "add", "rows", "rows.csv", "--needed", "5");
  await box.commit("rows");
  await box.ok("tag", "v1.0.0");
  await box.ok("promote", "v1.0.0", "--reason", "first", "--yes");
  const status = async (): Promise<DataResult["sets"][number] | undefined> =>
    (await box.json<DataResult>("data", "status", "rows")).sets[0];
  expect(await status()).toMatchObject({ newSamples: 0, isReady: false, isUnchanged: true });
  box.write("rows.csv", rows(14));
  expect(await status()).toMatchObject({ newSamples: 4, isReady: false, isUnchanged: false });
  expect((await box.smc(["data", "status", "rows", "--ready"])).code).toBe(1);
  box.write("rows.csv", rows(15));
  expect(await box.ok("data", "status", "rows")).toMatch(
    /^NAME +SAMPLES +PROBLEMS +NEW\/NEEDED +STATE\nrows +15 +0 +5\/5 +ready +changed since the last check\n$/,
  );
  expect((await box.smc(["data", "status", "rows", "--ready"])).code).toBe(0);
  box.write("rows.csv", `${rows(16)}\nNaN,1,odd\n`);
  expect(await status()).toMatchObject({ newSamples: 6, isReady: false });
});

test("smc data preview shows images as half blocks, and rows as numbers", async () => {
  const images = await box.ok("data", "preview", "pets", "-2");
  // A third of the light: red alone.
  const shade = "░".repeat(8);
  expect(images.split("\n").slice(0, 5)).toEqual(["sample 0: cat, 8 x 8 x 3", shade, shade, shade, shade]);
  expect(images).toContain("sample 1: dog, 8 x 8 x 3\n");
  expect(await box.ok("data", "preview", "rows", "-n", "1")).toBe("sample 0: even, 2\n0  0\n");
});

test("smc train learns from a data set of the version by its name", async () => {
  await box.ok("restore", "rows.csv");
  await box.ok("data", "add", "named", "rows.csv", "--set", "validation=0.4", "--set", "splitSeed=9");
  await box.ok("commit", "-am", "named");
  await box.ok("train", "--engine", "tfjs", "--data", "named", "--epochs", "1", "--name", "by-name");
  const { commit } = await box.json<{ commit: { params: object } }>("show", "challenger");
  expect(commit.params).toMatchObject({ "data.path": "rows.csv", validation: 0.4, splitSeed: 9, epochs: 1 });
  const { digest } = JSON.parse(box.read("smc.data.json")).sets.named.checked;
  expect(JSON.parse(await box.ok("cat", "jobs/by-name:environment.json"))).toMatchObject({ data: digest });
});
