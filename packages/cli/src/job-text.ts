/** Jobs as text. */
import type { JobCard, JobsResult } from "@smc/store";
import { show } from "@smc/store/show";
import {
  formatAgo,
  formatCount,
  formatDuration,
  formatNumber,
  formatSize,
  formatTable,
  shortDigest,
} from "./format.ts";
import type { Colour, Output } from "./output.ts";

type Point = NonNullable<JobsResult["points"]>[number];

const EXIT_FAILED = 10;
const WORD_SHOWN = 60;
const WHY_SHOWN = 1000;

const COLOURS: Partial<Record<JobCard["state"], Colour>> = {
  running: "cyan",
  finished: "green",
  failed: "red",
  lost: "red",
  stopped: "yellow",
  canceled: "yellow",
};

/** 10 when what was waited for did not finish. */
export function exitOf(job: JobCard | undefined): number {
  return job === undefined || job.state === "finished" ? 0 : EXIT_FAILED;
}

export function jobTable(jobs: readonly JobCard[], out: Output, nowMs: number): string[] {
  const rows = jobs.map((job) => [
    job.id,
    out.paint(COLOURS[job.state] ?? "dim", job.state),
    show(job.name, WORD_SHOWN),
    job.commit === null ? "" : shortDigest(job.commit),
    formatAgo(job.createdMs, nowMs),
    show(job.spec.argv.join(" "), WORD_SHOWN),
  ]);
  return formatTable([["ID", "STATE", "NAME", "COMMIT", "MADE", "PROGRAM"], ...rows]);
}

/** `epoch  3  loss 0.412  val_acc 0.87`; of a long list of metrics all of them. */
export function pointLine({ epoch, metrics }: Point): string {
  const parts = Object.entries(metrics).map(
    ([name, value]) => `${show(name, WORD_SHOWN)} ${formatNumber(value)}`,
  );
  return [`Epoch ${String(epoch).padStart(3)}`, ...parts].join("  ");
}

/** One line for each state that a job came to. */
export function stateLine(job: JobCard, at: number): string {
  const transition = job.transitions[at];
  if (transition === undefined) return "";
  return `${transition.state}: ${show(transition.why, WHY_SHOWN)}`;
}

/** What there is to say at the end. */
export function endLines(job: JobCard): string[] {
  const seconds = ((job.endedMs ?? 0) - (job.startedMs ?? job.endedMs ?? 0)) / 1000;
  const lines = [
    ...(job.reason === null ? [] : [show(job.reason, WHY_SHOWN)]),
    `${job.state} after ${formatDuration(seconds)}: ${show(job.why, WHY_SHOWN)}`,
  ];
  if (job.commit !== null) {
    lines.push(`commit ${shortDigest(job.commit)} on ${show(job.branch)}`);
    const version = show(job.branch);
    lines.push(`next: smc compare champion ${version}, smc promote ${version} --reason "…"`);
  } else if (job.state !== "canceled") {
    lines.push(`what it wrote is in ${show(job.outputFolder, WHY_SHOWN)}`);
  }
  return lines;
}

export function printJob(data: JobsResult, out: Output): void {
  const [job] = data.jobs;
  if (job === undefined) return;
  const rows = [
    ["job", job.id],
    ["name", show(job.name)],
    ["state", `${job.state}: ${show(job.why, WHY_SHOWN)}`],
    ["program", show(job.spec.argv.join(" "), WHY_SHOWN)],
    ["repository", show(job.repository)],
    ["input", shortDigest(job.input)],
    ...(job.reason === null ? [] : [["reason", show(job.reason, WHY_SHOWN)]]),
    ...(job.commit === null ? [] : [["commit", `${shortDigest(job.commit)} on ${show(job.branch)}`]]),
    ["asked by", show(job.actor)],
    ["priority", String(job.priority)],
    ["attempt", String(job.attempt)],
    ["folder", show(job.folder, WHY_SHOWN)],
  ];
  const last = data.points?.at(-1);
  if (last !== undefined) rows.push(["last", pointLine(last)]);
  if (data.best !== null) rows.push(["best", `epoch ${data.best.epoch}, ${bestText(data.best)}`]);
  for (const line of formatTable(rows)) out.line(line);
  for (const [at, { atMs }] of job.transitions.entries())
    out.line(`  ${new Date(atMs).toISOString()}  ${stateLine(job, at)}`);
  const { predictions = [] } = data.progress ?? {};
  if (predictions.length > 0) for (const line of predictionTable(predictions)) out.line(line);
}

type Predictions = NonNullable<JobsResult["progress"]>["predictions"];

/** Samples that are not learned from. */
function predictionTable(predictions: Predictions): string[] {
  const rows = predictions.map(({ sample, expected, predicted, probability }) => [
    String(sample),
    ...[expected, predicted].map((label) => show(String(label), WORD_SHOWN)),
    probability === undefined ? "" : `${Math.round(100 * probability)} %`,
  ]);
  return formatTable([["SAMPLE", "EXPECTED", "PREDICTED", "SURE"], ...rows], [0, 3]);
}

/** `best epoch 5, val_acc 0.893`. */
export function bestLine(best: NonNullable<JobsResult["best"]>): string {
  return `best epoch ${best.epoch}, ${bestText(best)}`;
}

/** The best one first, with a star. */
export function comparisonTable(
  { metric, rows }: NonNullable<JobsResult["comparison"]>,
  out: Output,
): string[] {
  const names = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  const head = [
    "",
    "ID",
    "NAME",
    "STATE",
    ...names.map((name) => show(name, WORD_SHOWN)),
    show(metric ?? "", WORD_SHOWN),
  ];
  const lines = rows.map(({ job, values, metric: value, isBest }) => [
    isBest ? "*" : "",
    job.id,
    show(job.name, WORD_SHOWN),
    out.paint(COLOURS[job.state] ?? "dim", job.state),
    ...names.map((name) => show(values[name] ?? "", WORD_SHOWN)),
    value === null ? "" : `${formatNumber(value)}${isBest ? "  best" : ""}`,
  ]);
  return formatTable([head, ...lines]);
}

/** Newest last. */
export function checkpointTable(checkpoints: NonNullable<JobsResult["checkpoints"]>): string[] {
  const rows = checkpoints.map(({ path, sizeBytes, date, epoch, metric, value, isBest, digest }) => [
    date,
    formatSize(sizeBytes),
    epoch === null ? "" : String(epoch),
    metric === null || value === null ? "" : `${bestText({ metric, value })}${isBest ? "  best" : ""}`,
    digest === null ? "" : shortDigest(digest),
    show(path),
  ]);
  return formatTable([["WRITTEN", "SIZE", "EPOCH", "METRIC", "DIGEST", "PATH"], ...rows], [1, 2]);
}

/** What went with a job, or would go. */
export function leavingLines(
  { id, commit, branch }: JobCard,
  { folderBytes, unreachable }: NonNullable<JobsResult["leavings"]>,
  isPlan: boolean,
): string[] {
  const rows = unreachable.map(
    ({ what, digest, files, sizeBytes }) =>
      `  ${what} ${shortDigest(digest)}: ${formatCount(files, "file")} of its own, ${formatSize(sizeBytes)}`,
  );
  const stays = commit === null ? "" : `; its commit ${shortDigest(commit)} stays on ${show(branch)}`;
  const head = `${isPlan ? "would remove" : "removed"} job ${id} and its folder, ${formatSize(folderBytes)}${stays}`;
  return rows.length === 0 ? [head] : [head, "nothing leads to these any more, gc takes them:", ...rows];
}

function bestText({ metric, value }: { metric: string; value: number }): string {
  return `${show(metric, WORD_SHOWN)} ${formatNumber(value)}`;
}

/** RFC 4180. */
export function csvHead(names: readonly string[]): string {
  const cell = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return ["epoch", ...names.map(cell)].join(",");
}

/** A metric that the epoch lacks is an empty cell. */
export function csvRow({ epoch, metrics }: Point, names: readonly string[]): string {
  return [epoch, ...names.map((name) => metrics[name] ?? "")].join(",");
}
