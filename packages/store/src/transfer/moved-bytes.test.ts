import { expect, test } from "vitest";
import { packsOf, pushTo } from "../testing/remote-scene.ts";
import { withServed } from "../testing/served.ts";

const LAYERS = 24;
const LAYER_BYTES = 512 * 1024;
const HEAD_BYTES = 4096;

/** Weights as training leaves them: the same for the same seed. */
function weights(seed: number, bytes = LAYER_BYTES): Float32Array {
  const values = new Float32Array(bytes / 4);
  let state = seed >>> 0;
  for (const index of values.keys()) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    values[index] = (state / 2 ** 32 - 0.5) / 10;
  }
  return values;
}

function model(layers: readonly Float32Array[]): Buffer {
  const head: Record<string, unknown> = {};
  for (const index of layers.keys())
    head[`layer.${index}.weight`] = {
      dtype: "F32",
      shape: [LAYER_BYTES / 4],
      data_offsets: [index * LAYER_BYTES, (index + 1) * LAYER_BYTES],
    };
  const text = JSON.stringify(head).padEnd(HEAD_BYTES, " ");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, Buffer.from(text), ...layers.map((layer) => Buffer.from(layer.buffer))]);
}

test.each([
  ["anew", (): Float32Array => weights(1000)],
  ["a little", (old: Float32Array): Float32Array => old.map((value, index) => value + (index % 7) * 1e-6)],
])(
  "a push after 1 of 24 layers was trained %s moves what the codec makes of that layer, and hardly more",
  async (_, train) => {
    await withServed(async ({ a, remote }) => {
      const layers = Array.from({ length: LAYERS }, (_, index) => weights(index));
      await a.commit({ "m.safetensors": model(layers) });
      const first = await pushTo(remote, a);
      expect(first.sentBytes).toBeGreaterThan(LAYERS * LAYER_BYTES * 0.5);
      const before = new Set((await packsOf(a)).map(({ name }) => name));
      layers[7] = train(layers[7] as Float32Array);
      await a.commit({ "m.safetensors": model(layers) });
      const rows = (await packsOf(a)).filter(({ name }) => !before.has(name)).flatMap(({ rows }) => rows);
      const chunks = rows.filter(({ kind }) => kind === "chunk");
      const sum = (of: "rawBytes" | "storedBytes"): number => chunks.reduce((all, row) => all + row[of], 0);
      expect(sum("rawBytes")).toBe(LAYER_BYTES);
      const { sentBytes } = await pushTo(remote, a);
      expect(sentBytes).toBeGreaterThan(sum("storedBytes"));
      expect(sentBytes).toBeLessThanOrEqual(1.1 * sum("storedBytes"));
    });
  },
);
