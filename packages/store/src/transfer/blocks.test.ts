import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { inBlocks } from "./blocks.ts";

const MIB = 1024 * 1024;

async function* piecesOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  // Used again for each piece, as a reader of files does.
  const memory = Buffer.alloc(Math.max(0, ...sizes));
  let at = 0;
  for (const size of sizes) {
    bytes.copy(memory, 0, at, at + size);
    at += size;
    yield memory.subarray(0, size);
  }
}

test.each([
  ["nothing", []],
  ["an empty piece", [0]],
  ["small pieces", Array.from({ length: 100 }, () => 65_536)],
  ["exactly a block", [MIB]],
  ["a block and a byte", [MIB, 1]],
  ["a piece of several blocks", [1, 3 * MIB + 7, 0, 5]],
])("%s: the same bytes, in blocks that are full but for the last", async (_, sizes) => {
  const bytes = randomBytes(sizes.reduce((sum, size) => sum + size, 0));
  const blocks: Buffer[] = [];
  for await (const block of inBlocks(piecesOf(bytes, sizes))) blocks.push(Buffer.from(block));
  expect(Buffer.concat(blocks).equals(bytes)).toBe(true);
  expect(blocks.slice(0, -1).every(({ length }) => length === MIB)).toBe(true);
  expect(blocks).toHaveLength(Math.ceil(bytes.length / MIB));
});

test("a source that fails, and a reader that stops, end both sides", async () => {
  let isClosed = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield randomBytes(2 * MIB);
      throw new Error("the line is cut");
    } finally {
      isClosed = true;
    }
  }
  await expect(async () => {
    for await (const _ of inBlocks(source()));
  }).rejects.toThrow("the line is cut");
  isClosed = false;
  for await (const _ of inBlocks(source())) break;
  expect(isClosed).toBe(true);
});
