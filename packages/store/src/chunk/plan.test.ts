import { expect, test } from "vitest";
import { FORMATS } from "../formats/formats.ts";
import type { Dtype, TensorSpan, TensorTable } from "../formats/table.ts";
import { CHUNK_BYTES_MAX } from "../objects/objects.ts";
import { cutSegment, PLAN_IDS, planOf, type Segment } from "./plan.ts";

const KIB = 1024;

function tensor(name: string, offset: number, length: number, dtype: Dtype = "f32"): TensorSpan {
  return { name, dtype, shape: [length / 4], offset, length };
}

function table(tensors: readonly TensorSpan[], format = "safetensors"): TensorTable {
  return { format, tensors, external: [], scattered: [] };
}

function shapeOf({ from, to, kind, tensors }: Segment): string {
  return `${kind} ${from}-${to} ${tensors.map(({ name }) => name).join(",")}`.trim();
}

test("a large tensor is a segment; small ones with the gaps between them are a run; headers stand alone", () => {
  const tensors = [
    tensor("a", 1000, 100),
    tensor("b", 1108, 200),
    tensor("large", 1308, 64 * KIB),
    tensor("c", 1308 + 64 * KIB, 300),
    tensor("far", 1308 + 64 * KIB + 300 + 4 * KIB, 500),
  ];
  const size = 1308 + 64 * KIB + 300 + 4 * KIB + 500 + 22;
  expect(planOf(table(tensors), size).segments.map(shapeOf)).toMatchInlineSnapshot(`
    [
      "bytes 0-1000",
      "run 1000-1308 a,b",
      "tensor 1308-66844 large",
      "run 66844-67144 c",
      "bytes 67144-71240",
      "run 71240-71740 far",
      "bytes 71740-71762",
    ]
  `);
});

test("a tensor of one byte an element starts a chunk at a quarter of the size", () => {
  const tensors = [tensor("a", 0, 16 * KIB - 1, "u8"), tensor("b", 16 * KIB - 1, 16 * KIB, "u8")];
  expect(planOf(table(tensors), 32 * KIB - 1).segments.map(shapeOf)).toEqual([
    "run 0-16383 a",
    "tensor 16383-32767 b",
  ]);
});

test("segments cover the file without gaps, and no run is longer than a MiB", () => {
  const tensors = Array.from({ length: 100 }, (_, index) => tensor(`t${index}`, 8 + index * 50_000, 49_990));
  const size = 8 + 100 * 50_000 + 7;
  const { segments, id } = planOf(table(tensors), size);
  expect(id).toBe(2);
  let at = 0;
  for (const segment of segments) {
    expect(segment.from).toBe(at);
    if (segment.kind === "run") expect(segment.to - segment.from).toBeLessThanOrEqual(KIB * KIB);
    at = segment.to;
  }
  expect(at).toBe(size);
  expect(segments.flatMap((segment) => segment.tensors)).toEqual(tensors);
});

test.each([
  ["no table", undefined],
  ["no tensors", table([])],
  ["a format without a plan", table([tensor("a", 0, 100)], "unheard of")],
  ["tensors that overlap", table([tensor("a", 0, 100), tensor("b", 50, 100)])],
  ["a tensor beyond the end", table([tensor("a", 0, 2000)])],
  ["a negative offset", table([tensor("a", -4, 100)])],
  ["a negative length", table([tensor("a", 4, -100)])],
  ["a length that is no integer", table([tensor("a", 0, 0.5)])],
])("%s: the whole file is cut by its content", (_, known) => {
  expect(planOf(known, 1000)).toEqual({
    id: 1,
    segments: [{ from: 0, to: 1000, kind: "bytes", tensors: [] }],
  });
});

test("a tensor is cut every 4 MiB from its own start, between elements and between blocks", () => {
  const bytes = new Uint8Array(CHUNK_BYTES_MAX);
  const known = { bytes, start: 0, end: bytes.length };
  const segment = (of: TensorSpan): Segment => ({ from: 0, to: of.length, kind: "tensor", tensors: [of] });
  const large = 9 * KIB * KIB;
  expect(cutSegment(segment(tensor("a", 0, large)), large, known)).toBe(CHUNK_BYTES_MAX);
  const blocks = { ...tensor("q", 0, large, "q4_0"), block: { strideBytes: 18, scaleBytes: 2 } };
  expect(cutSegment(segment(blocks), large, known)).toBe(CHUNK_BYTES_MAX - (CHUNK_BYTES_MAX % 18));
  expect(cutSegment(segment(tensor("a", 0, large)), 12, known)).toBe(12);
});

test("cutSegment() waits for more bytes while the segment goes on", () => {
  const segment: Segment = { from: 0, to: 1000, kind: "bytes", tensors: [] };
  const known = { bytes: new Uint8Array(100), start: 0, end: 100 };
  expect(cutSegment(segment, 1000, known)).toBeUndefined();
  expect(cutSegment(segment, 100, known)).toBe(100);
});

test("every format that finds tensors has a plan, and no two plans have one number", () => {
  const withoutTensors = ["safetensors index", "pickle", "TensorFlow.js"];
  const inArchives = ["PyTorch", "NPZ", "Keras"];
  const names = FORMATS.map(({ name }) => name).filter(
    (name) => name !== "ZIP" && !withoutTensors.includes(name),
  );
  for (const name of [...names, ...inArchives]) expect(PLAN_IDS.has(name), name).toBe(true);
  expect(new Set(PLAN_IDS.values()).size).toBe(PLAN_IDS.size);
});
