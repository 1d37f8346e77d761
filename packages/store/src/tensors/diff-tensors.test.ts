import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { safetensorsFile, type TestTensor, weights } from "../testing/tensors.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { diff, type DiffOptions } from "../verbs/diff.ts";
import { rm } from "../verbs/rm.ts";
import type { TensorDiff } from "./diff-tensors.ts";

type Tensors = Readonly<Record<string, TestTensor>>;

async function compare(bench: Bench, options: DiffOptions = { revisions: ["HEAD~1", "HEAD"] }) {
  const { tensors } = await diff(bench.repository, { ...options, tensors: true }, QUIET);
  if (tensors === undefined) throw new Error("no tensors");
  return tensors;
}

/** Commits two versions of one file and compares them. */
async function compareVersions(from: Tensors, to: Tensors): Promise<TensorDiff> {
  return withWorktree(async (bench) => {
    await bench.commit({ "m.safetensors": safetensorsFile(from) });
    await bench.commit({ "m.safetensors": safetensorsFile(to) });
    return compare(bench);
  });
}

test("diffTensors() tells tensors that are new, gone, changed and equal", async () => {
  const found = await compareVersions(
    {
      "body.weight": { dtype: "f32", shape: [10, 20], values: weights(200, 1) },
      "head.weight": { dtype: "f32", shape: [2, 2], values: [3, 4, 0, 0] },
      gone: { dtype: "u8", values: [1, 2] },
      codes: { dtype: "u8", values: [1, 2, 3] },
    },
    {
      "body.weight": { dtype: "f32", shape: [10, 20], values: weights(200, 1) },
      "head.weight": { dtype: "f32", shape: [2, 2], values: [3, 4, 12, 0] },
      codes: { dtype: "u8", values: [1, 2, 5] },
      "new.bias": { dtype: "bf16", values: [1, 2] },
    },
  );
  expect(found.files).toMatchObject([
    {
      path: "m.safetensors",
      fromPath: "m.safetensors",
      change: "modified",
      format: "safetensors",
      problem: null,
      added: [{ name: "new.bias", dtype: "bf16", shape: [2], sizeBytes: 4 }],
      removed: [{ name: "gone", dtype: "u8", shape: [2], sizeBytes: 2 }],
      changed: [
        {
          name: "head.weight",
          from: { dtype: "f32", shape: [2, 2], sizeBytes: 16 },
          to: { dtype: "f32", shape: [2, 2], sizeBytes: 16 },
          distance: { elementCount: 4, changedCount: 1, l2: 12, relativeL2: 2.4, maxAbs: 12 },
        },
        { name: "codes", distance: { l2: 2, maxAbs: 2 } },
      ],
      equal: { count: 1, sizeBytes: 800 },
      notCompared: [],
    },
  ]);
  expect(found.total).toMatchObject({ added: 1, removed: 1, changed: 2, equal: 1, tensorBytes: 819 });
});

test("diffTensors() tells other types and shapes; it measures what has the same shape", async () => {
  const found = await compareVersions(
    {
      cast: { dtype: "f32", values: [1, 2.5] },
      wider: { dtype: "f32", shape: [2], values: [1, 2] },
      turned: { dtype: "f32", shape: [1, 2], values: [1, 2] },
      nan: { dtype: "f32", values: [1, 2, 3] },
    },
    {
      cast: { dtype: "f16", values: [1, 3] },
      wider: { dtype: "f32", shape: [3], values: [1, 2, 3] },
      turned: { dtype: "f32", shape: [2, 1], values: [1, 2] },
      nan: { dtype: "f32", values: [1, NaN, 7] },
    },
  );
  const rows = new Map(found.files[0]?.changed.map((row) => [row.name, row]));
  expect(rows.get("cast")).toMatchObject({
    from: { dtype: "f32" },
    to: { dtype: "f16" },
    distance: { l2: 0.5 },
  });
  expect(rows.get("wider")).toMatchObject({ from: { shape: [2] }, to: { shape: [3] }, distance: null });
  expect(rows.get("turned")?.distance).toBeNull();
  expect(rows.get("nan")?.distance).toMatchObject({ l2: 4, nonFinite: { from: 0, to: 1 }, changedCount: 2 });
});

test("diffTensors() tells what two versions share, in bytes of their chunks", async () => {
  const body: TestTensor = { dtype: "u8", values: [...randomBytes(300_000)] };
  const found = await compareVersions(
    { body, head: { dtype: "u8", values: [...randomBytes(100_000)] } },
    { body, head: { dtype: "u8", values: [...randomBytes(100_000)] } },
  );
  const [file] = found.files;
  expect(file?.equal).toEqual({ count: 1, sizeBytes: 300_000 });
  expect(file?.sharedBytes).toBeGreaterThanOrEqual(300_000);
  expect(file?.sharedBytes).toBeLessThan(301_000);
  expect(found.total.sharedBytes).toBe(file?.sharedBytes);
});

test("diffTensors() follows renamed files and lists those that are new or gone", async () => {
  await withWorktree(async (bench) => {
    const one = { w: { dtype: "f32", values: [1, 2] } } as const;
    const two = { w: { dtype: "f32", values: [1, 3] } } as const;
    await bench.commit({ "a/m.safetensors": safetensorsFile(one), "gone.txt": "x" });
    await rm(bench.repository, { paths: ["a", "gone.txt"], recursive: true }, QUIET);
    await bench.commit({ "b/m.safetensors": safetensorsFile(two), "new.gguf": "none" });
    const { files, total } = await compare(bench);
    expect(files).toMatchObject([
      { path: "b/m.safetensors", fromPath: "a/m.safetensors", change: "renamed", changed: [{ name: "w" }] },
      { path: "gone.txt", change: "deleted", format: null, problem: null },
      { path: "new.gguf", change: "added", fromPath: null },
    ]);
    expect(total).toMatchObject({ added: 0, removed: 0, changed: 1 });
  });
});

test("diffTensors() lists malformed files and files of no known format as without tensors", async () => {
  await withWorktree(async (bench) => {
    const file = safetensorsFile({ w: { dtype: "f32", values: [1] } });
    await bench.commit({ "m.safetensors": file, "notes.txt": "one", "link.txt": "x" });
    await bench.commit({ "m.safetensors": file.subarray(0, 20), "notes.txt": "two" });
    expect((await compare(bench)).files).toMatchObject([
      { path: "m.safetensors", format: null, problem: expect.stringMatching(/./), changed: [], removed: [] },
      { path: "notes.txt", format: null, problem: null, sizeBytes: 3 },
    ]);
  });
});

test("diffTensors() compares the stage and files of the worktree that are not stored", async () => {
  await withWorktree(async (bench) => {
    const version = (value: number) => safetensorsFile({ w: { dtype: "f64", values: [1, value] } });
    await bench.commit({ "ö/m.safetensors": version(1) });
    await bench.write({ "ö/m.safetensors": version(3) });
    for (const options of [{}, { revisions: ["HEAD"] }]) {
      expect((await compare(bench, options)).files).toMatchObject([
        { path: "ö/m.safetensors", changed: [{ name: "w", distance: { l2: 2 } }], sharedBytes: 0 },
      ]);
    }
    expect((await compare(bench, { staged: true })).files).toEqual([]);
    expect((await diff(bench.repository, {}, QUIET)).tensors).toBeUndefined();
  });
});

test("diffTensors() finds tensors that lie in another file than the one that names them", async () => {
  await withWorktree(async (bench) => {
    const data = (value: number) => new Uint8Array(Float32Array.of(9, 9, 3, value).buffer);
    const model = onnxModel({ name: "w", shape: [2], location: "m.bin", offset: 8, length: 8 });
    await bench.commit({ "x/m.onnx": model, "x/m.bin": data(4), "x/other.json": "{}" });
    await bench.commit({ "x/m.bin": data(5) });
    const { files } = await compare(bench);
    expect(files).toMatchObject([
      { path: "x/m.bin", format: null },
      { path: "x/m.onnx", format: "ONNX", changed: [{ name: "w", distance: { l2: 1, relativeL2: 0.2 } }] },
    ]);
    await bench.commit({ "x/m.onnx": Buffer.concat([model, model.subarray(0, 2)]), "x/m.bin": data(6) });
    const both = await compare(bench);
    expect(both.files.map(({ path, changed }) => [path, changed.length])).toEqual([
      ["x/m.bin", 0],
      ["x/m.onnx", 1],
    ]);
  });
});

test("diffTensors() names tensors whose bytes are not there as not compared", async () => {
  await withWorktree(async (bench) => {
    const model = (length: number) =>
      onnxModel({ name: "w", shape: [2], location: "absent.bin", offset: 0, length });
    await bench.commit({ "m.onnx": model(8) });
    await bench.commit({ "m.onnx": Buffer.concat([model(8), model(8).subarray(0, 2)]) });
    const { files, total } = await compare(bench);
    expect(files).toMatchObject([{ changed: [], equal: { count: 0 }, notCompared: ["w"] }]);
    expect(total.notCompared).toBe(1);
  });
});

/** An ONNX model with one initializer of f32 in another file. */
function onnxModel(tensor: {
  name: string;
  shape: number[];
  location: string;
  offset: number;
  length: number;
}): Buffer {
  const field = (number: number, ...parts: (Buffer | string)[]): Buffer => {
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)));
    return Buffer.concat([Buffer.of(number * 8 + 2, bytes.length), bytes]);
  };
  const entry = (key: string, value: string): Buffer => field(13, field(1, key), field(2, value));
  const place = [
    entry("location", tensor.location),
    entry("offset", String(tensor.offset)),
    entry("length", String(tensor.length)),
    Buffer.of(14 * 8, 1),
  ];
  const shape = Buffer.from(tensor.shape.flatMap((size) => [8, size]));
  const initializer = field(5, shape, Buffer.of(16, 1), field(8, tensor.name), ...place);
  return Buffer.concat([Buffer.of(8, 8), field(7, initializer), field(8, Buffer.of(16, 17))]);
}
