import { expect, test } from "vitest";
import { MemorySource } from "../formats/testing/memory-source.ts";
import { safetensorsFile } from "../testing/tensors.ts";
import { readMetadata } from "./safetensors-metadata.ts";

function file(header: string): MemorySource {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return new MemorySource(Buffer.concat([length, Buffer.from(header)]));
}

test("readMetadata() gives the texts of a file, wherever they stand in its header", () => {
  const metadata = { format: "pt", "training \u00fc": 'a "quote" and\na line' };
  const written = safetensorsFile({ w: { dtype: "f32", values: [1] } }, metadata);
  expect(readMetadata(new MemorySource(written))).toEqual(metadata);
  const late = '{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"__metadata__":{"a":"b"}}';
  expect(readMetadata(file(late))).toEqual({ a: "b" });
});

test("readMetadata() is empty without one, and keeps a key that JavaScript gives a meaning", () => {
  expect(readMetadata(file("{}"))).toEqual({});
  const found = readMetadata(file('{"__metadata__":{"__proto__":"x"}}'));
  expect(Object.entries(found)).toEqual([["__proto__", "x"]]);
});

test("readMetadata() refuses more than it can keep", () => {
  const text = "x".repeat(9 * 1024 * 1024);
  expect(() => readMetadata(file(`{"__metadata__":{"a":"${text}","b":"${text}"}}`))).toThrow(
    expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
  );
});
