import { expect, test } from "vitest";
import { type Digest, hashBytes } from "./digest.ts";
import { DigestSet } from "./digest-set.ts";

const COUNT = 50_000;

test("a set of digests holds what was added, once, and nothing else", () => {
  const set = new DigestSet();
  const digests = Array.from({ length: COUNT }, (_, number) => hashBytes(Buffer.from(`in ${number}`)));
  for (const digest of digests) expect(set.add(digest)).toBe(true);
  for (const digest of digests) expect(set.add(digest)).toBe(false);
  expect(set.size).toBe(COUNT);
  expect(digests.every((digest) => set.has(digest))).toBe(true);
  const others = Array.from({ length: COUNT }, (_, number) => hashBytes(Buffer.from(`out ${number}`)));
  expect(others.some((digest) => set.has(digest))).toBe(false);
});

test("digests that differ only at their end, and one of zeros, are told apart", () => {
  const set = new DigestSet();
  const digests = Array.from({ length: 100 }, (_, number) => String(number).padStart(64, "0") as Digest);
  for (const digest of digests) expect(set.add(digest)).toBe(true);
  expect(set.size).toBe(100);
  expect(set.has("f".padStart(64, "0") as Digest)).toBe(false);
});
