/** Watching a job: asks the daemon what is new, again and again, and prints it as it comes. */
import type { Followed, JobCard, JobsOptions } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import type { CommandContext, ExecuteMode } from "./command.ts";
import { endLines, pointLine, stateLine } from "./job-text.ts";

/** The daemon answers after so long also when nothing is new. */
const WAIT_MS = 5_000;

export interface FollowOptions {
  readonly job: string;
  /** "curve": states and epochs. "log": what the program prints. "nothing": only the end counts. */
  readonly shows: "curve" | "log" | "nothing";
  /** Of the log, how much of what is there already. */
  readonly tailBytes?: number;
  /** What there is by now, without waiting for more. */
  readonly once?: boolean;
}

/** Returns the job when it has ended, or `once` everything there is was printed. Throws JOB_NOT_FOUND. */
export async function followJob(
  context: CommandContext,
  { job, shows, tailBytes, once = false }: FollowOptions,
  mode: ExecuteMode,
): Promise<JobCard> {
  let since: JobsOptions["since"];
  // What remains the same when another job takes the name.
  let id = job;
  for (;;) {
    const { jobs, followed } = await context.call("jobs", {
      action: "follow",
      job: id,
      waitMs: once ? 0 : WAIT_MS,
      ...(since === undefined ? (tailBytes === undefined ? {} : { tailBytes }) : { since }),
    });
    const [card] = jobs;
    if (card === undefined || followed === null) throw new SmcError("INTERNAL", "nothing is told of the job");
    await print({ card, followed, from: since?.transitions ?? 0 }, shows, mode);
    if (followed.isDone || (once && followed.log === "")) return card;
    id = card.id;
    since = followed.position;
  }
}

interface News {
  readonly card: JobCard;
  readonly followed: Followed;
  /** Index of the first state that was not told yet. */
  readonly from: number;
}

async function print(
  { card, followed, from }: News,
  shows: FollowOptions["shows"],
  mode: ExecuteMode,
): Promise<void> {
  const { out } = mode;
  const fresh = card.transitions.slice(from);
  if (mode.json) {
    for (const transition of fresh) out.jsonLine({ job: card.id, ...transition });
    if (shows === "curve") for (const point of followed.points) out.jsonLine({ job: card.id, ...point });
    if (shows === "log" && followed.log !== "")
      out.jsonLine({ job: card.id, log: followed.log, droppedBytes: followed.droppedBytes });
  } else if (shows === "curve" && !mode.quiet) {
    for (const [index, { state }] of fresh.entries())
      if (state === "running" || state === "queued") out.line(`${card.id}  ${stateLine(card, from + index)}`);
    for (const point of followed.points) out.line(pointLine(point));
    if (followed.isDone) for (const line of endLines(card)) out.line(line);
  } else if (shows === "log") {
    if (followed.droppedBytes > 0)
      out.hint(`${followed.droppedBytes} bytes of the log are not kept any more`);
    await out.text(followed.log);
  }
  if (mode.quiet && !mode.json && followed.isDone && card.commit !== null) out.line(card.commit);
  await out.flush();
}
