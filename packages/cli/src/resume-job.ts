/** `smc train --resume`: a job goes on, or is looked at when it never ended. */
import { SmcError } from "@smc/store/errors";
import { type CommandContext, type ExecuteMode, Streamed } from "./command.ts";
import { followJob } from "./follow-job.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";
import { exitOf } from "./job-text.ts";
import { parseInteger, type Words } from "./words.ts";

const EPOCHS_MAX = 10_000;
/** What may be said beside `--resume`: all else is what it was. */
const GOES_WITH: ReadonlySet<string> = new Set([
  "resume",
  "epochs",
  "patience",
  "detach",
  ...Object.keys(GLOBAL_OPTIONS),
]);

/** Throws USAGE for other words and options, ARGUMENT_INVALID, JOB_NOT_FOUND, JOB_STATE_WRONG. */
export async function resumeJob(
  context: CommandContext,
  { job, given }: { job: string; given: Words },
  mode: ExecuteMode,
): Promise<Streamed> {
  const { options, words, rest } = given;
  const others = Object.entries(options).filter(([name, value]) => !GOES_WITH.has(name) && isGiven(value));
  const [other] = others;
  if (other !== undefined || words.length > 0 || rest !== undefined)
    throw new SmcError(
      "USAGE",
      `${other === undefined ? "a revision or program" : `--${other[0]}`} does not go with --resume; nothing was changed`,
      { hint: "a job goes on as it was; only --epochs, --patience and -d may be added" },
    );
  const more = { ...numberOf("epochs", options["epochs"]), ...numberOf("patience", options["patience"]) };
  const [now] = (await context.call("jobs", { action: "show", job })).jobs;
  const isOpen = now?.hasEnded === false && Object.keys(more).length === 0;
  const data = isOpen
    ? await context.call("jobs", { action: "show", job: now.id })
    : await context.call("jobs", { action: "retry", job, resume: true, ...more });
  const [card] = data.jobs;
  if (card === undefined) throw new SmcError("INTERNAL", "nothing is told of the job");
  const { out, json, quiet } = mode;
  if (isOpen) out.hint(`job ${card.id} had not ended: it went on meanwhile`);
  if (options["detach"] !== true) {
    out.hint(`job ${card.id} goes on without this command; see "smc jobs watch ${card.id}"`);
    return new Streamed(exitOf(await followJob(context, { job: card.id, shows: "curve" }, mode)));
  }
  if (json) out.json(data);
  else out.line(quiet ? card.id : `job ${card.id} is ${card.state}: ${card.why}`);
  return new Streamed(0);
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}

function numberOf(name: string, text: unknown): Readonly<Record<string, number>> {
  if (typeof text !== "string") return {};
  return { [name]: parseInteger(text, { what: `--${name}`, min: 1, max: EPOCHS_MAX }) };
}
