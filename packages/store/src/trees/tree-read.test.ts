import { expect, test } from "vitest";
import type { Call } from "../call.ts";
import { encodeCanonical } from "../objects/cbor.ts";
import { type Digest, digestToBytes, hashBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { encodeTree, type TreeEntry } from "../objects/objects.ts";
import { flattenTree, measureTree, type TreeSource } from "./tree-read.ts";

const BLOB = hashBytes(Buffer.from("blob"));
const CALL: Call = { signal: new AbortController().signal, onProgress: () => undefined };

class Trees implements TreeSource {
  readonly known = new Map<Digest, Uint8Array>();
  reads = 0;

  put(entries: readonly TreeEntry[]): Digest {
    return this.putRaw(encodeTree(entries));
  }

  putRaw(bytes: Uint8Array): Digest {
    const digest = hashBytes(bytes);
    this.known.set(digest, bytes);
    return digest;
  }

  async read(digest: Digest): Promise<Uint8Array> {
    this.reads += 1;
    const bytes = this.known.get(digest);
    if (bytes === undefined) throw new SmcError("OBJECT_NOT_FOUND", `no object ${digest}`);
    return bytes;
  }
}

function file(name: string, digest: Digest = BLOB): TreeEntry {
  return { name, mode: "100644", digest, sizeBytes: 4 };
}

function folder(name: string, digest: Digest): TreeEntry {
  return { name, mode: "040000", digest, sizeBytes: 4 };
}

test("flattenTree() lists files with their paths and leaves folders out", async () => {
  const trees = new Trees();
  const inner = trees.put([file("x"), { ...file("run"), mode: "100755" }]);
  const root = trees.put([folder("a", inner), file("a-b"), { ...file("link"), mode: "120000" }]);
  const flat = await flattenTree(trees, root, CALL);
  expect([...flat].map(([path, entry]) => `${entry.mode} ${path}`)).toEqual([
    "100755 a/run",
    "100644 a/x",
    "100644 a-b",
    "120000 link",
  ]);
});

test("flattenTree() gives nothing for the empty tree", async () => {
  const trees = new Trees();
  expect((await flattenTree(trees, trees.put([]), CALL)).size).toBe(0);
});

test("flattenTree() refuses a bomb of shared subtrees before it makes a path", async () => {
  const trees = new Trees();
  let digest = trees.put([file("f")]);
  for (let level = 0; level < 10; level += 1) {
    const below = digest;
    digest = trees.put(Array.from({ length: 10 }, (_, index) => folder(`d${index}`, below)));
  }
  await expect(flattenTree(trees, digest, CALL)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(trees.reads).toBeLessThanOrEqual(11);
});

test("flattenTree() refuses a bomb of empty trees", async () => {
  const trees = new Trees();
  let digest = trees.put([]);
  for (let level = 0; level < 30; level += 1) {
    const below = digest;
    digest = trees.put([folder("a", below), folder("b", below)]);
  }
  await expect(flattenTree(trees, digest, CALL)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
});

test("measureTree() counts shared subtrees as often as they occur and reads them once", async () => {
  const trees = new Trees();
  const leaf = trees.put([file("f"), file("g")]);
  const middle = trees.put([folder("a", leaf), folder("b", leaf)]);
  const root = trees.put([folder("c", middle), folder("d", middle)]);
  expect(await measureTree(trees, root, CALL)).toMatchObject({ pathCount: 14, depth: 3, longestBytes: 5 });
  expect(trees.reads).toBe(3);
});

async function nested(trees: Trees, depth: number): Promise<Digest> {
  let digest = trees.put([file("f")]);
  for (let level = 1; level < depth; level += 1) digest = trees.put([folder("d", digest)]);
  return digest;
}

test("flattenTree() takes 512 folders of depth and refuses 513 and 100,000", async () => {
  const trees = new Trees();
  expect((await flattenTree(trees, await nested(trees, 512), CALL)).size).toBe(1);
  for (const depth of [513, 100_000]) {
    const deep = await nested(trees, depth);
    await expect(flattenTree(trees, deep, CALL)).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: expect.stringContaining("512"),
    });
  }
});

test("flattenTree() refuses depth that only shared subtrees add up to", async () => {
  const trees = new Trees();
  const deep = await nested(trees, 400);
  let digest = deep;
  for (let level = 0; level < 200; level += 1) digest = trees.put([folder("a", deep), folder("b", digest)]);
  await expect(flattenTree(trees, digest, CALL)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
});

test("flattenTree() refuses a path of more than 4096 bytes", async () => {
  const trees = new Trees();
  const name = "n".repeat(255);
  let digest = trees.put([file("f")]);
  for (let level = 0; level < 16; level += 1) digest = trees.put([folder(name, digest)]);
  await expect(flattenTree(trees, digest, CALL)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
});

test("flattenTree() stops when the call is canceled", async () => {
  const trees = new Trees();
  const stopped = { ...CALL, signal: AbortSignal.abort() };
  await expect(flattenTree(trees, trees.put([file("f")]), stopped)).rejects.toMatchObject({
    code: "CANCELED",
  });
});

function rawTree(rows: readonly (readonly [string, number, Digest, number])[]): Uint8Array {
  const entries = rows.map(([name, mode, digest, size]) => [name, mode, digestToBytes(digest), size]);
  return encodeCanonical({ type: "tree", entries });
}

const BAD_NAMES = [
  "..",
  ".",
  "",
  "a/b",
  "/etc/passwd",
  "a\\..\\b",
  ".smc",
  ".SMC",
  ".smc ",
  ".smc.",
  "SMC~1",
];
BAD_NAMES.push(".smc::$INDEX_ALLOCATION", ".s\u200cmc", ".\u017fmc", "e\u0301", "a\u0000b", "a\nb");

test.each(BAD_NAMES)("flattenTree() refuses a tree with the entry %j", async (name) => {
  const trees = new Trees();
  const inner = trees.putRaw(rawTree([[name, 0o100644, BLOB, 4]]));
  const root = trees.put([folder("sub", inner)]);
  await expect(flattenTree(trees, root, CALL)).rejects.toMatchObject({ code: "OBJECT_INVALID" });
});

const BAD_TREES: readonly (readonly [string, Uint8Array])[] = [
  [
    "names that differ by case",
    rawTree([
      ["Model", 0o100644, BLOB, 4],
      ["model", 0o100644, BLOB, 4],
    ]),
  ],
  [
    "the Kelvin sign beside K",
    rawTree([
      ["K", 0o100644, BLOB, 4],
      ["\u212a", 0o100644, BLOB, 4],
    ]),
  ],
  [
    "a doubled name",
    rawTree([
      ["a", 0o120000, BLOB, 4],
      ["a", 0o040000, BLOB, 4],
    ]),
  ],
  [
    "an order that is not canonical",
    rawTree([
      ["b", 0o100644, BLOB, 4],
      ["a", 0o100644, BLOB, 4],
    ]),
  ],
  ["setuid", rawTree([["a", 0o104755, BLOB, 4]])],
  ["mode 0777", rawTree([["a", 0o100777, BLOB, 4]])],
  ["a submodule", rawTree([["a", 0o160000, BLOB, 4]])],
  ["a zero digest", rawTree([["a", 0o100644, "0".repeat(64) as Digest, 4]])],
  ["trailing bytes", Buffer.concat([rawTree([["a", 0o100644, BLOB, 4]]), Buffer.from([0])])],
];

test.each(BAD_TREES)("flattenTree() refuses a tree with %s", async (_, bytes) => {
  const trees = new Trees();
  await expect(flattenTree(trees, trees.putRaw(bytes), CALL)).rejects.toMatchObject({
    code: "OBJECT_INVALID",
  });
});
