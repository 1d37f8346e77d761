import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { decodeDeltaPrefix, encodeDeltaPrefix, isDeltaCodec } from "./delta.ts";

const PARENTS = [hashBytes(Buffer.from("a")), hashBytes(Buffer.from("b"))];
const PREFIX = { depth: 2, parents: PARENTS, offset: 1024, length: 4096 };

test("the list of parents is read back, and the payload starts after it", () => {
  const stored = Buffer.concat([encodeDeltaPrefix(PREFIX), Buffer.from("payload")]);
  const { prefix, sizeBytes } = decodeDeltaPrefix(stored);
  expect(prefix).toEqual(PREFIX);
  expect(stored.subarray(sizeBytes).toString()).toBe("payload");
});

test("the bytes are frozen", () => {
  expect(encodeDeltaPrefix(PREFIX).subarray(0, 16).toString("hex")).toBe("020200000004000000100000ca978112");
});

test.each<[string, (bytes: Buffer) => Buffer]>([
  ["nothing", (bytes) => bytes.subarray(0, 0)],
  ["half a list", (bytes) => bytes.subarray(0, 50)],
  ["no parents", (bytes) => Buffer.concat([bytes.subarray(0, 1), Buffer.of(0), bytes.subarray(2)])],
  [
    "too many parents",
    (bytes) => Buffer.concat([bytes.subarray(0, 1), Buffer.of(6), bytes.subarray(2), bytes, bytes]),
  ],
  ["depth 0", (bytes) => Buffer.concat([Buffer.of(0), bytes.subarray(1)])],
  ["depth 5", (bytes) => Buffer.concat([Buffer.of(5), bytes.subarray(1)])],
  ["a reserved byte", (bytes) => Buffer.concat([bytes.subarray(0, 2), Buffer.of(1), bytes.subarray(3)])],
  [
    "a huge length",
    (bytes) => Buffer.concat([bytes.subarray(0, 8), Buffer.alloc(4, 0xff), bytes.subarray(12)]),
  ],
])("%s is PACK_CORRUPT", (_, damage) => {
  expect(() => decodeDeltaPrefix(damage(encodeDeltaPrefix(PREFIX)))).toThrow(
    expect.objectContaining({ code: "PACK_CORRUPT" }),
  );
});

test("codecs 32 to 63 are differences", () => {
  expect([0, 16, 31, 32, 63, 64].map(isDeltaCodec)).toEqual([false, false, false, true, true, false]);
});
