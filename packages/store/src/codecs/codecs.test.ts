import fc from "fast-check";
import { brotliCompressSync, constants } from "node:zlib";
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { CODECS, decodeStored, encodeBest } from "./registry.ts";

const text = Buffer.from("the same words again and again, ".repeat(5000));

test("encodeBest() takes FILL for a repeated value, BRO for text, RAW for noise", () => {
  expect(encodeBest(new Uint8Array(4096)).codec).toBe(1);
  const ones = new Uint8Array(new Float32Array(1000).fill(1).buffer);
  expect(encodeBest(ones)).toEqual({ codec: 1, stored: ones.slice(0, 4) });
  expect(encodeBest(text).codec).toBe(2);
  expect(encodeBest(randomBytes(1 << 20)).codec).toBe(0);
});

test("every codec gives back exactly what it took", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 5000 }),
    fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.nat(3000))
      .map(([unit, times]) => Buffer.alloc(times, unit)),
    fc
      .tuple(fc.nat(70_000), fc.nat(255))
      .map(([length, byte]) => Buffer.concat([text.subarray(0, length), Buffer.of(byte)])),
  );
  fc.assert(
    fc.property(piece, (raw) => {
      const { codec, stored } = encodeBest(raw);
      expect(Buffer.compare(decodeStored(codec, stored, raw.length), raw)).toBe(0);
      for (const one of CODECS) {
        const encoded = one.encode(raw, {});
        if (encoded !== undefined) expect(Buffer.compare(one.decode(encoded, raw.length), raw)).toBe(0);
      }
    }),
    { numRuns: 300 },
  );
});

test("decodeStored() refuses damaged bytes, a bomb and an unknown codec", () => {
  const codeOf = (action: () => unknown): string => {
    try {
      action();
    } catch (error) {
      return isSmcError(error) ? error.code : String(error);
    }
    return "nothing thrown";
  };
  const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
  const bomb = brotliCompressSync(Buffer.alloc(16 * 1024 * 1024), fast);
  expect(codeOf(() => decodeStored(2, bomb, 4096))).toBe("OBJECT_CORRUPT");
  expect(codeOf(() => decodeStored(2, Buffer.from("no brotli"), 10))).toBe("OBJECT_CORRUPT");
  expect(codeOf(() => decodeStored(2, brotliCompressSync(Buffer.from("short")), 10))).toBe("OBJECT_CORRUPT");
  expect(codeOf(() => decodeStored(1, Buffer.alloc(3), 12))).toBe("OBJECT_CORRUPT");
  expect(codeOf(() => decodeStored(0, Buffer.alloc(3), 12))).toBe("OBJECT_CORRUPT");
  expect(codeOf(() => decodeStored(63, Buffer.alloc(3), 12))).toBe("FORMAT_UNSUPPORTED");
});
