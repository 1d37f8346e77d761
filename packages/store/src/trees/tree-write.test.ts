import fc from "fast-check";
import { expect, test } from "vitest";
import type { Call } from "../call.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { foldName } from "../objects/names.ts";
import { decodeTree } from "../objects/objects.ts";
import { type FlatEntry, flattenTree } from "./tree-read.ts";
import { writeTree } from "./tree-write.ts";

const CALL: Call = { signal: new AbortController().signal, onProgress: () => undefined };

function memory() {
  const known = new Map<Digest, Uint8Array>();
  return {
    known,
    async putObject(_kind: string, bytes: Uint8Array): Promise<Digest> {
      const digest = hashBytes(bytes);
      known.set(digest, bytes);
      return digest;
    },
    async read(digest: Digest): Promise<Uint8Array> {
      return known.get(digest) ?? new Uint8Array(0);
    },
  };
}

function entry(text: string): FlatEntry {
  return { mode: "100644", digest: hashBytes(Buffer.from(text)), sizeBytes: text.length };
}

function filesOf(...paths: string[]): Map<string, FlatEntry> {
  return new Map(paths.map((path) => [path, entry(path)]));
}

test("writeTree() makes the tree that flattenTree() takes apart", async () => {
  const trees = memory();
  const files = filesOf("z", "a/b/c", "a/b/d", "a-b", "a.b/c", "a/x", "a0", "ü/ö");
  const flat = await flattenTree(trees, await writeTree(trees, files, CALL), CALL);
  expect(new Map([...flat].map(([path, { digest }]) => [path, digest]))).toEqual(
    new Map([...files].map(([path, { digest }]) => [path, digest])),
  );
});

test("writeTree() sums the sizes of what is below a folder", async () => {
  const trees = memory();
  const root = decodeTree(await trees.read(await writeTree(trees, filesOf("a/b/cc", "a/d", "e"), CALL)));
  expect(root.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
    ["a", 9],
    ["e", 1],
  ]);
});

test("writeTree() gives the empty tree for no files", async () => {
  const trees = memory();
  expect(decodeTree(await trees.read(await writeTree(trees, new Map(), CALL)))).toEqual([]);
});

test("writeTree() and flattenTree() agree on any set of paths", async () => {
  const name = fc.string({ unit: fc.constantFrom("a", "b", "-", ".", "0", "_"), minLength: 1, maxLength: 3 });
  const usable = name.filter((text) => !/^\.+$/.test(text));
  const path = fc.array(usable, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(path, { maxLength: 30 }), async (paths) => {
      const kept = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)));
      const trees = memory();
      const flat = await flattenTree(trees, await writeTree(trees, filesOf(...kept), CALL), CALL);
      expect([...flat.keys()].sort()).toEqual([...kept].sort());
    }),
  );
});

test.each([
  ["Model", "model"],
  ["dir/A/x", "dir/a/y"],
  ["ﬁ", "fi"],
])("writeTree() refuses %s beside %s", async (a, b) => {
  const failed = writeTree(memory(), filesOf(a, b), CALL);
  await expect(failed).rejects.toMatchObject({ code: "NAME_COLLISION" });
});

test("writeTree() refuses a file that is also a folder", async () => {
  await expect(writeTree(memory(), filesOf("a", "a/b"), CALL)).rejects.toMatchObject({
    code: "NAME_COLLISION",
  });
});

test("lowering the case folds every plain name", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme-ascii" }), (text) => {
      expect(text.toLowerCase()).toBe(foldName(text));
    }),
  );
});

test("writeTree() of 10,000 files in 100 folders and in one", async () => {
  for (const spread of [100, 1]) {
    const files = filesOf(
      ...Array.from({ length: 10_000 }, (_, index) => `d${index % spread}/file-${index}.bin`),
    );
    const trees = memory();
    await writeTree(trees, files, CALL);
    expect(trees.known.size).toBe(spread + 1);
  }
});
