/**
 * The engine `tfjs` as a program: `node train-program.js MODE <JSON> [FOLDER ...]`. `check` takes a list of specs and
 * prints each whole spec or its error, `inspect` what is in the data below a folder, `batch` writes images of them,
 * `eval` what a model makes of them, `backbones` all of them, `describe` what one builds; `export` writes a model for
 * other programs; `train` learns from the folder it stands in, and tells each epoch as any other program of a job does.
 */
import { Socket } from "node:net";
import { isSmcError, SmcError } from "@smc/store/errors";
import {
  describeBackbone,
  type EpochRow,
  evaluateModel,
  evaluateOnnx,
  exportModel,
  inspectData,
  type KnownData,
  listBackbones,
  previewBatch,
  resolveSpec,
  train,
  type TrainEvent,
} from "@smc/trainer";
import { ProgressFile } from "./progress-file.ts";

/** Pipes of whoever started this; opened when there is something to say. */
function open(fd: number): (text: string) => void {
  let socket: Socket | undefined;
  return (text) => {
    socket ??= new Socket({ fd, readable: false, writable: true }).on("error", () => socket?.destroy());
    socket.write(`${text}\n`);
  };
}

const out = open(1);
const err = open(2);
/** Of a network, in what is told again and again. */
const LAYERS_TOLD_MAX = 200;
const progress = new ProgressFile(process.env["SMC_PROGRESS_FILE"]);

function tellEpoch({ epoch, metrics, lr, seconds }: EpochRow): void {
  out(JSON.stringify({ epoch, metrics: { ...metrics, lr, seconds: Math.round(seconds * 1000) / 1000 } }));
}

/** What is known of the run by now; each event adds to it. */
let now: Readonly<Record<string, unknown>> = {};

function say(more: object): void {
  now = { ...now, ...more };
  progress.say(now);
}

function tell(event: TrainEvent, epochs: number): void {
  if (event.type === "epoch") {
    const { epoch, metrics, predictions } = event;
    say({ epoch, step: now["steps"], metrics, predictions });
    tellEpoch(event);
  } else if (event.type === "batch") {
    const { epoch, batch, batches, metrics } = event;
    say({ epoch, step: batch, steps: batches, metrics });
  } else if (event.type === "ready") {
    const { samples, classes, weights, backend, history, batches, layers } = event;
    say({
      epochs,
      epoch: history.length,
      steps: batches,
      weights,
      layers: layers.slice(0, LAYERS_TOLD_MAX),
    });
    // Nobody may have heard the last of them: the keeper was killed. It leaves out what it knows.
    for (const row of history) tellEpoch(row);
    out(
      `${samples.train} samples, ${samples.validation} to validate, ${classes} classes, ${weights} weights, ${backend}`,
    );
  } else if (event.type === "step") out(`step ${event.step}`);
  else if (event.type === "message") err(`${event.level}: ${event.text}`);
}

async function run(spec: unknown): Promise<void> {
  const { SMC_OUTPUT: outputDir, SMC_RESUME } = process.env;
  if (outputDir === undefined) throw new SmcError("USAGE", "SMC_OUTPUT is not set");
  const stop = new AbortController();
  process.on("SIGTERM", () => stop.abort());
  const { epochs } = resolveSpec(spec);
  const { status, reason, modelDigest } = await train(spec, {
    inputDir: process.cwd(),
    outputDir,
    signal: stop.signal,
    onEvent: (event) => tell(event, epochs),
    resume: SMC_RESUME === "1",
  });
  if (reason !== undefined) say({ reason });
  const ended = reason ?? status;
  if (modelDigest === undefined && status !== "failed")
    err(`${ended}: no epoch was learned whole, so there is no model`);
  else if (reason !== undefined) err(reason);
  await progress.done();
  // Without a model nothing is to be committed.
  if (modelDigest === undefined) process.exitCode = 1;
}

function knownError(error: unknown): SmcError {
  return isSmcError(error) ? error : new SmcError("INTERNAL", String(error), { cause: error });
}

function check(spec: unknown): { spec: unknown } | { error: SmcError } {
  try {
    return { spec: resolveSpec(spec) };
  } catch (error) {
    return { error: knownError(error) };
  }
}

const [mode, text = "{}", inputDir = ".", word = "0", more = "all", last = ""] = process.argv.slice(2);

/** What is asked before or after a training; undefined where one is asked for. */
async function answer(asked: unknown): Promise<unknown> {
  const { signal } = new AbortController();
  if (mode === "check") return (asked as unknown[]).map(check);
  if (mode === "inspect") return inspectData(asked, { inputDir, signal, show: Number(word) });
  if (mode === "batch")
    return previewBatch(asked, { inputDir, outputDir: word, count: Number(more), signal });
  if (mode === "backbones") return listBackbones();
  if (mode === "eval") {
    const wanted = more === "validation" ? "validation" : "all";
    const context = { inputDir, modelDir: word, split: wanted, signal } as const;
    if (last === "") return evaluateModel(asked, context);
    const { classes } = JSON.parse(last) as { classes?: readonly string[] };
    return evaluateOnnx(asked, { ...context, classes });
  }
  if (mode === "export") {
    const formats = (["onnx", "tfjs"] as const).filter((format) => last.split(",").includes(format));
    return exportModel(asked, { inputDir, modelDir: word, outputDir: more, formats, signal });
  }
  if (mode !== "describe") return undefined;
  const { spec, known } = asked as { spec: object; known: KnownData };
  return describeBackbone(spec, { known, inputDir, signal });
}

try {
  const asked = JSON.parse(text) as unknown;
  const told = await answer(asked);
  if (told === undefined) await run(asked);
  else out(JSON.stringify({ answer: told }));
} catch (error) {
  const known = knownError(error);
  // One line: it is the reason of the job.
  if (mode === "train") err(known.hint === undefined ? known.message : `${known.message}; ${known.hint}`);
  else out(JSON.stringify({ error: known }));
  process.exitCode = known.exit;
}
