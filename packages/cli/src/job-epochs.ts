/** `smc jobs epochs`: a curve, page by page. */
import type { JobsResult } from "@smc/store";
import { type CommandContext, type ExecuteMode, Streamed } from "./command.ts";
import { csvHead, csvRow, pointLine } from "./job-text.ts";

/** Printed as it comes; `--json` is one document, so that holds all of it. Throws JOB_NOT_FOUND. */
export async function printEpochs(
  context: CommandContext,
  { job, csv }: { job: string; csv: boolean },
  { out, json, quiet }: ExecuteMode,
): Promise<Streamed | JobsResult> {
  const first = await context.call("jobs", { action: "epochs", job });
  const { names } = first;
  const whole = [...(first.points ?? [])];
  if (csv && !json && !quiet) out.line(csvHead(names ?? []));
  for (let page = first; ;) {
    const points = page.points ?? [];
    if (json) {
      if (page !== first) for (const point of points) whole.push(point);
    } else if (quiet) for (const { epoch } of points) out.line(String(epoch));
    else for (const point of points) out.line(csv ? csvRow(point, names ?? []) : pointLine(point));
    await out.flush();
    if (page.nextAfter === null) break;
    // What remains the same when another job takes the name.
    page = await context.call("jobs", {
      action: "epochs",
      job: first.jobs[0]?.id ?? job,
      after: page.nextAfter,
    });
  }
  return json ? { ...first, points: whole, nextAfter: null } : new Streamed(0);
}
