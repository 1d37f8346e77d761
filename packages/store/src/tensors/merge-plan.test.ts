import { expect, test } from "vitest";
import type { Dtype, TensorSpan, TensorTable } from "../formats/table.ts";
import { planTensors } from "./merge-plan.ts";
import { parseStrategies } from "./strategy.ts";

const WIDTHS: Partial<Record<Dtype, number>> = { f64: 8, f32: 4, f16: 2, bf16: 2, u8: 1, i64: 8, q4_0: 1 };

/** Tensors one after the other: "name dtype size". */
function table(...texts: string[]): TensorTable {
  let offset = 100;
  const tensors = texts.map((text): TensorSpan => {
    const [name = "", dtype = "f32", size = "2"] = text.split(" ");
    const length = Number(size) * (WIDTHS[dtype as Dtype] ?? 1);
    offset += length;
    return { name, dtype: dtype as Dtype, shape: [Number(size)], offset: offset - length, length };
  });
  return { format: "test", tensors, external: [], scattered: [] };
}

/** "kind name" of every action, and what happens otherwise. */
function plan(ours: TensorTable, theirs: TensorTable, ...strategies: string[]): string[] {
  const { actions, oursCount } = planTensors("m.bin", { ours, theirs }, parseStrategies(strategies));
  const told = actions.map((action) =>
    action.kind === "compare"
      ? `${action.name} equal or ${action.otherwise}`
      : `${action.name} ${action.kind}`,
  );
  return oursCount === 0 ? told : [...told, `${oursCount} ours`];
}

const mixed = table("w f32", "h bf16", "ids i64", "q q4_0 18");

test("planTensors() mixes floats; what is no float is equal or ours", () => {
  expect(plan(mixed, mixed, "average")).toEqual(["w mix", "h mix", "ids equal or ours", "q equal or ours"]);
  expect(plan(mixed, mixed, "weighted:0.3", "theirs")).toContain("ids equal or theirs");
});

test("planTensors() needs no arithmetic for a share of nothing or all", () => {
  expect(plan(table("w f32"), table("w f32"), "weighted:0")).toEqual(["1 ours"]);
  expect(plan(table("w f32"), table("w f32"), "weighted:1")).toEqual(["w take"]);
});

test("planTensors() takes what a pattern names, and then mixes the rest", () => {
  expect(plan(mixed, mixed, "take=h*:theirs", "take=i*:ours", "average")).toEqual([
    "w mix",
    "h take",
    "q equal or ours",
    "1 ours",
  ]);
});

test("planTensors() without a mixture leaves the rest to be equal, or to the side that is preferred", () => {
  const sides = [table("w f32", "h f32"), table("w f32", "h f32")] as const;
  expect(plan(...sides, "take=h:theirs")).toEqual(["w equal or nobody", "h take"]);
  expect(plan(...sides, "take=h:theirs", "ours")).toEqual(["w equal or ours", "h take"]);
});

test("planTensors() keeps each side's own places", () => {
  const { actions } = planTensors(
    "m.bin",
    { ours: table("a f32 4", "w f16 2"), theirs: table("w f16 2", "a f32 4") },
    parseStrategies(["average"]),
  );
  expect(actions).toMatchObject([
    { name: "a", ours: { offset: 100, length: 16 }, theirs: { offset: 104, length: 16 } },
    { name: "w", ours: { offset: 116, length: 4 }, theirs: { offset: 100, length: 4 } },
  ]);
});

test.for([
  [
    "another type",
    table("w f32", "h f16"),
    table("w f32", "h bf16"),
    "'h' is f16 [2] in ours and bf16 [2] in theirs",
  ],
  ["another shape", table("w f32 3"), table("w f32 4"), "'w' is f32 [3] in ours and f32 [4] in theirs"],
  ["a tensor of ours alone", table("w f32", "new f32"), table("w f32"), "'new' is only in ours"],
  ["a tensor of theirs alone", table("w f32"), table("w f32", "new f32"), "'new' is only in theirs"],
] as const)("planTensors() names the first tensor with %s", ([, ours, theirs, message]) => {
  for (const strategy of ["average", "take=w:theirs", "take=*:theirs"]) {
    if (strategy === "take=w:theirs" && message.startsWith("'w'")) continue;
    expect(() => plan(ours, theirs, strategy)).toThrow(
      expect.objectContaining({ code: "MERGE_CONFLICT", message: expect.stringContaining(message) }),
    );
  }
  expect(plan(ours, theirs, "take=new:ours", "take=h:ours", "take=w:ours", "average")).not.toContain("mix");
});

test("planTensors() leaves what lies in another file, and refuses what is in pieces", () => {
  const external = [{ ...table("far f32").tensors[0], file: "m.data" }] as TensorTable["external"];
  const beside = { ...table("w f32"), external };
  expect(plan(beside, beside, "average")).toEqual(["w mix"]);
  const moved = { ...beside, external: external.map((span) => ({ ...span, offset: 0 })) };
  expect(() => plan(beside, moved, "average")).toThrow(expect.objectContaining({ code: "MERGE_CONFLICT" }));
  const scattered = { ...table("w f32"), scattered: [{ name: "packed", dtype: "f32", shape: [2] }] as const };
  expect(() => plan(scattered, scattered, "average")).toThrow(
    expect.objectContaining({ message: expect.stringContaining("'packed' is compressed") }),
  );
  expect(plan(scattered, scattered, "average", "take=packed:ours")).toEqual(["w mix", "1 ours"]);
});
