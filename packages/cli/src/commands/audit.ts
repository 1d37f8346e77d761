import type { AuditResult, AuditRow, AuditVerified } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { type CommandContext, defineCommand } from "../command.ts";
import { formatCount, formatSize, formatTable, shortDigest } from "../format.ts";
import type { Output } from "../output.ts";

const ROWS = 1000;
/** The daemon gives no more at once. */
const PAGE_ROWS = 10_000;

export const command = defineCommand({
  usage: ["audit [--ref GLOB] [--op NAME] [--job JOB] [--since DATE] [-n COUNT]", "audit verify"],
  description: [
    "Lists what was done, newest first: when, by whom, which command, which ref of which repository, from what to",
    'what, why. It is read from the journal, which only grows and whose records are chained by hashes; "audit',
    'verify" reads all of it and ends with 4 when one byte is not as it was written. Keep the head hash that it',
    "prints elsewhere: as long as a later journal leads to it, nothing before it was changed.",
  ],
  positionals: [{ name: "verify", summary: "check the whole journal instead", completes: ["verify"] }],
  digits: "max-count",
  options: {
    ref: { type: "string", value: "GLOB", summary: "only changes of these refs: main, 'refs/tags/*'" },
    op: { type: "string", value: "NAME", summary: "only what this command did: commit, tag …" },
    job: { type: "string", value: "JOB", summary: "only what concerns this job, by its id or name" },
    since: {
      type: "string",
      value: "DATE",
      summary: "only since this moment, or so long ago: 2026-01-15, 7d",
    },
    "max-count": {
      type: "integer",
      short: "n",
      value: "COUNT",
      min: 0,
      max: 1_000_000_000,
      summary: `at most so many (${ROWS})`,
    },
  },
  examples: [
    ["smc audit -10", "what was done last?"],
    ["smc audit --ref main --since 7d", "who moved this branch in the last week?"],
    ["smc audit --job night", "what did this training do?"],
    ["smc audit verify", "was the log changed behind our back?"],
  ],
  run: (context, { words, options }) => {
    const [action] = words;
    if (action === "verify") return context.call("audit", { verify: true });
    if (action !== undefined)
      throw new SmcError("ARGUMENT_INVALID", `audit: '${show(action, 80)}' is not known`, {
        hint: 'there is only "smc audit verify"',
      });
    return list(context, options["max-count"] ?? ROWS, {
      ...(options.ref === undefined ? {} : { ref: options.ref }),
      ...(options.op === undefined ? {} : { op: options.op }),
      ...(options.job === undefined ? {} : { job: options.job }),
      ...(options.since === undefined ? {} : { since: options.since }),
    });
  },
  print: (data, out) => {
    if (data.verified !== null) printVerified(data.verified, out);
    else for (const line of formatTable(data.entries.map(cells))) out.line(line);
  },
  quiet: (data) =>
    data.verified === null ? data.entries.map(({ seq }) => String(seq)) : [data.verified.head],
});

/** Page by page; of the last page what is over is left out. */
async function list(
  context: CommandContext,
  count: number,
  filter: { ref?: string; op?: string; job?: string; since?: string },
): Promise<AuditResult> {
  const entries: AuditRow[] = [];
  let next: number | null | undefined;
  while (next !== null && entries.length < count) {
    const limit = Math.min(count - entries.length, PAGE_ROWS);
    const page: AuditResult = await context.call("audit", {
      ...filter,
      limit,
      ...(next === undefined ? {} : { before: next }),
    });
    for (const row of page.entries) entries.push(row);
    next = page.next;
  }
  return { entries: entries.slice(0, count), next: next ?? null, verified: null };
}

function cells(row: AuditRow): string[] {
  const move =
    row.ref === null
      ? ""
      : `${row.from === null ? "absent" : shortDigest(row.from)} -> ${row.to === null ? "absent" : shortDigest(row.to)}`;
  const ref = row.ref === null ? row.repository : `${row.repository} ${row.ref}`;
  return [row.date, show(row.actor, 80), show(row.op, 40), show(ref, 300), move, show(row.reason, 200)];
}

function printVerified({ records, files, sizeBytes, first, last, head }: AuditVerified, out: Output): void {
  out.line(`${formatCount(records, "record")} in ${formatCount(files, "file")}, ${formatSize(sizeBytes)}`);
  if (first !== null && last !== null) out.line(`from ${first} to ${last}`);
  out.line(`head ${head}`);
  out.line(out.paint("green", "ok"));
}
