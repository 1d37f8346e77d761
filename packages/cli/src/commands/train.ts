import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand, Streamed } from "../command.ts";
import { followJob } from "../follow-job.ts";
import { jobVariables } from "../job-variables.ts";
import { exitOf } from "../job-text.ts";
import { parseScalars } from "../pairs.ts";

const PRIORITY_MAX = 1000;

export const command = defineCommand({
  usage: [
    "train [options] [REV] -- PROGRAM [ARG ...]",
    "train --engine tfjs --data PATH [--backbone NAME] [--epochs N] [--set K=V ...] [options] [REV]",
  ],
  description: [
    "Runs a program of any framework as a job of the daemon, in a working copy of REV of its own, and commits what it writes",
    "into the folder that SMC_OUTPUT names: on the branch jobs/NAME, over the files of REV, with its params, metrics, curve,",
    "duration and environment. That commit becomes the challenger. Your folder is not touched.",
    'Lines such as {"epoch": 1, "metrics": {"loss": 0.5}} on its standard output are the curve. No shell reads its words.',
    "The job goes on when the terminal is closed or the command interrupted. The status is 10 when it does not finish.",
  ],
  positionals: [
    { name: "REV", summary: "what the job works on (HEAD)", completes: "refs" },
    { name: "PROGRAM", summary: "after --: the program and its words", many: true },
  ],
  options: {
    name: { type: "string", value: "NAME", summary: "name of the job and of its branch jobs/NAME (its id)" },
    message: { type: "string", short: "m", value: "TEXT", summary: "message of the commit (train NAME)" },
    param: { type: "string", value: "K=V", multiple: true, summary: "a param beside --K V of the program" },
    env: { type: "string", value: "NAME", multiple: true, summary: "pass on a variable, or NAME=VALUE" },
    output: { type: "string", value: "DIR", summary: "folder of the working copy that is committed" },
    "metrics-file": {
      type: "string",
      value: "FILE",
      summary: "read metrics of .json, .yaml or .csv at the end",
    },
    checkpoints: { type: "string", value: "GLOB", summary: "files of the output that are not committed" },
    priority: { type: "string", value: "N", summary: "before jobs of a lower one (0)" },
    timeout: { type: "string", value: "TIME", summary: "ended after 90s, 30min, 2h, 1d" },
    grace: { type: "string", value: "TIME", summary: "from SIGTERM to SIGKILL when it is ended (30s)" },
    engine: {
      type: "choice",
      choices: ["command", "tfjs"],
      summary: "tfjs: the trainer of smc, without a program",
    },
    data: {
      type: "string",
      value: "PATH",
      summary: "tfjs: a data set of smc data, or a folder of images, .csv, .npz, .npy of REV, or digits",
    },
    backbone: {
      type: "string",
      value: "NAME",
      summary: "tfjs: mlp, tiny-cnn, …, or onnx:FILE for a head on that model",
    },
    epochs: { type: "string", value: "N", summary: "tfjs: how often all data are seen" },
    seed: { type: "string", value: "N", summary: "tfjs: the same seed gives the same weights" },
    set: {
      type: "string",
      value: "K=V",
      multiple: true,
      summary: "tfjs: any other setting: lr, optimizer.name",
    },
    detach: { type: "boolean", short: "d", summary: "return as soon as there is a job" },
  },
  examples: [
    ["smc train -- python train.py --lr 0.01 --epochs 20", "train HEAD, watch, commit"],
    ["smc train -d --name night --timeout 8h v1.0.0 -- ./train.sh", "in the background"],
    ["smc jobs watch night", "look at it later"],
    ["smc train --engine tfjs --data digits --backbone tiny-cnn --epochs 3", "without a program"],
  ],
  run: async (context, { words, rest, options }, mode) => {
    const isOwn = options.engine === "tfjs";
    if (!isOwn && (rest === undefined || rest.length === 0))
      throw new SmcError("USAGE", "no program is named; no job was made", {
        hint: 'it is "smc train [options] [REV] -- PROGRAM [ARG ...]"',
      });
    const settings = settingsOf(options);
    if (!isOwn && Object.keys(settings).length > 0)
      throw new SmcError("USAGE", "--data, --backbone, --epochs, --seed and --set go with --engine tfjs");
    if (words.length > 1)
      throw new SmcError(
        "USAGE",
        `'${show(words[1] ?? "", 80)}' is one word too many before --; no job was made`,
      );
    const [revision] = words;
    const { name, message, output, checkpoints, timeout, grace, priority } = options;
    const metricsFile = options["metrics-file"];
    const data = await context.call("train", {
      argv: [...(rest ?? [])],
      ...(isOwn ? { engine: "tfjs" as const, settings } : {}),
      environment: jobVariables(options.env),
      ...(revision === undefined ? {} : { revision }),
      ...(name === undefined ? {} : { name }),
      ...(message === undefined ? {} : { message }),
      ...(output === undefined ? {} : { output }),
      ...(checkpoints === undefined ? {} : { checkpoints }),
      ...(metricsFile === undefined ? {} : { metricsFile }),
      ...(options.param.length === 0 ? {} : { params: parseScalars("--param", options.param) }),
      ...(timeout === undefined ? {} : { timeout }),
      ...(grace === undefined ? {} : { grace }),
      ...(priority === undefined ? {} : { priority: parsePriority(priority) }),
    });
    if (options.detach) return data;
    const { job } = data;
    mode.out.hint(`job ${job.id} goes on without this command; see "smc jobs watch ${job.id}"`);
    return new Streamed(exitOf(await followJob(context, { job: job.id, shows: "curve" }, mode)));
  },
  print: ({ job }, out) => {
    out.line(`job ${job.name === job.id ? job.id : `${job.id} ${show(job.name)}`} is queued`);
    out.hint(`watch it with "smc jobs watch ${job.id}"`);
  },
  quiet: ({ job }) => [job.id],
});

export function parsePriority(text: string): number {
  const value = /^-?\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (Math.abs(value) <= PRIORITY_MAX) return value;
  throw new SmcError(
    "ARGUMENT_INVALID",
    `the priority '${show(text, 40)}' is not a number from -${PRIORITY_MAX} to ${PRIORITY_MAX}`,
  );
}

interface OwnOptions {
  readonly data: string | undefined;
  readonly backbone: string | undefined;
  readonly epochs: string | undefined;
  readonly seed: string | undefined;
  readonly set: readonly string[];
}

/** As the trainer names them; it checks them, all at once. */
function settingsOf({ data, backbone, epochs, seed, set }: OwnOptions): ReturnType<typeof parseScalars> {
  const words = [
    ...(data === undefined ? [] : [`data=${data}`]),
    ...(backbone === undefined ? [] : [`backbone.name=${backbone}`]),
    ...(epochs === undefined ? [] : [`epochs=${epochs}`]),
    ...(seed === undefined ? [] : [`seed=${seed}`]),
    ...set,
  ];
  return parseScalars("--set", words);
}
