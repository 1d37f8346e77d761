/** Small data on disk, and runs over them, for the tests of this package. */
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isSmcError, type SmcError } from "@smc/store/errors";
import { zipSync } from "fflate";
import { expect } from "vitest";
import type { TrainEvent, TrainResult } from "../events.ts";
import { randomOf } from "../random.ts";
import { train } from "../train.ts";

export interface Scene {
  readonly inputDir: string;
  readonly outputDir: string;
  /** Writes a file below the folder of inputs and its missing folders. */
  write(name: string, content: string | Uint8Array): Promise<void>;
}

/** Two empty folders, which are gone afterwards. */
export async function withScene<T>(action: (scene: Scene) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "smc-train-"));
  const [inputDir, outputDir] = [join(folder, "in"), join(folder, "out")];
  try {
    await mkdir(inputDir);
    await mkdir(outputDir);
    const write = async (name: string, content: string | Uint8Array): Promise<void> => {
      await mkdir(dirname(join(inputDir, name)), { recursive: true });
      await writeFile(join(inputDir, name), content);
    };
    return await action({ inputDir, outputDir, write });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An NPY array, as numpy.save writes it. */
export function npy(type: string, shape: readonly number[], bytes: Uint8Array, order = "False"): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const head = `{'descr': '${type}', 'fortran_order': ${order}, 'shape': ${tuple}, }`;
  const padded = `${head.padEnd(117)}\n`;
  const start = Buffer.from(`\u0093NUMPY\u0001\u0000\u0000\u0000${padded}`, "latin1");
  start.writeUInt16LE(padded.length, 8);
  return Buffer.concat([start, bytes]);
}

export function npz(arrays: Readonly<Record<string, Uint8Array>>): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(arrays).map(([name, bytes]) => [`${name}.npy`, bytes])));
}

/** Images of size × size with a bar that lies (class 0) or stands (class 1), and noise. */
export function bars(count: number, size: number): Uint8Array {
  const random = randomOf(11, "bars");
  const x = new Uint8Array(count * size * size);
  const y = new Uint8Array(count);
  for (let sample = 0; sample < count; sample += 1) {
    const stands = sample % 2;
    const place = random.below(size);
    y[sample] = stands;
    for (let pixel = 0; pixel < size * size; pixel += 1) {
      const line = stands === 1 ? pixel % size : Math.floor(pixel / size);
      x[sample * size * size + pixel] = (line === place ? 200 : 0) + random.below(56);
    }
  }
  return npz({ x: npy("|u1", [count, size, size], x), y: npy("|u1", [count], y) });
}

export const BARS = { kind: "npz", path: "bars.npz" } as const;

export interface Trained {
  readonly result: TrainResult;
  readonly events: TrainEvent[];
}

/** A run over the scene's inputs. `onEvent` may abort `controller`. */
export async function trainIn(
  scene: Scene,
  spec: unknown,
  options: {
    resume?: boolean;
    outputDir?: string;
    onEvent?: (event: TrainEvent, controller: AbortController) => void;
  } = {},
): Promise<Trained> {
  const controller = new AbortController();
  const events: TrainEvent[] = [];
  const result = await train(spec, {
    inputDir: scene.inputDir,
    outputDir: options.outputDir ?? scene.outputDir,
    signal: controller.signal,
    resume: options.resume ?? false,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event, controller);
    },
  });
  return { result, events };
}

/** What the action is refused with. */
export async function refusal(action: () => unknown): Promise<SmcError> {
  try {
    await action();
  } catch (error) {
    if (isSmcError(error)) return error;
    throw error;
  }
  throw expect.fail("it was not refused");
}
