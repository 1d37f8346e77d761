import { expect, test } from "vitest";
import { isHidden, show } from "./show.ts";

test.each([
  ["plain ü 日本", "plain ü 日本"],
  ["\u001b[2J", "\\x1b[2J"],
  ["a\u009b31m", "a\\x9b31m"],
  ["a\rfake", "a\\x0dfake"],
  ["a\u202eb", "a\\u{202e}b"],
  ["a\u200bb", "a\\u{200b}b"],
  ["tag\u{e0041}", "tag\\u{e0041}"],
  ["lone \ud800", "lone \\u{d800}"],
  ["emoji 😀", "emoji 😀"],
  ["line\nfeed", "line\\x0afeed"],
])("show(%j) is fit for a terminal", (text, shown) => {
  expect(show(text)).toBe(shown);
  expect(isHidden(text)).toBe(text !== shown);
});

test("show() keeps line feeds when lines are asked for, and cuts long text", () => {
  expect(show("a\n\tb\u0007", 100, true)).toBe("a\n\tb\\x07");
  expect(show("x".repeat(50), 10)).toBe(`${"x".repeat(10)}…`);
});
