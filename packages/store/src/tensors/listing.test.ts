import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import type { TensorTable } from "../formats/table.ts";
import { hashBytes } from "../objects/digest.ts";
import { QUIET } from "../testing/testing.ts";
import { listTensors, RowBudget } from "./listing.ts";

const FILE = { digest: hashBytes(Buffer.from("x")), path: "weights/model.onnx" };

/** A store in which every file has this table. */
function holding(table: TensorTable | SmcError | undefined, names: string[] = []) {
  return {
    tensors: async (_: unknown, fileName: string): Promise<TensorTable | undefined> => {
      names.push(fileName);
      if (table instanceof SmcError) throw table;
      return table;
    },
  };
}

test("listTensors() tells spans, tensors of other files, and those in pieces", async () => {
  const names: string[] = [];
  const span = { name: "w", dtype: "f32", shape: [2], offset: 80, length: 8 } as const;
  const table: TensorTable = {
    format: "onnx",
    tensors: [span],
    external: [
      { ...span, name: "big", file: "model.bin", offset: 0 },
      { name: "named", dtype: "opaque", shape: [], offset: 0, length: 0, file: "b.safetensors" },
    ],
    scattered: [{ name: "packed", dtype: "f16", shape: [3, 3] }],
  };
  expect(await listTensors(holding(table, names), FILE, QUIET)).toEqual({
    format: "onnx",
    problem: null,
    tensors: [
      { name: "w", dtype: "f32", shape: [2], sizeBytes: 8, offset: 80, file: null },
      { name: "big", dtype: "f32", shape: [2], sizeBytes: 8, offset: 0, file: "model.bin" },
      { name: "named", dtype: "opaque", shape: [], sizeBytes: null, offset: null, file: "b.safetensors" },
      { name: "packed", dtype: "f16", shape: [3, 3], sizeBytes: null, offset: null, file: null },
    ],
  });
  expect(names).toEqual(["model.onnx"]);
});

test("listTensors() says that a format is not known, and what is wrong with a file", async () => {
  const nothing = { format: null, tensors: [] };
  expect(await listTensors(holding(undefined), FILE, QUIET)).toEqual({ ...nothing, problem: null });
  const malformed = new SmcError("FILE_MALFORMED", "it is cut short");
  expect(await listTensors(holding(malformed), FILE, QUIET)).toEqual({
    ...nothing,
    problem: "it is cut short",
  });
  const damaged = new SmcError("OBJECT_CORRUPT", "bad bytes");
  await expect(listTensors(holding(damaged), FILE, QUIET)).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
});

test("a RowBudget ends before the rows take too much memory", () => {
  const budget = new RowBudget();
  const rows = Array.from({ length: 100 }, () => ({ name: "x".repeat(4096) }));
  expect(() => {
    for (let round = 0; round < 1000; round++) budget.take(rows);
  }).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
});
