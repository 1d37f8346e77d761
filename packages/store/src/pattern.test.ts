import fc from "fast-check";
import { expect, test } from "vitest";
import { matchesPattern } from "./pattern.ts";
import { processorMs } from "./testing/testing.ts";

test("matchesPattern() agrees with a regular expression", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 8 });
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "/", "*", "?"), maxLength: 6 });
  fc.assert(
    fc.property(pattern, text, (glob, path) => {
      const source = glob.replaceAll("*", ".*").replaceAll("?", ".");
      expect(matchesPattern(glob, path)).toBe(new RegExp(`^${source}$`, "s").test(path));
    }),
    { numRuns: 2000 },
  );
});

test("matchesPattern() takes no time over a pattern made to take long", () => {
  const start = processorMs();
  expect(matchesPattern(`${"*a".repeat(500)}b`, "a".repeat(4000))).toBe(false);
  expect(processorMs() - start).toBeLessThan(500);
});
