import type { VersionsResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatAgo, formatNumber, formatSize, formatTable, shortDigest } from "../format.ts";

type Row = VersionsResult["versions"][number];

/** Of metrics, when no columns are asked for. */
const METRICS_SHOWN_MAX = 4;
const COLUMNS_MAX = 50;

interface Column {
  readonly head: string;
  readonly isNumber: boolean;
  readonly cell: (row: Row, nowMs: number) => string;
}

const FIELDS: Readonly<Record<string, Column>> = {
  version: { head: "VERSION", isNumber: false, cell: (row) => show(row.version, 80) },
  status: { head: "STATUS", isNumber: false, cell: (row) => row.status },
  date: { head: "DATE", isNumber: false, cell: (row) => show(row.date.slice(0, 10), 20) },
  age: { head: "AGE", isNumber: false, cell: (row, nowMs) => formatAgo(Date.parse(row.date), nowMs) },
  size: { head: "SIZE", isNumber: true, cell: (row) => formatSize(row.sizeBytes) },
  commit: { head: "COMMIT", isNumber: false, cell: (row) => shortDigest(row.commit) },
  tags: { head: "TAGS", isNumber: false, cell: (row) => show(row.tags.join(", "), 120) },
  roles: { head: "ROLES", isNumber: false, cell: (row) => show(row.roles.join(", "), 120) },
  author: { head: "AUTHOR", isNumber: false, cell: (row) => show(row.author, 80) },
  subject: { head: "SUBJECT", isNumber: false, cell: (row) => show(row.subject, 80) },
  notes: { head: "NOTES", isNumber: true, cell: (row) => String(row.notes.length) },
  reason: {
    head: "REASON",
    isNumber: false,
    cell: (row) => show((row.archived?.reason ?? "").split("\n", 1)[0] ?? "", 80),
  },
};

function valueColumn(name: string, rows: readonly Row[]): Column {
  const key = name.replace(/^(metrics|params)\./, "");
  const spaces = name.startsWith("params.") ? ["params"] : name.startsWith("metrics.") ? ["metrics"] : [];
  const valueOf = (row: Row): string | number | boolean | null | undefined => {
    const { metrics, params } = row;
    if (!spaces.includes("params") && Object.hasOwn(metrics, key)) return metrics[key];
    return !spaces.includes("metrics") && Object.hasOwn(params, key) ? params[key] : undefined;
  };
  if (rows.length > 0 && rows.every((row) => valueOf(row) === undefined)) {
    throw new SmcError("ARGUMENT_INVALID", `--columns: no version has '${show(name, 80)}'`, {
      hint: `metrics, params, and ${Object.keys(FIELDS).join(", ")}`,
    });
  }
  return {
    head: show(key, 40),
    isNumber: rows.every((row) => ["number", "undefined"].includes(typeof valueOf(row))),
    cell: (row) => {
      const value = valueOf(row);
      return value === undefined
        ? "-"
        : typeof value === "number"
          ? formatNumber(value)
          : show(String(value), 60);
    },
  };
}

function columnsOf(asked: string | undefined, rows: readonly Row[]): readonly Column[] {
  const names = asked?.split(",").map((name) => name.trim()) ?? standardColumns(rows);
  if (names.length > COLUMNS_MAX) throw new SmcError("ARGUMENT_INVALID", `more than ${COLUMNS_MAX} columns`);
  return names.map(
    (name) => (Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined) ?? valueColumn(name, rows),
  );
}

/** The metrics that most versions have, and the reason when one was archived. */
function standardColumns(rows: readonly Row[]): string[] {
  const counts = new Map<string, number>();
  for (const { metrics } of rows)
    for (const name of Object.keys(metrics)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const metrics = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, METRICS_SHOWN_MAX);
  const reason = rows.some(({ archived }) => archived !== null) ? ["reason"] : [];
  return ["version", "status", "date", "size", ...metrics.map(([name]) => `metrics.${name}`), ...reason];
}

export const command = defineCommand({
  usage: ["versions [--filter EXPR] [--sort KEY] [--columns NAMES] [--all]"],
  description: [
    "Lists what tags, archive and registry name, one line for each commit, the newest first. What notes say about a",
    "version counts.",
  ],
  options: {
    filter: {
      type: "string",
      value: "EXPR",
      summary: "only versions of which this is true: 'azi > 60 and status == \"archived\"'",
    },
    sort: {
      type: "string",
      value: "KEY",
      summary: "date, version, size, status, a metric (the best first) or a param; -KEY turns it round",
    },
    columns: { type: "string", value: "NAMES", summary: "what to show, with commas between" },
    all: { type: "boolean", summary: "every commit of every branch, too" },
  },
  examples: [
    ["smc versions", "all versions, the newest first"],
    ["smc versions --sort azi --columns version,azi,params.lr", "the best first, with a param"],
    ["smc versions --filter 'azi >= champion.azi' -q", "names only, of those not worse than the champion"],
  ],
  run: (context, { words, options }) => {
    if (words.length > 0) throw new SmcError("USAGE", "'smc versions' takes no words; see --filter");
    return context.call("versions", {
      all: options.all,
      ...(options.filter === undefined ? {} : { filter: options.filter }),
      ...(options.sort === undefined ? {} : { sort: options.sort }),
    });
  },
  print: ({ versions }, out, { options }) => {
    if (versions.length === 0) {
      out.hint('no versions: name a commit with "smc tag v1.0.0"');
      return;
    }
    const now = Date.now();
    const columns = columnsOf(options.columns, versions);
    const rows = versions.map((row) => columns.map(({ cell }) => cell(row, now)));
    const right = columns.flatMap(({ isNumber }, at) => (isNumber ? [at] : []));
    const [head = "", ...lines] = formatTable([columns.map(({ head }) => head), ...rows], right);
    out.line(out.paint("bold", head));
    for (const line of lines) out.line(line);
  },
  quiet: ({ versions }) => versions.map(({ version, tags, commit }) => (tags.length > 0 ? version : commit)),
});
