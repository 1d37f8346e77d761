import { join, resolve } from "node:path";
import type { VerbInput } from "@smc/daemon/client";
import type { TrainResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { callOrAsk } from "../call-or-ask.ts";
import { changeLines } from "../change-text.ts";
import { type CommandContext, defineCommand, Streamed } from "../command.ts";
import { followJob } from "../follow-job.ts";
import { inheritedVariables, namedVariables } from "../job-variables.ts";
import { followGroup } from "../follow-group.ts";
import { exitOf, jobTable } from "../job-text.ts";
import type { Output } from "../output.ts";
import { parsePairs, parseScalars } from "../pairs.ts";
import { resumeJob } from "../resume-job.ts";
import { SETTING_OPTIONS, settingsOf } from "../train-settings.ts";

const PRIORITY_MAX = 1000;
const KEPT_MAX = 1000;
const LINE_SHOWN = 1000;
/** Of the files that a job does not see. */
const UNSEEN_SHOWN = 5;

export const command = defineCommand({
  usage: [
    "train [options] [REV] -- PROGRAM [ARG ...]",
    "train --engine tfjs --data PATH [--backbone NAME] [--epochs N] [--set K=V ...] [options] [REV]",
    "train --config FILE [options] [REV] [-- PROGRAM [ARG ...]]",
    "train --engine tfjs --data PATH --preview-batch N [-o DIR] [--set K=V ...]",
    "train --resume JOB [--epochs N] [--patience N] [-d]",
  ],
  description: [
    "Runs a program of any framework as a job of the daemon, in a working copy of REV of its own, and commits what",
    "it writes into the folder that SMC_OUTPUT names: on the branch jobs/NAME, over the files of REV, with its",
    "params, metrics, curve, duration and environment. That commit becomes the challenger. Your folder is not",
    'touched. Lines such as {"epoch": 1, "metrics": {"loss": 0.5}} on its standard output are the curve. No shell',
    "reads its words. A job of a name that was configured otherwise the last time shows what changed and asks;",
    "--yes answers. The job goes on when the terminal is closed or the command interrupted. The status is 10 when",
    "it does not finish.",
  ],
  positionals: [
    { name: "REV", summary: "what the job works on (HEAD)", completes: "refs" },
    { name: "PROGRAM", summary: "after --: the program and its words", many: true },
  ],
  options: {
    config: { type: "string", value: "FILE", summary: "YAML with any of this; options go before it" },
    "print-config": { type: "boolean", summary: "print every value with its origin; start nothing" },
    name: { type: "string", value: "NAME", summary: "name of the job and of its branch jobs/NAME (its id)" },
    message: { type: "string", short: "m", value: "TEXT", summary: "message of the commit (train NAME)" },
    param: { type: "string", value: "K=V", multiple: true, summary: "a param beside --K V of the program" },
    env: { type: "string", value: "NAME", multiple: true, summary: "pass on a variable, or NAME=VALUE" },
    output: {
      type: "string",
      short: "o",
      value: "DIR",
      summary: "folder of the working copy that is committed",
    },
    "metrics-file": {
      type: "string",
      value: "FILE",
      summary: "read metrics of .json, .yaml or .csv at the end",
    },
    checkpoints: { type: "string", value: "GLOB", summary: "files of the output that are not committed" },
    "keep-best": {
      type: "integer",
      value: "N",
      min: 0,
      max: KEPT_MAX,
      summary: "of the checkpoints the best N stay",
    },
    "keep-last": {
      type: "integer",
      value: "N",
      min: 1,
      max: KEPT_MAX,
      summary: "and the last N (1, where one of both is named)",
    },
    priority: { type: "string", value: "N", summary: "before jobs of a lower one (0)" },
    timeout: { type: "string", value: "TIME", summary: "ended after 90s, 30min, 2h, 1d" },
    grace: { type: "string", value: "TIME", summary: "from SIGTERM to SIGKILL when it is ended (30s)" },
    engine: {
      type: "choice",
      choices: ["command", "tfjs"],
      summary: "tfjs: the trainer of smc, without a program",
    },
    resume: {
      type: "string",
      value: "JOB",
      summary: "let a job go on in its folder, with --epochs or --patience also a finished one",
    },
    grid: {
      type: "string",
      value: "K=V,W",
      multiple: true,
      summary: "a job for each combination: of settings, or of {K} in words of the program",
    },
    detach: { type: "boolean", short: "d", summary: "return as soon as there is a job" },
    ...SETTING_OPTIONS,
  },
  examples: [
    ["smc train -- python train.py --lr 0.01 --epochs 20", "train HEAD, watch, commit"],
    ["smc train -d --name night --timeout 8h v1.0.0 -- ./train.sh", "in the background"],
    ["smc jobs watch night", "look at it later"],
    ["smc train --engine tfjs --data digits --backbone tiny-cnn --epochs 3", "without a program"],
    ["smc train -d --grid lr=0.1,0.01 -- python train.py --lr {lr}", "two jobs; then smc jobs compare"],
    ["smc train --resume night --epochs 40", "learn more"],
    ["smc train --config train.yaml --lr 0.01 --print-config", "what would be run, and why"],
  ],
  run: async (context, { words, rest, options }, mode) => {
    if (words.length > 1)
      throw new SmcError(
        "USAGE",
        `'${show(words[1] ?? "", 80)}' is one word too many before --; no job was made`,
      );
    if (options.resume !== undefined)
      return resumeJob(context, { job: options.resume, given: { words, rest, options } }, mode);
    const [revision] = words;
    const { name, message, output, checkpoints, timeout, grace, priority, engine, config } = options;
    const metricsFile = options["metrics-file"];
    const input = {
      argv: [...(rest ?? [])],
      settings: settingsOf(options),
      inherited: inheritedVariables(),
      environment: namedVariables(options.env),
      ...(engine === undefined ? {} : { engine: engine === "tfjs" ? engine : ("command" as const) }),
      ...(revision === undefined ? {} : { revision }),
      ...(name === undefined ? {} : { name }),
      ...(message === undefined ? {} : { message }),
      ...outputOf(context, { count: options["preview-batch"], output }),
      ...(checkpoints === undefined ? {} : { checkpoints }),
      ...(options["keep-best"] === undefined ? {} : { keepBest: options["keep-best"] }),
      ...(options["keep-last"] === undefined ? {} : { keepLast: options["keep-last"] }),
      ...(metricsFile === undefined ? {} : { metricsFile }),
      ...(options.param.length === 0 ? {} : { params: parseScalars("--param", options.param) }),
      ...(timeout === undefined ? {} : { timeout }),
      ...(grace === undefined ? {} : { grace }),
      ...(priority === undefined ? {} : { priority: parsePriority(priority) }),
      ...(options.grid.length === 0 ? {} : { grid: parseGrid(options.grid) }),
      ...(config === undefined ? {} : { config: resolve(context.folder, config) }),
    };
    const data = await submit(context, input, options["print-config"]);
    const { job, group } = data;
    if (job !== null) warnOfUnseen(data, mode.out);
    if (job === null || options.detach) return data;
    if (group !== null) return new Streamed(await followGroup(context, data, mode));
    mode.out.hint(`job ${job.id} goes on without this command; see "smc jobs watch ${job.id}"`);
    return new Streamed(exitOf(await followJob(context, { job: job.id, shows: "curve" }, mode)));
  },
  print: ({ job, jobs, group, previewed, ...planned }, out) => {
    if (previewed !== null) {
      const { output, images } = previewed;
      for (const { path, label, sample } of images)
        out.line(`${show(join(output, path), LINE_SHOWN)}  ${show(label, 80)} (sample ${sample})`);
      return;
    }
    if (job === null) {
      for (const line of planned.configText.trimEnd().split("\n")) out.line(show(line, LINE_SHOWN));
      for (const line of tellChanges(planned)) out.hint(show(line, LINE_SHOWN));
      return;
    }
    if (group !== null) {
      for (const line of jobTable(jobs, out, Date.now())) out.line(line);
      out.hint(`see which is the best with "smc jobs compare ${show(job.group?.name ?? group)}"`);
      return;
    }
    out.line(`job ${job.name === job.id ? job.id : `${job.id} ${show(job.name)}`} is queued`);
    out.hint(`watch it with "smc jobs watch ${job.id}"`);
  },
  quiet: ({ job, jobs, config, previewed }) =>
    previewed?.images.map(({ path }) => join(previewed.output, path)) ??
    (job === null ? config.map(({ key }) => key) : jobs.map(({ id }) => id)),
});

/** Where a preview goes, is seen from where the user stands; the output of a job from the root of its working copy. */
function outputOf(
  context: CommandContext,
  { count, output }: { count: number | undefined; output: string | undefined },
): Pick<VerbInput<"train">, "output" | "preview"> {
  if (count !== undefined) return { preview: { count, output: resolve(context.folder, output ?? ".") } };
  return output === undefined ? {} : { output };
}

/** What was edited and not committed is the usual reason why nothing came out otherwise. */
function warnOfUnseen({ unseen }: TrainResult, out: Output): void {
  if (unseen.length === 0) return;
  const more = unseen.length > UNSEEN_SHOWN ? ", …" : "";
  const names = unseen.slice(0, UNSEEN_SHOWN).map((path) => show(path, 80));
  out.warn(
    `the job works on HEAD and does not see what was not committed: ${names.join(", ")}${more}; see "smc status"`,
  );
}

/** Asks about a configuration that is another one than the last of the name. */
function submit(context: CommandContext, input: VerbInput<"train">, isPlan: boolean): Promise<TrainResult> {
  if (isPlan) return context.call("train", { ...input, answer: "plan" });
  const call = (answer: Pick<VerbInput<"train">, "answer">): Promise<TrainResult> =>
    context.call("train", { ...input, ...answer });
  return callOrAsk(context, { call, tell: tellChanges });
}

/** What is otherwise than with the last job of the name. */
function tellChanges({ previous, changes }: Pick<TrainResult, "previous" | "changes">): string[] {
  if (changes.length === 0) return [];
  return [`The configuration is not that of job ${previous}:`, ...changeLines(changes)];
}

/** `lr=0.1,0.01` → the values as they were typed. */
export function parseGrid(words: readonly string[]): Record<string, string[]> {
  return Object.fromEntries([...parsePairs("--grid", words)].map(([name, text]) => [name, text.split(",")]));
}

export function parsePriority(text: string): number {
  const value = /^-?\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (Math.abs(value) <= PRIORITY_MAX) return value;
  throw new SmcError(
    "ARGUMENT_INVALID",
    `the priority '${show(text, 40)}' is not a number from -${PRIORITY_MAX} to ${PRIORITY_MAX}`,
  );
}
