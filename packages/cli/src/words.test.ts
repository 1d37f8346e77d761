import { expect, test } from "vitest";
import { type OptionSpecs, parseWords, splitAtVerb } from "./words.ts";

const SPECS = {
  message: { type: "string", short: "m", value: "TEXT", summary: "" },
  metric: { type: "string", value: "K=V", multiple: true, summary: "" },
  all: { type: "boolean", short: "a", summary: "" },
  count: { type: "integer", short: "n", value: "N", min: 1, max: 64, summary: "" },
  bump: { type: "choice", choices: ["major", "minor"], summary: "" },
  "no-color": { type: "boolean", summary: "" },
  short: { type: "integer", value: "N", bare: 7, min: 4, max: 64, summary: "" },
} as const satisfies OptionSpecs;

const fault = (...args: string[]): string => {
  try {
    parseWords(args, SPECS);
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message} ${(error as { hint?: string }).hint ?? ""}`;
  }
  return "no error";
};

test("parseWords() reads short groups, joined values, and values that start with a dash", () => {
  const { options, words, rest } = parseWords(
    ["-am", "-fix", "x", "--metric=a=1", "--metric", "b=-2", "--", "-y"],
    SPECS,
  );
  expect(options).toEqual({
    message: "-fix",
    metric: ["a=1", "b=-2"],
    all: true,
    count: undefined,
    bump: undefined,
    "no-color": false,
    short: undefined,
  });
  expect(words).toEqual(["x"]);
  expect(rest).toEqual(["-y"]);
});

test("parseWords() tells `--` with nothing after it from no `--`", () => {
  expect(parseWords(["--"], SPECS).rest).toEqual([]);
  expect(parseWords([], SPECS).rest).toBeUndefined();
});

test.each([
  [["--mesage", "x"], "USAGE unknown option '--mesage'; nothing was run did you mean --message?"],
  [["-z"], "USAGE unknown option '-z'"],
  [["-m", "a", "--message", "b"], "USAGE option '--message' is given twice"],
  [["-a", "-a"], "USAGE option '--all' is given twice"],
  [["--no-message"], "USAGE '--message' cannot be negated"],
  [["--no-all"], "USAGE '--all' cannot be negated"],
  [["--all=yes"], "USAGE option '--all' takes no value"],
  [["-m"], "USAGE option '-m' needs a value"],
  [["--bump", "huge"], "ARGUMENT_INVALID --bump: 'huge' is not one of major, minor"],
  [["--\u001b[2J"], "USAGE unknown option '--\\x1b[2J'"],
])("parseWords(%j) is refused: %s", (args, expected) => {
  expect(fault(...args)).toContain(expected);
});

test.each(["0", "-1", "65", "1e1", "0x10", "\uff11", "NaN", "", "1.5", "99999999999999999999"])(
  "parseWords() refuses %j as a number",
  (text) => {
    expect(fault(`--count=${text}`)).toContain("ARGUMENT_INVALID --count: ");
    expect(fault(`--count=${text}`)).toContain("is not a number from 1 to 64");
  },
);

test("parseWords() takes an optional value only behind =", () => {
  expect(parseWords(["--short", "HEAD"], SPECS)).toMatchObject({ options: { short: 7 }, words: ["HEAD"] });
  expect(parseWords(["--short=12"], SPECS).options.short).toBe(12);
  expect(fault("--short=3")).toContain("not a number from 4 to 64");
});

test("splitAtVerb() finds the verb behind global options with values", () => {
  const found = splitAtVerb(["-m", "x", "--all", "commit", "--unknown", "y"], SPECS);
  expect(found).toEqual({ before: ["-m", "x", "--all"], verb: "commit", after: ["--unknown", "y"] });
  expect(splitAtVerb(["--unknown", "commit"], SPECS).verb).toBeUndefined();
  expect(splitAtVerb(["--", "commit"], SPECS).verb).toBeUndefined();
});
