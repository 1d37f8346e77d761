import { resolve } from "node:path";
import type { JobCard, JobsResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { layerTable } from "../backbone-text.ts";
import { defineCommand, Streamed } from "../command.ts";
import { followJob, type FollowOptions } from "../follow-job.ts";
import { shortDigest } from "../format.ts";
import { printEpochs } from "../job-epochs.ts";
import { checkpointTable, comparisonTable, exitOf, jobTable, leavingLines, printJob } from "../job-text.ts";
import type { Output } from "../output.ts";
import { plotText } from "../plot-text.ts";
import { parsePriority } from "./train.ts";

const ACTIONS = [
  "list",
  "show",
  "watch",
  "logs",
  "epochs",
  "checkpoints",
  "compare",
  "plot",
  "commit",
  "stop",
  "pause",
  "resume",
  "cancel",
  "retry",
  "wait",
  "rm",
  "priority",
] as const;
type Action = (typeof ACTIONS)[number];

const EPOCHS_MAX = 10_000;
/** Of the log, where it is not followed from the beginning. */
const TAIL_BYTES = 64 * 1024;

/** What `follow` shows for the actions that wait for the end of a job. */
const SHOWS: Partial<Record<Action, FollowOptions["shows"]>> = {
  watch: "curve",
  wait: "nothing",
  logs: "log",
};

export const command = defineCommand({
  usage: [
    "jobs [list]",
    "jobs show JOB [--layers]",
    "jobs watch|wait|checkpoints JOB",
    "jobs logs JOB [-f]",
    "jobs epochs JOB [--csv]",
    "jobs stop|pause|resume|cancel JOB",
    "jobs rm JOB [-n]",
    "jobs plot JOB [--metric NAME,...] [--svg FILE] [--png FILE] [--force]",
    "jobs commit JOB",
    "jobs compare GROUP [--metric NAME] [--apply]",
    "jobs retry JOB [--resume [--epochs N] [--patience N]]",
    "jobs priority JOB N",
  ],
  description: [
    "Jobs are made by smc train. A JOB is named by its id, the start of it, or its name: then it is the newest of",
    "that name. stop sends SIGTERM to the program and makes the file that SMC_STOP_FILE names, so that it can save;",
    "after its grace it is killed. pause lets it stand still, or holds it back, until resume. cancel kills it at",
    "once with all that it started. retry makes a new job of the same kind; with --resume the job goes on in its",
    "own folder, also one that has finished: --epochs lets it learn so many in all. watch and wait end with 10 when",
    "the job does not finish.",
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), completes: ACTIONS },
    { name: "JOB", summary: "id or name" },
    { name: "N", summary: "priority: jobs of a higher one begin first" },
  ],
  options: {
    metric: {
      type: "string",
      value: "NAME",
      summary: "compare: by which they are ranked (the one people look at first); plot: what is drawn",
    },
    svg: { type: "string", value: "FILE", summary: "plot: make this picture in place of characters" },
    png: { type: "string", value: "FILE", summary: "plot: the same as PNG" },
    force: { type: "boolean", summary: "plot: replace a picture that is there" },
    apply: { type: "boolean", summary: "compare: the best one becomes the challenger" },
    "dry-run": { type: "boolean", short: "n", summary: "rm: tell what would go, remove nothing" },
    layers: { type: "boolean", summary: "show: also the layers of its network" },
    follow: { type: "boolean", short: "f", summary: "logs: go on until the job has ended" },
    csv: { type: "boolean", summary: "epochs: comma-separated, with a head" },
    resume: { type: "boolean", summary: "retry: go on in the job's own folder" },
    epochs: {
      type: "integer",
      value: "N",
      min: 1,
      max: EPOCHS_MAX,
      summary: "retry --resume, tfjs: so many epochs in all",
    },
    patience: {
      type: "integer",
      value: "N",
      min: 1,
      max: EPOCHS_MAX,
      summary: "retry --resume, tfjs: so many epochs without a better one",
    },
  },
  examples: [
    ["smc jobs", "list them"],
    ["smc jobs logs -f 1f2e3d4c", "what it prints"],
    ["smc jobs epochs night --csv > curve.csv", "its curve"],
    ["smc jobs plot night --svg curve.svg", "and as a picture"],
    ["smc jobs commit night", "there is room on the disk again"],
    ["smc jobs retry --resume night --epochs 40", "learn more"],
    ["smc jobs wait night && smc compare champion challenger", "when it is done"],
  ],
  run: async (context, { words, rest, options }, mode) => {
    const [word = "list", job, number] = [...words, ...(rest ?? [])];
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined)
      throw new SmcError("ARGUMENT_INVALID", `jobs: '${show(word, 80)}' is not one of ${ACTIONS.join(", ")}`);
    if ((job === undefined) !== (action === "list") || (number !== undefined) !== (action === "priority"))
      throw new SmcError("USAGE", `it is "smc jobs ${action}${hintOf(action)}"`);
    for (const [name, of] of [
      ["layers", "show"],
      ["follow", "logs"],
      ["csv", "epochs"],
      ["resume", "retry"],
      ["epochs", "retry"],
      ["patience", "retry"],
      ["svg", "plot"],
      ["png", "plot"],
      ["force", "plot"],
      ["apply", "compare"],
      ["dry-run", "rm"],
    ] as const)
      if (options[name] && action !== of) throw new SmcError("USAGE", `--${name} goes with "smc jobs ${of}"`);
    if (options.metric !== undefined && action !== "compare" && action !== "plot")
      throw new SmcError("USAGE", '--metric goes with "smc jobs compare" and "smc jobs plot"');
    if (action === "epochs" && job !== undefined)
      return printEpochs(context, { job, csv: options.csv }, mode);
    const shows = SHOWS[action];
    const data = await context.call("jobs", {
      action: shows === undefined ? (action as "list") : "show",
      ...(job === undefined ? {} : { job }),
      ...(number === undefined ? {} : { priority: parsePriority(number) }),
      ...(options.resume ? { resume: true } : {}),
      ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
      ...(options.metric === undefined ? {} : { metric: options.metric }),
      ...(options.svg === undefined ? {} : { svg: resolve(context.folder, options.svg) }),
      ...(options.png === undefined ? {} : { png: resolve(context.folder, options.png) }),
      ...(options.force ? { force: true } : {}),
      ...(options.apply ? { apply: true } : {}),
      ...(options["dry-run"] ? { dryRun: true } : {}),
      ...(options.patience === undefined ? {} : { patience: options.patience }),
    });
    const [card] = data.jobs;
    if (shows === undefined || card === undefined) return data;
    const isTail = action === "logs" && !options.follow;
    const follow = { job: card.id, shows, ...(isTail ? { tailBytes: TAIL_BYTES, once: true } : {}) };
    const ended = await followJob(context, follow, mode);
    return new Streamed(action === "logs" ? 0 : exitOf(ended));
  },
  print: (data, out, { options }) => {
    const [job] = data.jobs;
    const { action, checkpoints } = data;
    if (action === "list") {
      if (data.jobs.length > 0) for (const line of jobTable(data.jobs, out, Date.now())) out.line(line);
      else out.hint('there are no jobs; make one with "smc train"');
    } else if (action === "show") {
      printJob(data, out);
      if (options.layers) printLayers(data, out);
    } else if (data.comparison !== null) {
      for (const line of comparisonTable(data.comparison, out)) out.line(line);
      if (options.apply) out.line(`${shortDigest(data.jobs[0]?.commit ?? "")} is the challenger`);
    } else if (data.panels !== null) {
      const pictures = [options.svg, options.png].filter((path) => path !== undefined);
      if (data.panels.length === 0) out.hint("there is no epoch yet");
      else if (pictures.length > 0) for (const path of pictures) out.line(show(path));
      else for (const panel of data.panels) for (const line of plotText(panel, out.columns)) out.line(line);
    } else if (checkpoints !== null) {
      for (const line of checkpointTable(checkpoints)) out.line(line);
    } else if (data.leavings !== null && job !== undefined) {
      for (const line of leavingLines(job, data.leavings, options["dry-run"])) out.line(line);
    } else if (job !== undefined) out.line(doneText(action, job));
  },
  quiet: ({ jobs, checkpoints }) => {
    if (checkpoints !== null) return checkpoints.map(({ path }) => path);
    return jobs.map(({ id }) => id);
  },
});

function printLayers({ progress }: JobsResult, out: Output): void {
  const { layers = [] } = progress ?? {};
  if (layers.length === 0) out.hint("its program has told no layers");
  else for (const line of layerTable({ layers })) out.line(line);
}

function hintOf(action: Action): string {
  if (action === "list") return "";
  if (action === "compare") return " GROUP";
  return action === "priority" ? " JOB N" : " JOB";
}

function doneText(
  action: string,
  job: Pick<JobCard, "id" | "state" | "hasEnded" | "priority" | "commit">,
): string {
  if (action === "priority") return `job ${job.id} has priority ${job.priority}`;
  if (action === "retry") return `job ${job.id} is queued`;
  if (action === "commit") return `${shortDigest(job.commit ?? "")} is what job ${job.id} wrote`;
  if (action === "pause" || action === "resume") return `job ${job.id} is ${job.state}`;
  return job.hasEnded ? `job ${job.id} is ${job.state}` : `asked job ${job.id} to ${action}`;
}
