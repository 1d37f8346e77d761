import fc from "fast-check";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { evaluate, isTrue, judge, type Lookup } from "./evaluate.ts";
import { namesOf, parseExpression, type Value } from "./parse.ts";
import { EXPRESSION_LENGTH_MAX } from "./tokens.ts";

const VALUES: Readonly<Record<string, Value | null>> = {
  azi: 71.28,
  mag: 97.63,
  "champion azi": 50.66,
  "champion mag": 98.36,
  "v1.0.0 params lr": 0.1,
  "metrics val/acc": 0.9,
  "params model.depth": 12,
  framework: "torch",
  frozen: true,
  nothing: null,
};

const lookup: Lookup = ({ revision, space, key }) =>
  VALUES[[revision, space, key].filter((part) => part !== undefined).join(" ")];

const valueOf = (text: string): Value | undefined => evaluate(parseExpression(text), lookup);

test.each<[string, Value]>([
  ["1 + 2 * 3", 7],
  ["(1 + 2) * 3", 9],
  ["10 - 2 - 3", 5],
  ["2 * -3", -6],
  ["- - 3", 3],
  ["7 % 4 / 2", 1.5],
  [".5 + 1e-1", 0.6],
  ["azi>=champion.azi and mag>=champion.mag-1", true],
  ["azi > champion.azi and mag > champion.mag", false],
  ["not azi > 1 or true", true],
  ["not (azi > 1 or true)", false],
  ["false and false or true", true],
  ["true or false and false", true],
  ["'v1.0.0'.params.lr", 0.1],
  ['"v1.0.0".params."lr" == 0.1', true],
  ["metrics.'val/acc' * 100 = 90", true],
  ["params.model.depth", 12],
  ["framework == 'torch' and framework != \"tf\"", true],
  ["'abc' < 'abd'", true],
  ["frozen = true and frozen != false", true],
  ["1 == 1.0", true],
])("evaluate() of %s is %s", (text, value) => {
  const found = valueOf(text);
  if (typeof value === "number") expect(found).toBeCloseTo(value);
  else expect(found).toBe(value);
});

/** Column, and a part of the message. */
test.each<[string, number, string]>([
  ["", 1, "it ends here"],
  ["azi >=", 7, "it ends here"],
  ["azi >= )", 8, "found ')'"],
  ["(azi", 5, "expected ')'"],
  ["azi mag", 5, "expected the end of the expression; found 'mag'"],
  ["1 < 2 < 3", 7, "comparisons cannot be chained"],
  ["azi && mag", 5, "'&' has no meaning here"],
  ["v1.0.0.azi > 1", 3, "expected a name after '.'"],
  ["champion.", 10, "expected a name after '.'"],
  ["'open", 1, "this quote is not closed"],
  ["''.azi + metrics.''", 10, "is missing"],
  ["1e999", 1, "too large"],
  ["azi and", 8, "it ends here"],
  ["and azi", 1, "found 'and'"],
  ["azi > 'x'", 5, "a number cannot be compared with a text"],
  ["azi + true", 7, "a number is needed here, this is true or false"],
  ["not azi", 5, "true or false is needed here, this is a number"],
  ["false and nope", 11, "no metric or param 'nope'"],
  ["true or champion.nope > 1", 9, "no metric or param 'nope' of 'champion'"],
  ["params.azi", 1, "there is no param 'azi'"],
  ["nothing > 1", 1, "has no value that can be compared"],
  ["azi / 0 > 1", 5, "is no number"],
  ["frozen < true", 8, "have no order"],
])("evaluate() of %s blames column %i: %s", (text, column, part) => {
  expect(() => valueOf(text)).toThrow(
    expect.objectContaining({
      code: "EXPRESSION_INVALID",
      message: expect.stringContaining(part) as string,
      details: { expression: text, column },
    }),
  );
});

test("a fault is shown with a caret below its place, hidden characters as escapes", () => {
  const fault = (text: string): string => {
    try {
      valueOf(text);
    } catch (error) {
      if (isSmcError(error)) return error.message;
      throw error;
    }
    return "";
  };
  expect(fault("azi >= = 3")).toBe(
    "column 8: expected a number, a name or '('; found '='\n  azi >= = 3\n         ^",
  );
  expect(fault("'\u202e' = 1")).toBe(
    "column 5: a text cannot be compared with a number\n  '\\u{202e}' = 1\n             ^",
  );
});

test("namesOf() tells every name in the order they are written", () => {
  expect(namesOf(parseExpression("not (a + 'v1'.b) > -params.c.d or metrics.e"))).toEqual([
    { revision: undefined, space: undefined, key: "a" },
    { revision: "v1", space: undefined, key: "b" },
    { revision: undefined, space: "params", key: "c.d" },
    { revision: undefined, space: "metrics", key: "e" },
  ]);
});

test("judge() tells the terms that failed with what was on both sides", () => {
  const failedIn = (text: string): unknown => judge(parseExpression(text), lookup).failed;
  expect(failedIn("azi>=champion.azi and mag >= champion.mag")).toEqual([
    { term: "mag >= champion.mag", left: 97.63, right: 98.36 },
  ]);
  expect(failedIn("azi < 1 or (mag - 1) < 2")).toEqual([
    { term: "azi < 1", left: 71.28, right: 1 },
    { term: "(mag - 1) < 2", left: 96.63, right: 2 },
  ]);
  expect(failedIn("not (azi > 1 and frozen)")).toEqual([
    { term: "not azi > 1", left: 71.28, right: 1 },
    { term: "not frozen", left: true, right: null },
  ]);
  expect(judge(parseExpression("azi > 1"), lookup)).toEqual({ met: true, failed: [] });
  expect(() => judge(parseExpression("azi + 1"), lookup)).toThrow("a condition is needed here");
});

test("isTrue() goes on with what is known where names may be missing", () => {
  const told = (text: string): boolean => isTrue(parseExpression(text), lookup, { missing: "unknown" });
  expect(told("nope > 1")).toBe(false);
  expect(told("not nope > 1")).toBe(false);
  expect(told("nope > 1 or azi > 1")).toBe(true);
  expect(told("nope + 1 > 1 and azi > 1")).toBe(false);
  expect(told("nothing = 1 or -nope < 2 or not frozen")).toBe(false);
});

/** Seeded; a failure prints seed and counterexample. */
test("parseExpression() ends every text with a tree or a fault inside the text", () => {
  const word = fc.constantFrom(
    ..."and or not true ( ) + - * / % < <= > >= = == != . 1 2.5 azi champion 'x' \"y\" ' & é 😀 \n".split(
      " ",
    ),
  );
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.array(word, { maxLength: 40 }).map((words) => words.join(" ")),
    fc.array(word, { maxLength: 40 }).map((words) => words.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        evaluate(parseExpression(text), () => 1);
      } catch (error) {
        if (!isSmcError(error, "EXPRESSION_INVALID")) throw error;
        expect(error.details.column).toBeGreaterThan(0);
        expect(error.details.column).toBeLessThanOrEqual(text.length + 1);
      }
    }),
    { numRuns: 1000 },
  );
});

test("evaluate() of arithmetic is what JavaScript computes", () => {
  const number = fc.integer({ min: 0, max: 50 }).map(String);
  const { sum } = fc.letrec<{ sum: string; leaf: string }>((tie) => ({
    leaf: number,
    sum: fc.oneof(
      { maxDepth: 5 },
      tie("leaf"),
      fc.tuple(tie("sum"), fc.constantFrom("+", "-", "*"), tie("sum")).map((parts) => parts.join(" ")),
      tie("sum").map((inner) => `(${inner})`),
      tie("sum").map((inner) => `-(${inner})`),
    ),
  }));
  fc.assert(
    fc.property(sum, (text) => {
      // The text is made of digits, signs and parentheses above.
      // oxlint-disable-next-line no-new-func, typescript/no-implied-eval
      expect(valueOf(text)).toBe(new Function(`return ${text}`)() as number);
    }),
    { numRuns: 500 },
  );
});

test("length and depth have a limit, and what is below it works", () => {
  expect(valueOf(Array.from({ length: EXPRESSION_LENGTH_MAX / 2 }, () => "1").join("+"))).toBe(2048);
  expect(() => valueOf(`1${" ".repeat(EXPRESSION_LENGTH_MAX)}`)).toThrow("longer than 4096");
  for (const inside of ["(", "not ", "-"]) {
    expect(() => valueOf(inside.repeat(101))).toThrow("deeper than 100 levels");
    expect(() => valueOf(inside.repeat(100))).toThrow("it ends here");
  }
});
