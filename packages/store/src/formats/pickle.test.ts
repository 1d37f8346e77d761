import { expect, test } from "vitest";
import { BoundedReader } from "./bounded-reader.ts";
import { parseTensors } from "./formats.ts";
import { pickleFile } from "./pickle-file.ts";
import { type Pickle, readPickle } from "./pickle.ts";
import { MemorySource } from "./testing/memory-source.ts";
import { call, dict, global, int, list, pickle, text, tuple } from "./testing/pickle-writer.ts";
import { TORCH_LEGACY } from "./testing/real-files.ts";
import { u32, u64 } from "./testing/zip-writer.ts";

const raw = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
const read = (bytes: Buffer): Pickle => readPickle(new BoundedReader(new MemorySource(bytes), "pickle"));
const malformed = (problem: string) =>
  expect.objectContaining({ code: "FILE_MALFORMED", message: expect.stringMatching(problem) });

test("readPickle() builds what protocols 0 to 5 say", () => {
  const items = (bytes: Buffer): unknown => {
    const { value } = read(bytes);
    return typeof value === "object" && value !== null && "items" in value ? value.items : value;
  };
  expect(items(raw("(lp0\nI1\naI01\naL5L\naS'x'\naVy\naNa."))).toEqual([1, 1, 5, "x", "y", null]);
  expect(items(pickle(list(int(-3), int(2 ** 40), text("ü"))))).toEqual([-3, 2 ** 40, "ü"]);
  expect(items(raw("\u0080\u0002K\u0007J\u00ff\u00ff\u00ff\u00ffM\u0001\u0002\u0087."))).toEqual([
    7, -1, 513,
  ]);
  expect(items(raw("\u0080\u0004\u0095", u64(7), "\u008c\u0001a\u0094h\0\u0086."))).toEqual(["a", "a"]);
  expect(items(raw("G", Buffer.from("3ff8000000000000", "hex"), "."))).toBe(1.5);
  expect(items(raw("(K\u0001K\u00022t."))).toEqual([1, 2, 2]);
  expect(items(raw("(K\u0001K\u00020t."))).toEqual([1]);
  expect(items(raw("K\u0005(K\u00011."))).toBe(5);
  expect(items(raw("K\u0005(0."))).toBe(5);
  expect(items(raw("K\u0005p9\n0g9\n."))).toBe(5);
  expect(items(raw("\u008b", u32(2), "\u0001\u0002."))).toBe(513);
  expect(read(raw("\u0080\u0005\u0096", u64(3), "abc\u0098."))).toMatchObject({ value: { kind: "opaque" } });
});

test("readPickle() says every name that a program would import", () => {
  const names = (bytes: Buffer): string[] => [...read(bytes).globals];
  expect(names(pickle(call(global("os", "system"), text("id"))))).toEqual(["os.system"]);
  expect(names(raw("(S'id'\nios\nsystem\n."))).toEqual(["os.system"]);
  expect(names(raw("(cos\nsystem\nS'id'\no."))).toEqual(["os.system"]);
  expect(names(raw("\u0080\u0004\u008c\u0002os\u0094\u008c\u0006system\u00940h\0h\u0001\u0093)R."))).toEqual([
    "os.system",
  ]);
  expect(names(raw("\u0080\u0004\u008c\u0008builtins\u008c\u000deval.__call__\u0093."))).toEqual([
    "builtins.eval.__call__",
  ]);
});

test.for<[string, Buffer]>([
  ["the number of an extension", raw("\u0080\u0002\u0082\u0001.")],
  ["a name that is no text", raw("\u0080\u0004K\u0001K\u0002\u0093.")],
  ["a call of what a call gave", pickle(call(call(global("collections", "OrderedDict"))))],
  ["attributes for a class", raw("ccollections\nOrderedDict\n}b.")],
])("a pickle with %s is obscure", ([, bytes]) => {
  expect(read(bytes).isObscure).toBe(true);
});

const laughs = Buffer.concat([
  raw("](K\u0001eq\0"),
  ...Array.from({ length: 60 }, (_, index) =>
    raw(
      "](",
      ...Array.from({ length: 10 }, () => Buffer.from([0x68, index])),
      "eq",
      Buffer.from([index + 1]),
    ),
  ),
  Buffer.from("."),
]);

test("readPickle() takes lists that hold themselves, and lists of lists of lists", () => {
  const self = read(raw("]q\0h\0a.")).value;
  expect(self).toMatchObject({ kind: "list", items: [self] });
  expect(read(laughs).globals.size).toBe(0);
  const deep = raw("N", Buffer.alloc(300_000, 0x85), ".");
  expect(read(deep).value).toMatchObject({ kind: "tuple" });
});

test.for<[string, Buffer, string]>([
  ["no bytes", Buffer.alloc(0), "it ends at 0"],
  ["no STOP", raw("N"), "it ends at 1"],
  ["STOP alone", raw("."), "nothing on the stack at 1"],
  ["an unknown opcode", raw("N\u00ff."), "unknown opcode 0xff at 1"],
  ["protocol 6", raw("\u0080\u0006N."), "protocol 6"],
  ["no protocol byte", raw("\u0080"), "it ends at 1"],
  ["no mark", raw("t."), "no mark at 1"],
  ["a value below the mark", raw("N(a."), "nothing on the stack at 3"],
  ["a memo that was not kept", raw("h\u0007."), "nothing is kept as number 7"],
  ["a memo number that is none", raw("Np-1\n."), "a memo number that is no number"],
  ["a number that is none", raw("Ix\n."), "a number that is none"],
  [
    "a frame of 2^64 - 1 bytes",
    raw("\u0080\u0004\u0095", u64(2n ** 64n - 1n), "N."),
    "a frame's length 1844",
  ],
  ["text of 4 GiB", raw("X", u32(0xffffffff), "N."), "lies outside of the file"],
  ["text of 2^63 bytes", raw("\u008d", u64(2n ** 63n), "N."), "a length 9223372036854775808 cannot fit"],
  ["bytes of 2^64 - 1", raw("\u008e", u64(2n ** 64n - 1n), "N."), "a length 1844"],
  ["an array of 2^63 bytes", raw("\u0096", u64(2n ** 63n), "N."), "a length 9223"],
  ["a string of -1 bytes", raw("T", u32(0xffffffff), "N."), "a length of -1"],
  ["a LONG4 of 1 GiB", raw("\u008b", u32(2 ** 30), "N."), "lies outside of the file"],
  ["a LONG4 of -1 bytes", raw("\u008b", u32(0xffffffff), "N."), "a length of -1"],
  ["a key without a value", raw("}(Nu."), "a key without a value"],
  ["arguments that are no tuple", raw("cos\nsystem\n]R."), "arguments that are no tuple"],
  ["a line without an end", raw("S", Buffer.alloc(70_000, 0x61)), "a line of more than 65536 bytes"],
  ["a million marks", Buffer.alloc(1_100_000, 0x28), "more than 1000000 marks"],
  ["a million values", Buffer.alloc(1_100_000, 0x4e), "more than 1000000 values"],
  ["a million objects", Buffer.from("]0".repeat(1_100_000)), "more than 1000000 objects"],
  ["a million kept values", raw("N", Buffer.alloc(1_100_000, 0x94)), "more than 1000000 values are kept"],
  ["too many opcodes", Buffer.from("N0".repeat(2_100_000)), "more than 4000000 opcodes"],
  [
    "too much text",
    Buffer.concat(Array.from({ length: 600 }, () => raw("X", u32(60_000), Buffer.alloc(60_000), "0"))),
    "more than 33554432 bytes of text",
  ],
])("readPickle() refuses %s", ([, bytes, problem]) => {
  expect(() => read(bytes)).toThrow(malformed(problem));
});

const file = (bytes: Buffer, name = "a.pkl") => pickleFile.parse(new MemorySource(bytes), name);

test("a pickle in a file of its own has no tensors, and says whether it is data only", () => {
  const table = parseTensors(new MemorySource(TORCH_LEGACY), "blob");
  expect(table).toEqual({ format: "pickle", tensors: [], external: [], scattered: [], risk: "data-only" });
  expect(file(pickle(dict({ a: int(1) })))).toMatchObject({ risk: "data-only" });
  expect(file(pickle(tuple(global("torch", "FloatStorage")))).risk).toBe("data-only");
  expect(file(pickle(call(global("os", "system"), text("id")))).risk).toBe("executable");
  expect(file(pickle(call(global("numpy.core.multiarray", "_reconstruct")))).risk).toBe("executable");
  expect(file(raw("\u0080\u0002\u0082\u0001.")).risk).toBe("executable");
});

test("what follows a pickle, and what a legacy file hides in its later pickles, is not taken for data", () => {
  expect(file(raw("N.", pickle(call(global("os", "system"), text("id"))))).risk).toBe("executable");
  const magic = raw("\u0080\u0002\u008a\u000a", Buffer.from("6cfc9c46f9206aa85019", "hex"), ".");
  const rest = [pickle(int(1001)), pickle(dict({})), pickle(call(global("os", "system"))), pickle(list())];
  expect(file(raw(magic, ...rest)).risk).toBe("executable");
  rest[2] = pickle(dict({}));
  expect(file(raw(magic, ...rest, Buffer.alloc(100))).risk).toBe("data-only");
});

test("a pickle that cannot be read may still run what it holds", () => {
  const bytes = raw("cos\nsystem\n(S'id'\ntR\u00ff");
  const error = expect.objectContaining({
    code: "FILE_MALFORMED",
    details: { format: "pickle", risk: "executable" },
  });
  for (const name of ["a.pt", "a.PTH", "a.ckpt", "a.joblib", "a.dill", "a.pickle"]) {
    expect(pickleFile.matches(bytes, name)).toBe(true);
    expect(() => file(bytes, name)).toThrow(error);
  }
  expect(pickleFile.matches(Buffer.from("anything"), "model.bin")).toBe(false);
  expect(pickleFile.matches(Buffer.from([0x80, 4, 0x95]), "model.bin")).toBe(true);
});

test("a legacy file is refused wherever it is cut short", () => {
  for (let length = 0; length < 250; length++)
    expect(() => file(TORCH_LEGACY.subarray(0, length), "a.pt"), `${length} bytes`).toThrow(
      malformed("pickle"),
    );
});
