import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import type { Piece } from "../pool/tasks.ts";
import { hasSameChunks, sharedBytes } from "./same-chunks.ts";

/** Pieces with these names and sizes, one after the other. */
function pieces(...chunks: readonly (readonly [string, number])[]): Piece[] {
  let at = 0;
  return chunks.map(([name, rawBytes]) => {
    const span = { digest: hashBytes(Buffer.from(name)), offset: 0, storedBytes: rawBytes, rawBytes };
    at += rawBytes;
    return { pack: "p", span, at: at - rawBytes };
  });
}

const old = pieces(["head", 100], ["a", 1000], ["b", 1000], ["c", 500]);
const changed = pieces(["longer head", 108], ["a", 1000], ["x", 1000], ["c", 500]);

test.for([
  ["a whole chunk behind another header", 100, 108, 1000, true],
  ["a part of a chunk", 300, 308, 200, true],
  ["a chunk and a part of one that differs", 100, 108, 1001, false],
  ["the last chunk", 2100, 2108, 500, true],
  ["other places in the same chunk", 300, 309, 10, false],
  ["more than there is", 2100, 2108, 501, false],
  ["nothing", 5, 7, 0, true],
] as const)("hasSameChunks() of %s", ([, from, to, length, expected]) => {
  expect(hasSameChunks({ pieces: old, offset: from }, { pieces: changed, offset: to }, length)).toBe(
    expected,
  );
});

test("sharedBytes() counts the bytes of chunks that are in both", () => {
  expect(sharedBytes(old, changed)).toBe(1500);
  expect(sharedBytes(old, pieces(["a", 1000], ["a", 1000]))).toBe(2000);
  expect(sharedBytes([], changed)).toBe(0);
});
