import { expect, test } from "vitest";
import type { Dtype, TensorSpan } from "../formats/table.ts";
import { hashBytes } from "../objects/digest.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import type { Piece } from "../pool/tasks.ts";
import { type KnownParent, Parents } from "./parents.ts";

const MIB = 1024 * 1024;

function place(name: string, rawBytes: number, parents?: readonly ChunkPlace[]): ChunkPlace {
  const span = { digest: hashBytes(Buffer.from(name)), offset: 64, storedBytes: rawBytes / 4, rawBytes };
  return { pack: "p", span, ...(parents === undefined ? {} : { parents }) };
}

function tensor(name: string, offset: number, length: number, dtype: Dtype = "f32"): TensorSpan {
  return { name, dtype, shape: [length], offset, length };
}

function parentOf(places: readonly ChunkPlace[], tensors: readonly TensorSpan[]): KnownParent {
  let at = 0;
  const pieces = places.map((chunk): Piece => {
    const piece = { ...chunk, at };
    at += chunk.span.rawBytes;
    return piece;
  });
  const table = { format: "safetensors", tensors, external: [], scattered: [] };
  return { blob: { sizeBytes: at, pieces }, table };
}

test("the same tensor of the older file, chunk by chunk", () => {
  const older = parentOf(
    [place("head", 100), place("0", 4 * MIB), place("1", MIB)],
    [tensor("w", 100, 5 * MIB)],
  );
  const now = tensor("w", 120, 5 * MIB);
  const parents = new Parents([older], [now]);
  expect(parents.find(now, 4 * MIB, MIB)).toEqual([
    { places: [place("1", MIB)], offset: 0, length: MIB, dtype: "f32", depth: 1 },
  ]);
  expect(parents.find(tensor("other", 0, 5 * MIB), 0, MIB)).toEqual([]);
  expect(parents.find(tensor("w", 0, 4 * MIB), 0, MIB)).toEqual([]);
});

test("another precision: the bytes of the same elements, over as many chunks as they take", () => {
  const older = parentOf([place("0", 4 * MIB), place("1", 4 * MIB)], [tensor("w", 0, 8 * MIB, "f32")]);
  const half = tensor("w", 0, 4 * MIB, "f16");
  expect(new Parents([older], [half]).find(half, MIB, 2 * MIB)).toMatchObject([
    {
      places: [{ span: { rawBytes: 4 * MIB } }, { span: { rawBytes: 4 * MIB } }],
      offset: 2 * MIB,
      length: 4 * MIB,
      dtype: "f32",
    },
  ]);
  const affine = { of: "w", scale: 0.1, zeroPoint: 3 };
  const quantised = { ...tensor("w_quantized", 0, 2 * MIB, "u8"), affine };
  expect(new Parents([older], [quantised]).find(quantised, 0, 2 * MIB)[0]?.places).toHaveLength(2);
});

test("a renamed tensor is found by its shape, each once", () => {
  const older = parentOf(
    [place("0", MIB), place("1", MIB)],
    [tensor("old.a", 0, MIB), tensor("old.b", MIB, MIB)],
  );
  const now = [tensor("new.a", 0, MIB), tensor("new.b", MIB, MIB), tensor("new.c", 2 * MIB, MIB)] as const;
  const parents = new Parents([older], now);
  expect(parents.find(now[0], 0, MIB)[0]?.places).toEqual([place("0", MIB)]);
  expect(parents.find(now[1], 0, MIB)[0]?.places).toEqual([place("1", MIB)]);
  expect(parents.find(now[2], 0, MIB)).toEqual([]);
});

test("a run is matched only when all of its tensors lie as they did", () => {
  const small = [tensor("a", 0, 400), tensor("b", 416, 400)];
  const older = parentOf([place("0", 816)], small);
  const moved = [tensor("a", 1000, 400), tensor("b", 1416, 400)];
  expect(new Parents([older], moved).findRun(moved, 816)).toMatchObject([
    { offset: 0, length: 816, depth: 1 },
  ]);
  const apart = [tensor("a", 1000, 400), tensor("b", 1424, 400)];
  expect(new Parents([older], apart).findRun(apart, 824)).toEqual([]);
});

test("a full chain is not made longer: the nearest ancestor with room takes the child", () => {
  const chain = [place("v0", MIB)];
  for (const name of ["v1", "v2", "v3", "v4"]) chain.push(place(name, MIB, [chain.at(-1) as ChunkPlace]));
  const now = tensor("w", 0, MIB);
  const depths = chain.map((chunk) => {
    const [found] = new Parents([parentOf([chunk], [now])], [now]).find(now, 0, MIB);
    return [found?.places[0]?.span.digest === chunk.span.digest, found?.depth];
  });
  expect(depths).toEqual([
    [true, 1],
    [true, 2],
    [true, 3],
    [true, 4],
    [false, 4],
  ]);
});

test("after a full chain went on from far away, the next one starts two steps lower", () => {
  const chain = [place("v0", MIB)];
  for (const name of ["v1", "v2", "v3"]) chain.push(place(name, MIB, [chain.at(-1) as ChunkPlace]));
  const near = place("v5", MIB, [chain[3] as ChunkPlace]);
  const far = { ...near, span: { ...near.span, storedBytes: near.span.storedBytes * 1.2 } };
  const now = tensor("w", 0, MIB);
  const [found] = new Parents([parentOf([far], [now])], [now]).find(now, 0, MIB);
  expect(found).toMatchObject({ depth: 3, places: [{ span: { digest: chain[2]?.span.digest } }] });
});

test("a chain that stores more than it saves is not made longer", () => {
  const heavy = (name: string, parents?: readonly ChunkPlace[]): ChunkPlace => {
    const light = place(name, MIB, parents);
    return { ...light, span: { ...light.span, storedBytes: 0.7 * MIB } };
  };
  const now = tensor("w", 0, MIB);
  const child = heavy("v1", [heavy("v0")]);
  const [found] = new Parents([parentOf([child], [now])], [now]).find(now, 0, MIB);
  expect(found?.places[0]?.span.digest).toBe(hashBytes(Buffer.from("v0")));
});

test("bytes that the older file does not have are no parent", () => {
  const now = tensor("w", 0, 2 * MIB);
  const older = parentOf([place("0", MIB)], [now]);
  expect(new Parents([older], [now]).find(now, 0, 2 * MIB)).toEqual([]);
});

test("two files that have the tensor give two ranges, the likelier first", () => {
  const now = tensor("w", 0, MIB);
  const files = ["head", "base", "third"].map((name) => parentOf([place(name, MIB)], [now]));
  const found = new Parents(files, [now]).find(now, 0, MIB);
  expect(found.map(({ places }) => places[0])).toEqual([place("head", MIB), place("base", MIB)]);
});
