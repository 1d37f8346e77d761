import { expect, test } from "vitest";
import { parseTensors } from "./formats.ts";
import { assertSound, lines, MemorySource } from "./testing/memory-source.ts";
import { call, dict, FALSE, global, list, tensor, text, torchFile } from "./testing/pickle-writer.ts";
import { TORCH } from "./testing/real-files.ts";
import { zip } from "./testing/zip-writer.ts";
import type { TensorTable } from "./table.ts";

function parse(bytes: Buffer): TensorTable {
  const table = parseTensors(new MemorySource(bytes), "model.bin");
  if (table === undefined) throw new Error("no format");
  assertSound(table, bytes.length);
  return table;
}
const malformed = (problem: string) =>
  expect.objectContaining({
    code: "FILE_MALFORMED",
    message: expect.stringMatching(`^not valid PyTorch: ${problem}`),
    details: expect.objectContaining({ risk: "executable" }),
  });
const names = (bytes: Buffer): string[] => parse(bytes).tensors.map(({ name }) => name);
const loose = (bytes: Buffer): string[] =>
  parse(bytes).scattered.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join()}]`);

test("a file of torch has its tensors where they are", () => {
  const table = parse(TORCH);
  expect(table).toMatchObject({ format: "PyTorch", risk: "data-only", external: [] });
  expect(lines(table)).toMatchInlineSnapshot(`
    [
      "model.w f32 [3,4] 1600+48",
      "model.b bf16 [3] 1728+6",
      "model.p f16 [2] 1856+4",
      "f8 f8e4m3 [3] 1984+3",
      "u16 u16 [3] 2112+6",
      "ids.0 i64 [2] 2240+16",
      "ids.1 bool [] 2368+1",
      "t#storage f32 [6] 2432+24",
      "head f32 [3] 2560+12",
      "tail f32 [5] 2580+20",
      "none f32 [0,4] 2688+0",
    ]
  `);
  expect(table.scattered).toEqual([
    { name: "t", dtype: "f32", shape: [3, 2] },
    { name: "over", dtype: "f32", shape: [4] },
  ]);
  const at = (name: string): Buffer => {
    const { offset = 0, length = 0 } = table.tensors.find((span) => span.name === name) ?? {};
    return TORCH.subarray(offset, offset + length);
  };
  expect([...new Float32Array(Uint8Array.from(at("model.w")).buffer)]).toEqual([...Array(12).keys()]);
  expect([...new Float32Array(Uint8Array.from(at("tail")).buffer)]).toEqual([5, 6, 7, 8, 9]);
  expect(at("ids.0").readBigInt64LE(8)).toBe(2n ** 40n);
});

test("names come from keys of dicts, numbers of lists and attributes of modules", () => {
  const state = dict({ _parameters: dict({ w: tensor({}) }), training: FALSE });
  const module = Buffer.concat([
    global("my", "Net"),
    Buffer.from(")\u0081", "latin1"),
    state,
    Buffer.from("b"),
  ]);
  const pair = list(list(list(text("k"), tensor({ storage: "3" }))));
  const value = dict({
    "a.b": tensor({ storage: "1" }),
    a: dict({ b: tensor({ storage: "2" }) }),
    net: module,
    pairs: Buffer.concat([
      global("collections", "OrderedDict"),
      Buffer.from("("),
      pair.subarray(2, -1),
      Buffer.from("tR"),
    ]),
  });
  const storages = Object.fromEntries(["0", "1", "2", "3"].map((key) => [key, Buffer.alloc(8)]));
  const table = parse(torchFile(value, storages));
  expect(table.tensors.map(({ name }) => name)).toEqual(["net.w", "a.b", "a.b#2", "pairs.k"]);
  expect(table.risk).toBe("executable");
  expect(names(torchFile(tensor({})))).toEqual(["tensor"]);
});

test("a parameter and a subclass are tensors", () => {
  const parameter = call(global("torch._utils", "_rebuild_parameter"), tensor({}), FALSE);
  const args = tensor({ storage: "1" });
  const plain = args.subarray(args.indexOf("("), -1);
  const subclass = call(
    global("torch._tensor", "_rebuild_from_type_v2"),
    global("torch._utils", "_rebuild_tensor_v2"),
    global("my", "Tensor"),
    plain,
    dict({}),
  );
  const bytes = torchFile(dict({ p: parameter, s: subclass }), {
    "0": Buffer.alloc(8),
    "1": Buffer.alloc(8),
  });
  expect(names(bytes)).toEqual(["p", "s"]);
});

test("spans of tensors in one storage never overlap", () => {
  const at = (offset: number, shape: number[], strides?: number[]): Buffer =>
    tensor({ offset, shape, ...(strides === undefined ? {} : { strides }) });
  const storage = { "0": Buffer.alloc(40) };
  const bytes = torchFile(
    dict({
      tied: at(4, [6]),
      base: at(4, [6]),
      inner: at(5, [2]),
      first: at(0, [4]),
      half: at(9, [1]),
      column: at(0, [2], [4]),
      none: at(7, [0, 3]),
    }),
    storage,
  );
  const start = parse(bytes).tensors[0]?.offset ?? 0;
  expect(lines(parse(bytes))).toEqual([
    `none f32 [0,3] ${start}+0`,
    `first f32 [4] ${start}+16`,
    `tied f32 [6] ${start + 16}+24`,
  ]);
  expect(loose(bytes)).toEqual(["base f32 [6]", "inner f32 [2]", "half f32 [1]", "column f32 [2]"]);
});

test("a storage of which no tensor lies in one piece is one span", () => {
  const bytes = torchFile(dict({ t: tensor({ shape: [2, 3], strides: [1, 2] }) }), { "0": Buffer.alloc(27) });
  expect(parse(bytes).tensors).toMatchObject([{ name: "t#storage", dtype: "f32", shape: [6], length: 24 }]);
  expect(loose(bytes)).toEqual(["t f32 [2,3]"]);
});

test("elements of other machines and types without a name are opaque", () => {
  const big = torchFile(dict({ w: tensor({}) }), undefined, { byteorder: Buffer.from("big") });
  expect(parse(big).tensors).toMatchObject([{ dtype: "opaque", length: 8 }]);
  const odd = torchFile(dict({ w: tensor({ type: "QUInt4x2Storage" }) }));
  expect(loose(odd)).toEqual(["w opaque [2]"]);
});

test("deflated storages have no spans, and storages that are elsewhere no tensors", () => {
  const whole = torchFile(dict({ w: tensor({}) }));
  const pickled = whole.subarray(whole.indexOf("\u0080\u0002", 0, "latin1"), whole.indexOf("PK", 10));
  const packed = zip([
    { name: "x/data.pkl", bytes: pickled, deflate: true },
    { name: "x/data/0", bytes: Buffer.alloc(8), deflate: true },
  ]);
  expect(parse(packed).tensors).toEqual([]);
  expect(loose(packed)).toEqual(["w f32 [2]"]);
});

test.for<[string, Buffer]>([
  ["a function of the system", torchFile(call(global("os", "system"), text("id")))],
  ["a function of torch that reads pickles", torchFile(call(global("torch.storage", "_load_from_bytes")))],
  ["source text", torchFile(dict({}), {}, { "code/__torch__.py": Buffer.from("def forward") })],
  ["constants", torchFile(dict({}), {}, { "constants.pkl": Buffer.alloc(0) })],
  [
    "a second pickle behind the first",
    torchFile(Buffer.concat([dict({}), Buffer.from("."), call(global("os", "system"))])),
  ],
])("a file with %s is executable", ([, bytes]) => {
  expect(parse(bytes).risk).toBe("executable");
});

const self = Buffer.concat([global("torch._utils", "_rebuild_parameter"), Buffer.from(")Rq\0h\0a")]);

test("what holds itself, and names without end, end", () => {
  expect(parse(torchFile(Buffer.from("]q\0h\0a"))).tensors).toEqual([]);
  expect(parse(torchFile(self)).tensors).toEqual([]);
  const deep = Array.from({ length: 20_000 }).reduce<Buffer>(
    (inner) => Buffer.concat([Buffer.from("]"), inner, Buffer.from("a")]),
    tensor({}),
  );
  expect(parse(torchFile(deep)).tensors).toEqual([]);
  const key = "k".repeat(4000);
  const many = Buffer.concat([
    Buffer.from("]("),
    tensor({}),
    Buffer.from("q\0"),
    Buffer.from("h\0".repeat(20_000)),
    Buffer.from("e"),
  ]);
  expect(() => parse(torchFile(dict({ [key]: many })))).toThrow(
    malformed("names of more than 67108864 characters"),
  );
});

const one = (parts: Parameters<typeof tensor>[0]): Buffer => torchFile(dict({ w: tensor(parts) }));

test.for<[string, Buffer, string]>([
  ["a storage that is not there", one({ storage: "9" }), "storage '9' is not in the file"],
  ["a tensor behind its storage", one({ offset: 1 }), "tensor 'w' ends at 12 of a storage of 8 bytes"],
  ["strides behind the storage", one({ strides: [7] }), "tensor 'w' ends at 32 of a storage of 8 bytes"],
  ["an offset of 2^62", one({ offset: 2n ** 62n }), "tensor 'w' has a size or an offset that is no whole"],
  ["an offset of 2^63", one({ offset: 2n ** 63n }), "tensor 'w' has a size or an offset that is no whole"],
  ["an offset of 2^53 - 1", one({ offset: 2 ** 53 - 1 }), "tensor 'w' ends at element 9007199254740992"],
  ["a negative offset", one({ offset: -1 }), "tensor 'w' has a size or an offset that is no whole number"],
  [
    "a negative size",
    one({ shape: [-2], strides: [1] }),
    "tensor 'w' has a size or an offset that is no whole",
  ],
  ["a negative stride", one({ strides: [-1] }), "tensor 'w' has a size or an offset that is no whole"],
  [
    "a product that overflows",
    one({ shape: [2 ** 32, 2 ** 32], strides: [1, 1] }),
    "tensor 'w' has a shape that cannot be",
  ],
  [
    "100 dimensions",
    one({ shape: Array.from({ length: 100 }, () => 1) }),
    "tensor 'w' has a shape that cannot be",
  ],
  [
    "more strides than dimensions",
    one({ shape: [2], strides: [1, 1] }),
    "tensor 'w' has a shape that cannot be",
  ],
  ["a pickle that cannot be read", torchFile(Buffer.from([0xff])), "unknown opcode 0xff at 2"],
])("a file with %s is refused", ([, bytes, problem]) => {
  expect(() => parse(bytes)).toThrow(malformed(problem));
});

test("a pickle of more than 32 MiB is not read", () => {
  const bomb = zip([{ name: "x/data.pkl", bytes: Buffer.alloc(33 * 1024 * 1024), deflate: true }]);
  expect(() => parse(bomb)).toThrow(/member 'x\/data.pkl' of 34603008 bytes is larger than 33554432/);
});

test("thirty thousand tensors are found in time", { timeout: 20_000 }, () => {
  const shared = Array.from({ length: 30_000 }, () => tensor({}));
  const table = parse(torchFile(list(...shared)));
  expect(table.tensors.length + table.scattered.length).toBe(30_000);
});
