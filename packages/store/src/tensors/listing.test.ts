import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { safetensorsFile } from "../testing/tensors.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { listTensors, RowBudget, rowsOf } from "./listing.ts";

test("rowsOf() tells spans, tensors of other files, and those in pieces", () => {
  const span = { name: "w", dtype: "f32", shape: [2], offset: 80, length: 8 } as const;
  const rows = rowsOf({
    format: "onnx",
    tensors: [span],
    external: [
      { ...span, name: "big", file: "model.bin", offset: 0 },
      { name: "named", dtype: "opaque", shape: [], offset: 0, length: 0, file: "b.safetensors" },
    ],
    scattered: [{ name: "packed", dtype: "f16", shape: [3, 3] }],
  });
  expect(rows).toEqual([
    { name: "w", dtype: "f32", shape: [2], sizeBytes: 8, offset: 80, file: null },
    { name: "big", dtype: "f32", shape: [2], sizeBytes: 8, offset: 0, file: "model.bin" },
    { name: "named", dtype: "opaque", shape: [], sizeBytes: null, offset: null, file: "b.safetensors" },
    { name: "packed", dtype: "f16", shape: [3, 3], sizeBytes: null, offset: null, file: null },
  ]);
});

test("listTensors() reads a stored file and one that is not stored", async () => {
  await withStore(async (store, folder) => {
    const bytes = safetensorsFile({ w: { dtype: "f16", values: [1, 2] } });
    const digest = hashBytes(bytes);
    const localPath = join(folder, "anything");
    await writeFile(localPath, bytes);
    const path = "weights/m.safetensors";
    const local = await listTensors(store, { digest, path, localPath }, QUIET);
    expect(local).toMatchObject({ format: "safetensors", tensors: [{ name: "w", dtype: "f16" }] });
    await using session = store.write("test");
    await session.putBlob(bytes);
    await session.finish();
    expect(await listTensors(store, { digest, path }, QUIET)).toEqual(local);
  });
});

test("listTensors() says that a format is not known, and what is wrong with a file", async () => {
  await withStore(async (store, folder) => {
    const run = async (path: string, text: string) => {
      const localPath = join(folder, path);
      await writeFile(localPath, text);
      return listTensors(store, { digest: hashBytes(Buffer.from(text)), path, localPath }, QUIET);
    };
    const nothing = { format: null, tensors: [] };
    expect(await run("notes.txt", "none")).toEqual({ ...nothing, problem: null });
    expect(await run("m.safetensors", "{")).toEqual({ ...nothing, problem: expect.stringMatching(/header/) });
    const absent = { digest: hashBytes(Buffer.from("absent")), path: "m.safetensors" };
    await expect(listTensors(store, absent, QUIET)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
  });
});

test("a RowBudget ends before the rows take too much memory", () => {
  const budget = new RowBudget();
  const rows = Array.from({ length: 100 }, () => ({ name: "x".repeat(4096) }));
  expect(() => {
    for (let round = 0; round < 1000; round++) budget.take(rows);
  }).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
});
