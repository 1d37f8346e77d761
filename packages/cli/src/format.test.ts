import { expect, test } from "vitest";
import {
  formatAgo,
  formatDate,
  formatDuration,
  formatMarkdown,
  formatNumber,
  formatSize,
  formatTable,
  textWidth,
} from "./format.ts";

test("formatSize() uses binary units", () => {
  expect([0, 1023, 1024, 50_541_363, 3 * 2 ** 40].map(formatSize)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "48.2 MiB",
    "3.0 TiB",
  ]);
});

test("formatAgo() and formatDuration() say one and two units", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  const ago = (seconds: number): string => formatAgo(now - seconds * 1000, now);
  expect([1, 30, 90, 7200, 6 * 86_400, 400 * 86_400].map(ago)).toEqual([
    "just now",
    "30s ago",
    "1m ago",
    "2h ago",
    "6d ago",
    "1y ago",
  ]);
  expect(ago(-86_400)).toBe("2026-11-22");
  expect([0, 59, 61, 3700, 90_000].map(formatDuration)).toEqual(["0s", "59s", "1m 1s", "1h 1m", "1d 1h"]);
});

test("formatDate() keeps the writer's own time", () => {
  expect(formatDate("2022-10-21T16:08:39-07:00")).toBe("Fri 21 Oct 2022 16:08:39 -0700");
  expect(formatDate("2022-10-21T16:08:39Z")).toBe("Fri 21 Oct 2022 16:08:39 +0000");
  expect(formatDate("2022-10-22T04:38:39.123+05:30")).toBe("Sat 22 Oct 2022 04:38:39 +0530");
});

test("formatNumber() drops noise", () => {
  expect([0.1 + 0.2, 3, -0.73, 1e-9].map(formatNumber)).toEqual(["0.3", "3", "-0.73", "1e-9"]);
});

test("formatTable() aligns wide characters and leaves no trailing space", () => {
  expect(textWidth("模型")).toBe(4);
  expect(
    formatTable(
      [
        ["模型", "1"],
        ["model", "22", ""],
      ],
      [1],
    ),
  ).toEqual(["模型    1", "model  22"]);
});

test("formatMarkdown() escapes what would break a table", () => {
  expect(
    formatMarkdown(
      [
        ["a", "b"],
        ["x|y", "\u001b\n"],
      ],
      [1],
    ),
  ).toEqual(["| a | b |", "| --- | ---: |", "| x\\|y | \\\\x1b\\\\x0a |"]);
});
