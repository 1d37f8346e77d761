import { expect, test } from "vitest";
import { safetensors } from "../formats/safetensors.ts";
import type { Dtype } from "../formats/table.ts";
import { lines, MemorySource } from "../formats/testing/memory-source.ts";
import { layoutSafetensors } from "./safetensors-layout.ts";

function tensor(name: string, dtype: Dtype, length: number, shape: readonly number[]) {
  return { name, dtype, shape, length };
}

test("layoutSafetensors() writes what the parser reads, in the order of the reference writer", () => {
  const { header, tensors } = layoutSafetensors(
    [
      tensor("b", "bf16", 4, [2]),
      tensor("a", "bf16", 2, [1]),
      tensor("flag", "bool", 3, [3]),
      tensor("\u{1f600}", "f32", 4, [1]),
      tensor("￿", "f32", 8, [2, 1]),
      tensor("step", "i64", 8, []),
    ],
    { format: "pt", 'a "quoted"\n key': "value" },
  );
  expect(tensors.map(({ name }) => name)).toEqual(["step", "￿", "\u{1f600}", "a", "b", "flag"]);
  const start = header.length;
  const file = Buffer.concat([header, Buffer.alloc(29)]);
  expect(lines(safetensors.parse(new MemorySource(file), "x.safetensors"))).toEqual([
    `step i64 [] ${start}+8`,
    `￿ f32 [2,1] ${start + 8}+8`,
    `\u{1f600} f32 [1] ${start + 16}+4`,
    `a bf16 [1] ${start + 20}+2`,
    `b bf16 [2] ${start + 22}+4`,
    `flag bool [3] ${start + 26}+3`,
  ]);
  expect(start % 8).toBe(0);
  const json = header.subarray(8);
  expect(Buffer.from(json).toString()).toMatch(/^\{"__metadata__":\{"format":"pt",.*\}\} *$/);
});

test("layoutSafetensors() of nothing is a valid file", () => {
  const { header } = layoutSafetensors([]);
  expect(Buffer.from(header).toString("latin1")).toBe("\b\0\0\0\0\0\0\0{}      ");
  expect(safetensors.parse(new MemorySource(header), "x.safetensors").tensors).toEqual([]);
});

test.for(["q4_0", "c128", "opaque"] as const)("layoutSafetensors() refuses %s", (dtype) => {
  expect(() => layoutSafetensors([tensor("w", dtype, 4, [4])])).toThrow(
    expect.objectContaining({ code: "ARGUMENT_INVALID", message: expect.stringContaining("'w'") }),
  );
});

test("layoutSafetensors() refuses two tensors of one name, and the name of the metadata", () => {
  const twice = [tensor("w", "u8", 1, [1]), tensor("w", "f32", 4, [1])];
  expect(() => layoutSafetensors(twice)).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
  expect(() => layoutSafetensors([tensor("__metadata__", "u8", 1, [1])])).toThrow(
    expect.objectContaining({ code: "ARGUMENT_INVALID" }),
  );
});

test("layoutSafetensors() refuses a header that no reader takes", () => {
  const name = "x".repeat(4096);
  const many = Array.from({ length: 25_000 }, (_, index) => tensor(`${index}${name}`, "u8", 1, [1]));
  expect(() => layoutSafetensors(many)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
});
