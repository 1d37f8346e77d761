import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonPieces, NESTING_MAX, parseJson } from "./json.ts";

const read = (text: string): unknown => parseJson(Buffer.from(text));
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

test("parseJson() reads what JSON.parse reads", () => {
  const text = '{"a":[1,-2.5e3,true,null,"x\\"y\\\\","\\u00e9"],"b":{"a":"{[:"},"":0}';
  expect(read(text)).toEqual(JSON.parse(text));
  expect(read('{"a":"b","c" : "a"}')).toEqual({ a: "b", c: "a" });
});

test.each([
  ["it is empty", ""],
  ["syntax error", "{"],
  ["syntax error", "[1,]"],
  ["syntax error", "NaN"],
  ["syntax error", "\ufeff{}"],
  ["the key '__proto__' at 1", '{"__proto__":{"admin":true}}'],
  ["the key '__proto__' at 1", '{"\\u005f_proto__":1}'],
  ["the key 'constructor' at 6", '{"a":{"constructor":{"prototype":{}}}}'],
  ["a key twice at 7", '{"a":1,"a":2}'],
  ["a key twice at 7", '{"a":1,"\\u0061":2}'],
  ["the number at 1 is too large", "[9007199254740993]"],
  ["the number at 1 is too large", "[1e400]"],
  ["half of a surrogate pair at 1", '["\\ud800"]'],
  [`more than ${NESTING_MAX} levels`, nested(NESTING_MAX + 1)],
])("parseJson() refuses: %s", (why, text) => {
  expect(() => read(text)).toThrow(why);
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
});

test("parseJson() refuses 100,000 levels without overflowing the stack", () => {
  expect(() => read(nested(100_000))).toThrow(`more than ${NESTING_MAX} levels`);
});

test("parseJson() refuses bytes that are not UTF-8", () => {
  expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow("it is not UTF-8");
});

test("parseJson() takes as many levels as the limit, and the same key in two objects", () => {
  expect(read(nested(NESTING_MAX))).toBeInstanceOf(Array);
  expect(read('[{"a":1},{"a":2}]')).toEqual([{ a: 1 }, { a: 2 }]);
});

test("jsonPieces() is JSON.stringify in pieces", () => {
  const rows = Array.from({ length: 1234 }, (_, index) => ({ path: `file-${index}`, sizeBytes: index }));
  const value = { branch: null, skipped: undefined, rows, inner: { rows, empty: [] }, text: "é\n" };
  const pieces = [...jsonPieces(value)];
  expect(pieces.join("")).toBe(JSON.stringify(value));
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(30_000);
});

test("parseJson() gives back what jsonPieces() wrote", () => {
  const poisoned = /"(__proto__|constructor|prototype)"/;
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 5 }), (value) => {
      const text = [...jsonPieces(value)].join("");
      fc.pre(!poisoned.test(text) && text.isWellFormed());
      expect(text).toBe(JSON.stringify(value));
      let read: unknown;
      try {
        read = parseJson(Buffer.from(text));
      } catch (error) {
        expect(String(error)).toMatch(/too large|surrogate/);
        return;
      }
      expect(read).toEqual(JSON.parse(text));
    }),
  );
});
