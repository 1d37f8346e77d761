import { encode } from "@ipld/dag-cbor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Digest, digestToBytes, hashBytes } from "./digest.ts";
import {
  type Commit,
  decodeChunklist,
  decodeCommit,
  decodeTag,
  decodeTree,
  encodeChunklist,
  encodeCommit,
  encodeTag,
  encodeTree,
  type TreeEntry,
} from "./objects.ts";

const A = hashBytes(Buffer.from("a"));
const B = hashBytes(Buffer.from("b"));
const ADA = { name: "Ada", email: "ada@example.org" };
const NOON = { ms: 1_768_471_200_000, offsetMinutes: 420 };
const COMMIT: Commit = {
  tree: A,
  parents: [B],
  author: ADA,
  authored: NOON,
  committer: ADA,
  committed: NOON,
  message: "train convnext\n",
  meta: { metrics: { azi: 71.28 }, params: { lr: 0.001, frozen: true } },
};
const row = (
  name: unknown,
  mode: unknown = 0o100644,
  digest: unknown = digestToBytes(A),
  size: unknown = 1,
): unknown[] => [name, mode, digest, size];
const tree = (...entries: unknown[]): Uint8Array => encode({ type: "tree", entries });
const raw = (change: object): Uint8Array =>
  encode({
    type: "commit",
    tree: digestToBytes(A),
    parents: [digestToBytes(B)],
    author: ADA,
    authored: [0, 0],
    committer: ADA,
    committed: [0, 0],
    message: "m",
    meta: {},
    ...change,
  });

test("digests of objects never change", () => {
  const entries: TreeEntry[] = [
    { name: "b.bin", mode: "100644", digest: A, sizeBytes: 1 },
    { name: "a", mode: "040000", digest: B, sizeBytes: 5_000_000_000 },
    { name: "run.sh", mode: "100755", digest: B, sizeBytes: 2 },
    { name: "link", mode: "120000", digest: B, sizeBytes: 3 },
  ];
  const tag = {
    target: A,
    targetKind: "commit",
    name: "v1.0.0",
    tagger: ADA,
    tagged: NOON,
    message: "first",
  } as const;
  const list = {
    blob: A,
    sizeBytes: 3,
    plan: 1,
    chunks: [
      { digest: A, sizeBytes: 1 },
      { digest: B, sizeBytes: 2 },
    ],
  };
  expect({
    emptyTree: hashBytes(encodeTree([])),
    tree: hashBytes(encodeTree(entries)),
    commit: hashBytes(encodeCommit(COMMIT)),
    tag: hashBytes(encodeTag(tag)),
    chunklist: hashBytes(encodeChunklist(list)),
  }).toMatchInlineSnapshot(`
    {
      "chunklist": "cf6daad1ddb5efb0a8eb39444e053028654c0b60522c7bb4f6741426ec44178f",
      "commit": "5e9f5314e60a985c8ba878258a2188d03657111a3f1f5fc1389d57ad4fd59dea",
      "emptyTree": "c969a20affb572c1ee631ff1a1d3d616e33df96fe295311f12a996f7f5e5a8e5",
      "tag": "cec2aa80c6194016f95e2496b7e527e73041032543f2f9629fe25875d52cbbb9",
      "tree": "32c3360a8a8feb6991baac1c76085c548522c0091c5c575b3e682b248d8af885",
    }
  `);
  expect(decodeTree(encodeTree(entries)).map(({ name }) => name)).toEqual(["a", "b.bin", "link", "run.sh"]);
  expect(decodeCommit(encodeCommit(COMMIT))).toEqual(COMMIT);
  expect(decodeTag(encodeTag(tag))).toEqual(tag);
  expect(decodeChunklist(encodeChunklist(list))).toEqual(list);
});

test.each([
  ["B1 dot dot", tree(row("..")), "entry name '..'"],
  ["B1 dot", tree(row(".")), "entry name '.'"],
  ["B1 empty", tree(row("")), "empty name"],
  ["B1 slash", tree(row("a/b")), "'/'"],
  ["B1 absolute", tree(row("/etc/passwd")), "'/'"],
  ["B1 backslash", tree(row("a\\..\\b")), "'\\'"],
  ["B2 .smc", tree(row(".smc")), "reserved name"],
  ["B2 .SMC", tree(row(".SMC")), "reserved name"],
  ["B2 stream", tree(row(".smc::$INDEX_ALLOCATION")), "reserved name"],
  ["B2 8.3", tree(row("SMC~1")), "reserved name"],
  ["B2 long s", tree(row(".\u017fmc")), "reserved name"],
  ["B3 case", tree(row("Model"), row("model")), "names collide"],
  ["B3 Kelvin", tree(row("K"), row("\u212a")), "normal form C"],
  ["B4 duplicate", tree(row("a", 0o120000), row("a", 0o040000)), "duplicate entry 'a'"],
  ["B11 setuid", tree(row("a", 0o104755)), "mode"],
  ["B11 all bits", tree(row("a", 0o100777)), "mode"],
  ["B11 type 7", tree(row("a", 0o070000)), "mode"],
  ["B12 unsorted", tree(row("b"), row("a")), "tree not sorted at entry 1"],
  ["B12 trailing bytes", Buffer.concat([tree(), Buffer.from([0])]), "not canonical"],
  ["B12 zero digest", tree(row("a", 0o100644, new Uint8Array(32))), "zero digest"],
  ["B12 short digest", tree(row("a", 0o100644, new Uint8Array(20))), "32 bytes"],
  ["B12 entry is a commit", encode({ type: "commit", entries: [] }), "the type is not 'tree'"],
  [
    "D3 unknown field",
    encode({ type: "tree", entries: [], more: 1 }),
    "the type is not 'tree' with entries alone",
  ],
  [
    "D3 long head",
    Buffer.concat([Buffer.from("\xa2dtypedtreegentries", "latin1"), Buffer.of(0x98, 0)]),
    "not canonical",
  ],
  [
    "D3 size of 2^53",
    Buffer.concat([tree(row("a")).subarray(0, -1), Buffer.from("1b0020000000000000", "hex")]),
    "not canonical",
  ],
  ["D3 cut short", tree(row("a")).subarray(0, -2), "end too early"],
  ["D3 name is bytes", tree(row(new Uint8Array(2))), "not text"],
  ["D3 negative size", tree(row("a", 0o100644, digestToBytes(A), -1)), "bad size"],
])("decodeTree() refuses %s", (_, bytes, message) => {
  expect(() => decodeTree(bytes)).toThrow(
    expect.objectContaining({ code: "OBJECT_INVALID", message: expect.stringContaining(message) }),
  );
});

test.each([
  ["B13 too many parents", raw({ parents: Array(100_000).fill(digestToBytes(B)) }), "more than 64"],
  ["B13 time of the future", raw({ authored: [2 ** 53, 0] }), "year 10000"],
  ["B13 no tree", encode({ type: "commit" }), "no field"],
  ["B13 tree is text", raw({ tree: "x" }), "not a digest"],
  ["B13 one parent twice", raw({ parents: [digestToBytes(B), digestToBytes(B)] }), "twice"],
  ["A10 offset", raw({ authored: [0, 9999] }), "offset"],
  ["A10 person", raw({ author: { name: "A\nparent x", email: "a@b" } }), "control"],
  ["A9 NUL", raw({ message: "a\0b" }), "NUL"],
  ["metric is text", raw({ meta: { metrics: { a: "1" } } }), "not a number"],
  ["meta holds bytes", raw({ meta: { a: new Uint8Array(1) } }), "JSON"],
])("decodeCommit() refuses %s", (_, bytes, message) => {
  expect(() => decodeCommit(bytes)).toThrow(
    expect.objectContaining({ code: "OBJECT_INVALID", message: expect.stringContaining(message) }),
  );
});

test("meta nested too deep is refused, without overflow", () => {
  let meta: object = {};
  for (let depth = 0; depth < 100; depth++) meta = { deeper: meta };
  expect(() => decodeCommit(raw({ meta }))).toThrow(/nested deeper than 32/);
  const lists = Buffer.concat([Buffer.alloc(100_000, 0x81), Buffer.of(0x80)]);
  expect(() => decodeCommit(lists)).toThrow(expect.objectContaining({ code: "OBJECT_INVALID" }));
});

test("encodeTree() refuses what decodeTree() would", () => {
  const entry = { mode: "100644" as const, digest: A, sizeBytes: 1 };
  expect(() =>
    encodeTree([
      { ...entry, name: "a" },
      { ...entry, name: "A" },
    ]),
  ).toThrow(/names collide/);
  expect(() => encodeTree([{ ...entry, name: "con/../x" }])).toThrow(/tree: /);
});

test("decodeChunklist() refuses sizes that do not add up and chunks over 4 MiB", () => {
  const chunks = (sizeBytes: number): Uint8Array => {
    const rows = Buffer.alloc(36);
    rows.set(digestToBytes(A));
    rows.writeUInt32LE(sizeBytes, 32);
    return encode({
      type: "chunklist",
      blob: digestToBytes(A),
      size: 5,
      plan: 1,
      chunks: new Uint8Array(rows),
    });
  };
  expect(decodeChunklist(chunks(5)).chunks).toHaveLength(1);
  expect(() => decodeChunklist(chunks(4))).toThrow(/chunks of 4 bytes for a blob of 5/);
  expect(() => decodeChunklist(chunks(0))).toThrow(/a chunk of 0 bytes/);
  expect(() => decodeChunklist(chunks(4 * 1024 * 1024 + 1))).toThrow(/a chunk of 4194305 bytes/);
});

test("any bytes give an object or OBJECT_INVALID, and what decodes encodes to the same bytes", () => {
  const digest = (byte: number): Digest => hashBytes(Uint8Array.of(byte));
  const entries = fc.uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[a-z0-9_.]{1,12}$/).map((name) => `n${name}`.replace(/\.+$/, "")),
      digest: fc.nat(255).map(digest),
      sizeBytes: fc.oneof(fc.nat(300), fc.maxSafeNat()),
      mode: fc.constantFrom("100644" as const, "100755" as const, "120000" as const, "040000" as const),
    }),
    { selector: ({ name }) => name },
  );
  fc.assert(
    fc.property(entries, (list) => {
      const bytes = encodeTree(list);
      expect(Buffer.compare(encodeTree(decodeTree(bytes)), bytes)).toBe(0);
      const byLibrary = decodeTree(bytes).map(({ name, mode, digest, sizeBytes }) =>
        row(name, Number.parseInt(mode, 8), digestToBytes(digest), sizeBytes),
      );
      expect(Buffer.compare(tree(...byLibrary), bytes)).toBe(0);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      for (const decode of [decodeTree, decodeCommit, decodeTag, decodeChunklist]) {
        expect(() => decode(bytes)).toThrow(expect.objectContaining({ code: "OBJECT_INVALID" }));
      }
    }),
  );
});
