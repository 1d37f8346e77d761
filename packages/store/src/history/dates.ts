/** Moments as text: ISO 8601 out; ISO 8601, Unix seconds and "2 days ago" in. Pure. */
import { SmcError } from "../errors.ts";
import type { Moment } from "../objects/objects.ts";
import { show } from "../show.ts";

/** 9999-12-31T23:59:59.999Z, the last moment that a commit can hold. */
export const DATE_MS_MAX = 253_402_300_799_999;
const OFFSET_MINUTES_MAX = 14 * 60;
const TEXT_LENGTH_MAX = 100;

const SECOND = 1000;
const DAY = 86_400 * SECOND;
const UNIT_MS: Readonly<Record<string, number>> = {
  second: SECOND,
  minute: 60 * SECOND,
  hour: 3600 * SECOND,
  day: DAY,
  week: 7 * DAY,
};
const WORDS: Readonly<Record<string, number>> = {
  a: 1,
  an: 1,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
};

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?: ?(Z|[+-]\d{2}:?\d{2}|[+-]\d{2}))?)?$/i;
const UNIX = /^@?(\d{9,17})(?: ([+-]\d{4}))?$|^@(\d{1,17})(?: ([+-]\d{4}))?$/;
const AGO = /^(\d{1,9}|an?|one|two|three|four|five|six) (second|minute|hour|day|week|month|year)s? ago$/;

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}

function formatOffset(offsetMinutes: number): string {
  const distance = Math.abs(offsetMinutes);
  return `${offsetMinutes < 0 ? "-" : "+"}${pad(Math.floor(distance / 60))}:${pad(distance % 60)}`;
}

/** ISO 8601 to the second, with the writer's own offset: `2026-01-15T10:00:00+02:00`. */
export function formatMoment(moment: Moment): string {
  const shifted = new Date(moment.ms + moment.offsetMinutes * 60 * SECOND).toISOString();
  const cut = shifted.indexOf(".");
  return shifted.slice(0, cut) + formatOffset(moment.offsetMinutes);
}

/** A moment with the offset that this machine has at that time. */
export function momentAt(ms: number): Moment {
  return { ms, offsetMinutes: localOffsetMinutes(ms) };
}

function localOffsetMinutes(ms: number): number {
  // Zones before standard time have offsets with seconds.
  return Math.round(-new Date(ms).getTimezoneOffset()) + 0;
}

function invalid(text: string, why: string): SmcError {
  return new SmcError("DATE_INVALID", `'${show(text, 80)}' is not a date: ${why}`);
}

function parseOffset(text: string, whole: string): number {
  if (/^z$/i.test(text)) return 0;
  const digits = text.slice(1).replace(":", "").padEnd(4, "0");
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  if (Number(digits.slice(2)) > 59 || minutes > OFFSET_MINUTES_MAX) {
    throw invalid(whole, `the offset from UTC '${text}' is not between -14:00 and +14:00`);
  }
  return text.startsWith("-") && minutes > 0 ? -minutes : minutes;
}

function parseIso(text: string): Moment | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const fields = [year, month, day, hour, minute, second] as [number, number, number, number, number, number];
  const ms = Math.floor(Number(`0.${match[7] ?? "0"}`) * SECOND);
  const zone = match[8];
  const offset = zone === undefined ? undefined : parseOffset(zone, text);
  const moment = buildMoment(fields, ms, offset);
  if (moment === undefined) throw invalid(text, "there is no such day or time");
  return moment;
}

type DateFields = readonly [number, number, number, number, number, number];

/** Undefined when the fields name no day of the calendar: February 30, 25 o'clock. */
function buildMoment(fields: DateFields, ms: number, offsetMinutes: number | undefined): Moment | undefined {
  const [year, month, day, hour, minute, second] = fields;
  const utc = new Date(0);
  utc.setUTCFullYear(year, month - 1, day);
  utc.setUTCHours(hour, minute, second, ms);
  const same = utc.getUTCFullYear() === year && utc.getUTCMonth() === month - 1 && utc.getUTCDate() === day;
  if (!same || hour > 23 || minute > 59 || second > 59) return undefined;
  if (offsetMinutes !== undefined) return { ms: utc.getTime() - offsetMinutes * 60 * SECOND, offsetMinutes };
  const local = new Date(0);
  local.setFullYear(year, month - 1, day);
  local.setHours(hour, minute, second, ms);
  return momentAt(local.getTime());
}

function parseUnix(text: string): Moment | undefined {
  const match = UNIX.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1] ?? match[3]) * SECOND;
  const zone = match[2] ?? match[4];
  return zone === undefined ? { ms, offsetMinutes: 0 } : { ms, offsetMinutes: parseOffset(zone, text) };
}

function parseRelative(text: string, nowMs: number): number | undefined {
  const words = text
    .toLowerCase()
    .replace(/[._\s]+/g, " ")
    .trim();
  if (words === "now") return nowMs;
  if (words === "yesterday") return nowMs - DAY;
  if (words === "today" || words === "midnight") return new Date(nowMs).setHours(0, 0, 0, 0);
  const last = /^last (day|week|month|year)$/.exec(words)?.[1];
  const match = AGO.exec(last === undefined ? words : `1 ${last} ago`);
  if (match === null) return undefined;
  const [, countText = "", unit = ""] = match;
  const count = WORDS[countText] ?? Number(countText);
  const unitMs = UNIT_MS[unit];
  if (unitMs !== undefined) return nowMs - count * unitMs;
  return monthsBefore(nowMs, unit === "year" ? count * 12 : count);
}

/** The same day and time some months earlier; the last day of the month when it has no such day. */
function monthsBefore(nowMs: number, months: number): number {
  const date = new Date(nowMs);
  const day = date.getDate();
  date.setDate(1);
  date.setMonth(date.getMonth() - months);
  const last = new Date(date.getFullYear(), date.getMonth() + 1, 0).getDate();
  return date.setDate(Math.min(day, last));
}

/**
 * Reads `2026-01-15`, `2026-01-15T10:00:00+02:00`, `@1768467600`, `1768467600 +0200`, `yesterday`, `2 days ago`.
 * Without an offset it is this machine's time. Throws DATE_INVALID, also outside 1970–9999.
 */
export function parseMoment(text: string, nowMs: number = Date.now()): Moment {
  if (text.length > TEXT_LENGTH_MAX) throw invalid(text, `it is longer than ${TEXT_LENGTH_MAX} characters`);
  const trimmed = text.trim();
  const absolute = parseIso(trimmed) ?? parseUnix(trimmed);
  const relativeMs = absolute === undefined ? parseRelative(trimmed, nowMs) : undefined;
  const moment = absolute ?? (relativeMs === undefined ? undefined : { ms: relativeMs, offsetMinutes: 0 });
  if (moment === undefined) {
    throw invalid(text, "use ISO 8601 (2026-01-15T10:00:00Z), 'yesterday' or '2 days ago'");
  }
  if (!(moment.ms >= 0 && moment.ms <= DATE_MS_MAX)) throw invalid(text, "it is not between 1970 and 9999");
  return absolute === undefined ? momentAt(moment.ms) : moment;
}

/** Milliseconds since 1970 of what `parseMoment` reads. Throws DATE_INVALID. */
export function parseDate(text: string, nowMs: number = Date.now()): number {
  return parseMoment(text, nowMs).ms;
}

const SPAN = /^(\d{1,9}) ?(s|seconds?|min|minutes?|h|hours?|d|days?|w|weeks?)$/;
const SPAN_UNITS = ["second", "minute", "hour", "day", "week"];

/** Milliseconds of a span of time: `30 days`, `12h`, `0`. Throws DATE_INVALID. */
export function parseSpan(text: string): number {
  if (text.trim() === "0") return 0;
  const [, count = "", unit = ""] = SPAN.exec(text.trim().toLowerCase()) ?? [];
  const name = SPAN_UNITS.find((each) => each.startsWith(unit.slice(0, 1)));
  if (count === "" || name === undefined)
    throw new SmcError("DATE_INVALID", `'${show(text, 80)}' is no span of time`, {
      hint: "write it as '30 days', '12h' or '0'",
    });
  return Number(count) * (UNIT_MS[name] ?? 0);
}
