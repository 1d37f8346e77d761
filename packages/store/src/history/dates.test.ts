import { expect, test } from "vitest";
import { formatMoment, parseDate, parseMoment, parseSpan } from "./dates.ts";
import { isSmcError } from "../errors.ts";

const NOW = Date.UTC(2026, 2, 31, 12, 0, 0);

test.each([
  ["2026-01-15T10:00:00Z", "2026-01-15T10:00:00+00:00"],
  ["2026-01-15T10:00:00+02:00", "2026-01-15T10:00:00+02:00"],
  ["2026-01-15 10:00:00 -0530", "2026-01-15T10:00:00-05:30"],
  ["2026-01-15T10:00:00.250+14:00", "2026-01-15T10:00:00+14:00"],
  ["1768467600 +0200", "2026-01-15T11:00:00+02:00"],
  ["@0", "1970-01-01T00:00:00+00:00"],
  ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"],
])("parseMoment() reads %s", (text, expected) => {
  expect(formatMoment(parseMoment(text, NOW))).toBe(expected);
});

test.each([
  ["now", NOW],
  ["yesterday", NOW - 86_400_000],
  ["2 days ago", NOW - 2 * 86_400_000],
  ["2.days.ago", NOW - 2 * 86_400_000],
  ["an hour ago", NOW - 3_600_000],
  ["90 seconds ago", NOW - 90_000],
  ["3 Weeks Ago", NOW - 21 * 86_400_000],
])("parseDate() reads %s", (text, expected) => {
  expect(parseDate(text, NOW)).toBe(expected);
});

test("parseDate() keeps the last day of a shorter month", () => {
  const local = new Date(2026, 2, 31, 12).getTime();
  expect(new Date(parseDate("1 month ago", local))).toEqual(new Date(2026, 1, 28, 12));
  expect(new Date(parseDate("2 years ago", local))).toEqual(new Date(2024, 2, 31, 12));
});

test("parseDate() reads a day without an offset as the start of that day here", () => {
  expect(parseDate("2026-01-15", NOW)).toBe(new Date(2026, 0, 15).getTime());
  expect(parseDate("2026-01-15T10:30", NOW)).toBe(new Date(2026, 0, 15, 10, 30).getTime());
});

test.each([
  "",
  "soon",
  "99999999999999",
  "1768467600 +9999",
  "2026-01-15T10:00:00+15:00",
  "2026-01-15T10:00:00+01:75",
  "2026-02-30",
  "2026-13-01",
  "2026-01-15T25:00:00Z",
  "10000-01-01",
  "1969-12-31T00:00:00Z",
  "-1",
  "NaN",
  "1e9 days ago",
  "-2 days ago",
  "999999999 years ago",
  "2 fortnights ago",
  "２ days ago",
  "2026-01-15T10:00:00Z; rm",
  "9".repeat(5000),
])("parseDate() refuses %j", (text) => {
  let caught: unknown;
  try {
    parseDate(text, NOW);
  } catch (error) {
    caught = error;
  }
  expect(isSmcError(caught, "DATE_INVALID")).toBe(true);
});

test.each([
  ["0", 0],
  ["90s", 90_000],
  ["12h", 43_200_000],
  ["5 min", 300_000],
  ["1 day", 86_400_000],
  ["30 days", 2_592_000_000],
  ["2w", 1_209_600_000],
])("parseSpan() reads %s", (text, expected) => {
  expect(parseSpan(text)).toBe(expected);
});

test.each(["", "soon", "-1 days", "1.5h", "1 month", "h", "1000000000000s"])(
  "parseSpan() refuses '%s'",
  (text) => {
    const refused = { code: "DATE_INVALID", hint: "write it as '30 days', '12h' or '0'" };
    expect(() => parseSpan(text)).toThrow(expect.objectContaining(refused));
  },
);
