import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { parseRange, parseRevision } from "./revision-text.ts";

const HEX = "0123456789abcdef".repeat(4);

test.each([
  ["main", { name: "main", steps: [] }],
  ["@", { name: "HEAD", steps: [] }],
  ["@~2", { name: "HEAD", steps: [{ type: "ancestor", count: 2 }] }],
  ["HEAD~", { name: "HEAD", steps: [{ type: "ancestor", count: 1 }] }],
  ["a^", { name: "a", steps: [{ type: "parent", nth: 1 }] }],
  [
    "a^2~3",
    {
      name: "a",
      steps: [
        { type: "parent", nth: 2 },
        { type: "ancestor", count: 3 },
      ],
    },
  ],
  ["a^0", { name: "a", steps: [{ type: "parent", nth: 0 }] }],
  [
    "a^^",
    {
      name: "a",
      steps: [
        { type: "parent", nth: 1 },
        { type: "parent", nth: 1 },
      ],
    },
  ],
  ["v1^{}", { name: "v1", steps: [{ type: "peel", kind: "any" }] }],
  ["v1^{tree}", { name: "v1", steps: [{ type: "peel", kind: "tree" }] }],
  [
    "v1^{commit}~1",
    {
      name: "v1",
      steps: [
        { type: "peel", kind: "commit" },
        { type: "ancestor", count: 1 },
      ],
    },
  ],
  ["main@{3}", { name: "main", at: { nth: 3 }, steps: [] }],
  ["@{0}", { name: "", at: { nth: 0 }, steps: [] }],
  ["HEAD@{2026-01-15T10:00:00Z}", { name: "HEAD", at: { date: "2026-01-15T10:00:00Z" }, steps: [] }],
  [
    "main@{yesterday}~1:a/b",
    { name: "main", at: { date: "yesterday" }, steps: [{ type: "ancestor", count: 1 }], path: "a/b" },
  ],
  ["HEAD:weights/a.bin", { name: "HEAD", steps: [], path: "weights/a.bin" }],
  ["HEAD:", { name: "HEAD", steps: [], path: "" }],
  ["HEAD:a:b", { name: "HEAD", steps: [], path: "a:b" }],
  [`sha256:${HEX}`, { name: `sha256:${HEX}`, steps: [] }],
  [`sha256:${HEX}:a/b`, { name: `sha256:${HEX}`, steps: [], path: "a/b" }],
  [":a/b", { stagePath: "a/b" }],
  [":/fix: the loss", { messagePart: "fix: the loss" }],
  [":/a..b~2", { messagePart: "a..b~2" }],
  ["@{-1}", { name: "", at: { previous: 1 }, steps: [] }],
  ["@{-12}~2:a/b", { name: "", at: { previous: 12 }, steps: [{ type: "ancestor", count: 2 }], path: "a/b" }],
  ["user@host", { name: "user@host", steps: [] }],
])("parseRevision() reads %s", (text, expected) => {
  expect(parseRevision(text)).toEqual(expected);
});

test.each([
  "",
  ":",
  "~1",
  "^",
  "^{tree}",
  "a^{leaf}",
  "a^{",
  "a^{tree",
  "a~x",
  "a@{}",
  ":/",
  "a@{-1}",
  "HEAD@{-1}",
  "@{-0}",
  "@{-}x",
  "@{-99999999}",
  "a@{1",
  "a~1b",
  "a~99999999",
  `a~${"9".repeat(400)}`,
  "a@{1}@{2}",
  `a${"^".repeat(1001)}`,
  "x".repeat(4097),
  "é".repeat(2100),
])("parseRevision() refuses %j", (text) => {
  expect(codeOf(() => parseRevision(text))).toBe("REVISION_INVALID");
});

test.each([
  ["a..b", { from: "a", to: "b", symmetric: false }],
  ["a...b", { from: "a", to: "b", symmetric: true }],
  ["..b", { from: "HEAD", to: "b", symmetric: false }],
  ["a..", { from: "a", to: "HEAD", symmetric: false }],
  ["v1.0.0..v1.0.1~2", { from: "v1.0.0", to: "v1.0.1~2", symmetric: false }],
])("parseRange() reads %s", (text, expected) => {
  expect(parseRange(text)).toEqual(expected);
});

test("parseRange() leaves dots alone that are part of a path or of one revision", () => {
  expect(parseRange("v1.0.0")).toBeUndefined();
  expect(parseRange("HEAD:../x")).toBeUndefined();
  expect(parseRange(":a..b")).toBeUndefined();
});

test.each(["..", "...", "a....b", "a..b..c", "a..b...c"])("parseRange() refuses %s", (text) => {
  expect(codeOf(() => parseRange(text))).toBe("REVISION_INVALID");
});

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return isSmcError(error) ? error.code : String(error);
  }
  return undefined;
}
