import { expect, test } from "vitest";
import { decodeTensors, encodeTensors } from "./safetensors.ts";
import { refusal } from "./testing/scene.ts";

const TENSORS = new Map([
  ["a.weight", { shape: [2, 2], values: Float32Array.from([1, -2, 0.5, 1e-30]) }],
  ["empty", { shape: [0], values: new Float32Array(0) }],
  ["b", { shape: [1], values: Float32Array.from([Number.NaN]) }],
]);
const FILE = { tensors: TENSORS, metadata: { state: '{"epoch":3}' } };

test("tensors and metadata come back as they were, and the same ones are the same bytes", () => {
  const bytes = encodeTensors(FILE);
  expect(decodeTensors(bytes, "file")).toEqual(FILE);
  expect(encodeTensors(FILE)).toEqual(bytes);
  // The format asks for a head that ends at a multiple of eight.
  expect(Buffer.from(bytes).readBigUInt64LE(0) % 8n).toBe(0n);
});

test("a file with any one bit changed, or cut off anywhere, is refused", async () => {
  const bytes = encodeTensors(FILE);
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    expect((await refusal(() => decodeTensors(changed, "file"))).code, `byte ${at}`).toBe("FILE_MALFORMED");
    const cut = bytes.slice(0, at);
    expect((await refusal(() => decodeTensors(cut, "file"))).code, `cut at ${at}`).toBe("FILE_MALFORMED");
  }
});
