import { expect, test } from "vitest";
import { api, type Input, type VerbName } from "./api.ts";
import { handlers } from "./handlers.ts";
import { isReading, READING_ACTIONS, READING_VERBS } from "./reading.ts";
import { assertValid } from "./validate.ts";

/** Options of a store's function that its schema does not know; handlers.ts checks the other direction. */
type Forgotten = {
  [V in VerbName]: Exclude<keyof Parameters<(typeof handlers)[V]>[1], keyof Input<V>>;
}[VerbName];

test("api knows every option of every verb", () => {
  const forgotten: Forgotten[] = [];
  const none: readonly never[] = forgotten;
  expect(none).toEqual([]);
});

test("api and handlers name the same verbs, with a summary each", () => {
  expect(Object.keys(api).sort()).toEqual(Object.keys(handlers).sort());
  for (const { summary } of Object.values(api)) expect(summary).toMatch(/^[A-Z].{8,80}[^.]$/);
});

test("reading verbs are verbs", () => {
  expect([...READING_VERBS].filter((verb) => !Object.hasOwn(api, verb))).toEqual([]);
  expect(Object.keys(READING_ACTIONS).filter((verb) => READING_VERBS.has(verb))).toEqual([]);
});

test("isReading() knows what may be asked again", () => {
  expect(isReading("log", {})).toBe(true);
  expect(isReading("jobs", { action: "show", job: "1f" })).toBe(true);
  expect(isReading("jobs", { action: "retry", job: "1f" })).toBe(false);
  for (const input of [undefined, null, "show", {}]) expect(isReading("jobs", input)).toBe(false);
  expect(isReading("commit", { action: "list" })).toBe(false);
});

const at = { folder: "/" };

test.each([
  ["an empty input", "log", { at, input: {} }],
  [
    "every kind of field",
    "commit",
    { at, input: { message: "m", all: true, metrics: { a: 1.5 }, params: { b: null, c: "x" } } },
  ],
  ["a choice", "reset", { at, input: { mode: "hard" } }],
  ["an object in an object", "branch", { at, input: { rename: { to: "x" } } }],
  ["who and where", "log", { at: { folder: "/", repository: "a/b", author: "A <a@b>" }, input: {} }],
] as const)("assertValid() takes %s", (_, verb, request) => {
  assertValid(api[verb].request, request);
});

test.each([
  ["a field that is missing", "cat", { at, input: {} }, "'input' must have required property 'revision'"],
  ["a field that is unknown", "log", { at, input: { no: 1 } }, "'input' has no field 'no'"],
  [
    "a value that is no choice",
    "reset",
    { at, input: { mode: "x" } },
    "'input/mode' must be one of soft, mixed, hard",
  ],
  ["a number as text", "log", { at, input: { limit: "5" } }, "'input/limit' must be integer"],
  ["a negative number", "log", { at, input: { limit: -1 } }, "'input/limit' must be >= 0"],
  ["a broken number", "log", { at, input: { limit: 1.5 } }, "'input/limit' must be integer"],
  ["text as a flag", "add", { at, input: { paths: [], all: "true" } }, "'input/all' must be boolean"],
  [
    "one path too many",
    "add",
    { at, input: { paths: Array.from({ length: 100_001 }, () => "x") } },
    "'input/paths' must NOT",
  ],
  [
    "text that is too long",
    "cat",
    { at, input: { revision: "x".repeat(20_000) } },
    "'input/revision' must NOT",
  ],
  [
    "control characters in a name",
    "log",
    { at, input: { "\u001b[2J": 1 } },
    String.raw`has no field '\x1b[2J'`,
  ],
  ["no object", "log", [], "it must be object"],
  [
    "C19 a place in a log that no file has",
    "jobs",
    { at, input: { action: "follow", since: { transitions: 0, historyOffset: 0, logOffset: 2 ** 64 } } },
    "'input/since/logOffset' must be <= 9007199254740991",
  ],
  [
    "C19 an action that names a signal",
    "jobs",
    { at, input: { action: "SIGKILL;x", job: "1f" } },
    "'input/action' must be one of list, show",
  ],
  [
    "C18 a shell line in place of words",
    "train",
    { at, input: { argv: "x; rm -rf ~" } },
    "'input/argv' must be array",
  ],
  ["C18 a folder to run in", "train", { at, input: { argv: ["x"], cwd: "/" } }, "'input' has no field 'cwd'"],
] as const)("assertValid() refuses %s", (_, verb, request, why) => {
  expect(() => assertValid(api[verb].request, request)).toThrow(why);
});
