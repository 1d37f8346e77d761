/** Waiting for the jobs of a search, one after the other, and telling which was the best. */
import type { TrainResult } from "@smc/store";
import type { CommandContext, ExecuteMode } from "./command.ts";
import { followJob } from "./follow-job.ts";
import { comparisonTable, endLines, exitOf } from "./job-text.ts";

/** The exit status: 10 when one of them did not finish. */
export async function followGroup(
  context: CommandContext,
  { jobs, group }: Pick<TrainResult, "jobs" | "group">,
  mode: ExecuteMode,
  more: { readonly metric?: string; readonly apply?: boolean } = {},
): Promise<number> {
  const { out } = mode;
  out.hint(`${jobs.length} jobs go on without this command; see "smc jobs compare ${group ?? ""}"`);
  let exit = 0;
  for (const { id, name } of jobs) {
    const ended = await followJob(context, { job: id, shows: "nothing" }, mode);
    exit = Math.max(exit, exitOf(ended));
    if (mode.json || mode.quiet) continue;
    const [first = ""] = endLines(ended);
    out.line(`${name}  ${first}`);
    await out.flush();
  }
  const data = await context.call("jobs", { action: "compare", job: group ?? "", ...more });
  if (mode.json) out.jsonLine(data.comparison);
  else if (!mode.quiet && data.comparison !== null)
    for (const line of comparisonTable(data.comparison, out)) out.line(line);
  return exit;
}
