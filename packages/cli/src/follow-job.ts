/** Watching a job: asks the daemon what is new, again and again, and prints it as it comes. */
import type { Followed, JobCard, JobsOptions } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import type { CommandContext, ExecuteMode } from "./command.ts";
import { createEpochView, type EpochView, trainingLine } from "./epoch-view.ts";
import { bestLine, endLines, pointLine, stateLine } from "./job-text.ts";

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
  const isDrawn = shows === "curve" && mode.out.redraws && !mode.json && !mode.quiet;
  const view = isDrawn ? createEpochView() : undefined;
  for (;;) {
    const { jobs, followed } = await context.call("jobs", {
      action: "follow",
      job: id,
      waitMs: once ? 0 : WAIT_MS,
      ...(isDrawn ? { progress: true } : {}),
      ...(since === undefined ? (tailBytes === undefined ? {} : { tailBytes }) : { since }),
    });
    const [card] = jobs;
    if (card === undefined || followed === null) throw new SmcError("INTERNAL", "nothing is told of the job");
    const news = { card, followed, since };
    if (view === undefined) await print(news, shows, mode);
    else await printDrawn(news, view, mode);
    if (followed.isDone || (once && followed.log === "")) return card;
    id = card.id;
    since = followed.position;
  }
}

interface News {
  readonly card: JobCard;
  readonly followed: Followed;
  /** What was told already. */
  readonly since: JobsOptions["since"];
}

async function print(
  { card, followed, since }: News,
  shows: FollowOptions["shows"],
  mode: ExecuteMode,
): Promise<void> {
  const { out } = mode;
  const from = since?.transitions ?? 0;
  const fresh = card.transitions.slice(from);
  if (mode.json) {
    for (const transition of fresh) out.jsonLine({ job: card.id, ...transition });
    if (shows === "curve") for (const point of followed.points) out.jsonLine({ job: card.id, ...point });
    if (shows === "curve" && followed.isDone && card.reason !== null)
      out.jsonLine({ job: card.id, reason: card.reason });
    if (shows === "log" && followed.log !== "")
      out.jsonLine({ job: card.id, log: followed.log, droppedBytes: followed.droppedBytes });
  } else if (shows === "curve" && !mode.quiet) {
    for (const line of stateLines(card, from)) out.line(line);
    for (const point of followed.points) out.line(pointLine(point));
    if (followed.isDone) for (const line of lastLines(card, followed)) out.line(line);
  } else if (shows === "log") {
    if (followed.droppedBytes > 0)
      out.hint(`${followed.droppedBytes} bytes of the log are not kept any more`);
    await out.text(followed.log);
  }
  if (mode.quiet && !mode.json && followed.isDone && card.commit !== null) out.line(card.commit);
  await out.flush();
}

/** On a terminal: the epoch that is learned is a bar, until it is a line. */
async function printDrawn(
  { card, followed, since }: News,
  view: EpochView,
  { out }: ExecuteMode,
): Promise<void> {
  const { progress } = followed;
  const lines = stateLines(card, since?.transitions ?? 0);
  if (progress !== null) {
    if (since?.progressUs === undefined) lines.push(trainingLine(card, progress));
    view.said(progress);
  }
  lines.push(...followed.points.map((point) => view.epoch(point, followed.best)));
  if (followed.isDone) lines.push(...lastLines(card, followed));
  for (const line of lines) out.line(line);
  if (lines.length > 0) await out.flush();
  const live = card.state === "running" ? view.live(performance.now()) : undefined;
  if (live !== undefined) out.draw(live);
}

function stateLines(card: JobCard, from: number): string[] {
  return card.transitions.slice(from).flatMap(({ state }, index) => {
    return state === "running" || state === "queued" ? [`${card.id}  ${stateLine(card, from + index)}`] : [];
  });
}

function lastLines(card: JobCard, { best }: Followed): string[] {
  return [...(best === null ? [] : [bestLine(best)]), ...endLines(card)];
}
