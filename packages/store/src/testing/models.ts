/** For tests: files of models made of numbers, and versions of them that differ as training steps do. */
import { randomNumbers, toBf16, weights } from "../codecs/testing/numbers.ts";

/** Tensors of bf16 by name. */
export type Model = Readonly<Record<string, Uint16Array>>;

/** One weight of each tensor is about 0.02 times a small number; the same for the same seed. */
export function model(sizes: Readonly<Record<string, number>>, seed: number): Model {
  return Object.fromEntries(
    Object.entries(sizes).map(([name, count], index) => [name, toBf16(weights(count, seed * 100 + index))]),
  );
}

/** As a small step of training: most weights move by a unit in their last place or two, some do not. */
export function nudge(from: Model, seed: number): Model {
  const random = randomNumbers(seed);
  return Object.fromEntries(
    Object.entries(from).map(([name, values]) => [
      name,
      values.map((bits) => Math.min(0xffff, Math.max(0, bits + Math.round((random() - 0.5) * 4)))),
    ]),
  );
}

/** The bytes of a safetensors file. */
export function safetensors(tensors: Model): Buffer {
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const [name, values] of Object.entries(tensors)) {
    header[name] = {
      dtype: "BF16",
      shape: [values.length],
      data_offsets: [at, (at += values.byteLength)],
    };
  }
  const text = JSON.stringify(header);
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8, " ");
  const length = Buffer.alloc(8);
  length.writeUInt32LE(padded.length);
  return Buffer.concat([
    length,
    Buffer.from(padded),
    ...Object.values(tensors).map(({ buffer, byteOffset, byteLength }) =>
      Buffer.from(buffer, byteOffset, byteLength),
    ),
  ]);
}
