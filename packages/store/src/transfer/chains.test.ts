import { expect, test } from "vitest";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { CHAIN_MAX } from "../pack/delta.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import { linkPlaces, type Located, READS_MAX, readsOf } from "./chains.ts";

const digestOf = (name: string): Digest => hashBytes(Buffer.from(name));

function row(name: string, parents: readonly string[] = []): Located {
  const sizes = { offset: 64, storedBytes: 1, rawBytes: 1, codec: 0, flags: 0, headerCrc: 0 };
  const needs = parents.length === 0 ? {} : { parents: parents.map(digestOf), depth: 1 };
  return { pack: "p", span: { digest: digestOf(name), kind: "chunk", ...sizes, ...needs } };
}

const NONE: ReadonlyMap<Digest, ChunkPlace> = new Map();
const names = (places: ReadonlyMap<Digest, ChunkPlace>, all: readonly string[]): string[] =>
  all.filter((name) => places.has(digestOf(name)));

test("linkPlaces() finds parents among the records, in any order, and in what is known", () => {
  const known = linkPlaces([row("far")], NONE);
  const places = linkPlaces(
    [row("c", ["b", "far"]), row("b", ["a"]), row("a"), row("lost", ["nowhere"])],
    known,
  );
  expect(names(places, ["a", "b", "c", "lost"])).toEqual(["a", "b", "c"]);
  expect(places.get(digestOf("c"))?.parents).toEqual([places.get(digestOf("b")), known.get(digestOf("far"))]);
});

test("linkPlaces() leaves out circles and chains that are too long", () => {
  const circle = [row("x", ["y"]), row("y", ["x"]), row("self", ["self"])];
  expect(linkPlaces(circle, NONE).size).toBe(0);
  const long = Array.from({ length: 20_000 }, (_, index) =>
    row(`${index}`, index === 0 ? [] : [`${index - 1}`]),
  );
  expect(linkPlaces(long.reverse(), NONE).size).toBe(CHAIN_MAX + 1);
});

test("linkPlaces() refuses what would take millions of reads", () => {
  const five = (step: number): string[] => Array.from({ length: 5 }, (_, index) => `${step}-${index}`);
  const rows = Array.from({ length: CHAIN_MAX + 1 }, (_, step) =>
    five(step).map((name) => row(name, step === 0 ? [] : five(step - 1))),
  ).flat();
  const places = linkPlaces(rows, NONE);
  const memo = new Map<ChunkPlace, number>();
  const most = Math.max(...[...places.values()].map((place) => readsOf(place, memo)));
  expect(most).toBe(781);
  expect(most).toBeLessThanOrEqual(READS_MAX);
  expect(places.size).toBe(25);
});
