/** Sizes, times and tables for people. Pure. */
import { show } from "@smc/store/show";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const SPANS: readonly (readonly [string, number])[] = [
  ["y", 365 * 86_400],
  ["mo", 30 * 86_400],
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
];
export const SHORT_DIGITS = 9;

/** "48.2 MiB"; bytes below 1 KiB are whole. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** "2h ago", "just now"; a moment in the future keeps its date. */
export function formatAgo(ms: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - ms) / 1000);
  if (seconds < -60) return new Date(ms).toISOString().slice(0, 10);
  for (const [unit, span] of SPANS) {
    if (seconds >= span) return `${Math.floor(seconds / span)}${unit} ago`;
  }
  return seconds < 10 ? "just now" : `${seconds}s ago`;
}

/** "1h 5m", "42s": at most two units. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
}

/** ISO 8601 with offset → "Fri 21 Nov 2026 16:08:39 +0700", in the writer's own time. */
export function formatDate(iso: string): string {
  const match = /([+-]\d\d):?(\d\d)$|Z$/.exec(iso);
  const ms = Date.parse(iso);
  if (match === null || Number.isNaN(ms)) return show(iso, 60);
  const hours = match[1] ?? "+00";
  const minutes = match[2] ?? "00";
  const offset = (hours.startsWith("-") ? -1 : 1) * (Math.abs(Number(hours)) * 60 + Number(minutes));
  const [day, date] = new Date(ms + offset * 60_000).toUTCString().split(", ");
  return `${day} ${date?.replace(/ GMT$/, "")} ${hours}${minutes}`;
}

export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The first nine digits of a digest; anything else is shown as it is. */
export function shortDigest(digest: string): string {
  return /^[0-9a-f]{64}$/.test(digest) ? digest.slice(0, SHORT_DIGITS) : show(digest, 80);
}

/** "refs/heads/main" → "main", "refs/tags/v1" → "v1"; other refs keep what follows "refs/". */
export function shortRef(ref: string): string {
  return show(ref.replace(/^refs\/(heads|tags|remotes)\//, "").replace(/^refs\//, ""), 200);
}

/** A number as a metric is read: up to six significant digits, no trailing zeros. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}]/u;

/** Columns that a text takes on a terminal. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (!/\p{Mark}/u.test(character)) width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

export function pad(text: string, width: number, side: "left" | "right" = "right"): string {
  const fill = " ".repeat(Math.max(0, width - textWidth(text)));
  return side === "right" ? text + fill : fill + text;
}

/** Rows as aligned lines without trailing space. `right` names the columns that line up on the right. */
export function formatTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, textWidth(cell));
    }
  }
  return rows.map((row) => {
    // A cell may end with spaces of its own: a name.
    const last = row.findLastIndex((cell) => cell !== "");
    const cells = row.slice(0, last + 1).map((cell, column) => {
      if (right.includes(column)) return pad(cell, widths[column] ?? 0, "left");
      return column === last ? cell : pad(cell, widths[column] ?? 0);
    });
    return cells.join("  ");
  });
}

/** The first row is the head. Pipes and line feeds in cells are escaped. */
export function formatMarkdown(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const cell = (text: string): string => show(text).replaceAll("\\", "\\\\").replaceAll("|", "\\|");
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const [head = [], ...body] = rows;
  const rule = head.map((_, column) => (right.includes(column) ? "---:" : "---"));
  return [line(head.map(cell)), line(rule), ...body.map((row) => line(row.map(cell)))];
}
