/**
 * The engine `tfjs` as a program: `node train-program.js check|inspect|eval|export|train <spec as JSON>`. `check` takes
 * a list and prints each whole spec or its error, `inspect` what is in the data below a folder, `eval` what a model
 * makes of them; `export` writes a model for other programs; `train` learns from the folder it stands in, and tells
 * each epoch as any other program of a job does.
 */
import { Socket } from "node:net";
import { isSmcError, SmcError } from "@smc/store/errors";
import {
  type EpochRow,
  evaluateModel,
  exportModel,
  inspectData,
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
    const { samples, classes, weights, backend, history, batches } = event;
    say({ epochs, epoch: history.length, steps: batches, weights });
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
  const { status, reason } = await train(spec, {
    inputDir: process.cwd(),
    outputDir,
    signal: stop.signal,
    onEvent: (event) => tell(event, epochs),
    resume: SMC_RESUME === "1",
  });
  if (reason !== undefined) {
    say({ reason });
    err(reason);
  }
  await progress.done();
  if (status === "failed") process.exitCode = 1;
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
try {
  const spec = JSON.parse(text) as unknown;
  if (mode === "check") out(JSON.stringify({ answer: (spec as unknown[]).map(check) }));
  else if (mode === "inspect") {
    const { signal } = new AbortController();
    out(JSON.stringify({ answer: await inspectData(spec, { inputDir, signal, show: Number(word) }) }));
  } else if (mode === "eval") {
    const { signal } = new AbortController();
    const wanted = more === "validation" ? "validation" : "all";
    const context = { inputDir, modelDir: word, split: wanted, signal } as const;
    out(JSON.stringify({ answer: await evaluateModel(spec, context) }));
  } else if (mode === "export") {
    const { signal } = new AbortController();
    const formats = (["onnx", "tfjs"] as const).filter((format) => last.split(",").includes(format));
    const context = { inputDir, modelDir: word, outputDir: more, formats, signal };
    out(JSON.stringify({ answer: await exportModel(spec, context) }));
  } else await run(spec);
} catch (error) {
  const known = knownError(error);
  if (mode === "train") err(known.message);
  else out(JSON.stringify({ error: known }));
  process.exitCode = known.exit;
}
