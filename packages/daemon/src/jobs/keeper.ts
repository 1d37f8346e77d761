/**
 * The keeper of one running program, a process of its own: `node keeper.js <store> <job>`. It outlives the daemon, keeps
 * what the program prints, ends it when it shall end, and writes down how it ended. SIGTERM asks it to stop the program,
 * SIGINT to cancel it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { createFile } from "@smc/store/fs";
import { isSmcError, SmcError } from "@smc/store/errors";
import {
  claimAttempt,
  type JobEnd,
  JobLog,
  type JobPlaces,
  jobPlaces,
  type JobRecord,
  readJob,
  writeEnd,
} from "@smc/store/jobs";
import { trainProgram } from "./check-training.ts";
import { closeInherited } from "./inherited.ts";
import { killMarked, signalGroup } from "./kill-tree.ts";
import { ProgramOutput } from "./program-output.ts";

/** What a program that has ended left in its pipes comes within this time. */
const DRAIN_MS = 2_000;

/** On a full disk the end is written as soon as there is room; after so long the job is lost. */
const ROOM_MS_MAX = 3_600_000;
const ROOM_LOOK_MS = 500;

type Cause = JobEnd["cause"];

/** Why the program is to end, told to whoever waits. */
class Ending {
  cause: Cause = "exit";
  #child: ChildProcess | undefined;
  readonly #places: JobPlaces;
  readonly #graceMs: number;
  #timers: NodeJS.Timeout[] = [];

  constructor(places: JobPlaces, graceMs: number) {
    this.#places = places;
    this.#graceMs = graceMs;
  }

  /** From now on there is something to end; what was asked for before is done at once. */
  begin(child: ChildProcess, timeoutMs: number | null): void {
    this.#child = child;
    if (timeoutMs !== null) this.#timers.push(setTimeout(() => void this.softly("timeout"), timeoutMs));
    if (this.cause === "cancel") this.kill();
    else if (this.cause === "stop") void this.softly("stop");
  }

  /** SIGTERM to the program itself, so that it can save with its helpers alive; SIGKILL to all after the grace. */
  async softly(cause: "stop" | "timeout"): Promise<void> {
    if (this.cause === "exit") this.cause = cause;
    if (this.#child === undefined) return;
    await makeStopFile(this.#places);
    this.#child.kill("SIGTERM");
    this.#timers.push(setTimeout(() => this.kill(), this.#graceMs));
  }

  cancel(): void {
    this.cause = "cancel";
    this.kill();
  }

  kill(): void {
    if (this.#child?.pid !== undefined) signalGroup(this.#child.pid, "SIGKILL");
  }

  done(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

async function makeStopFile({ stopFile }: JobPlaces): Promise<void> {
  try {
    await createFile(stopFile, "", { durable: false });
  } catch (error) {
    // There already, or no room for it: the signal follows in any case.
    if (!isSmcError(error)) throw error;
  }
}

function environmentOf(record: JobRecord, places: JobPlaces): Record<string, string> {
  return {
    ...record.spec.environment,
    SMC_JOB_ID: record.id,
    SMC_OUTPUT: places.output,
    SMC_STOP_FILE: places.stopFile,
    SMC_PROGRESS_FILE: places.progress,
    ...(record.isResumed ? { SMC_RESUME: "1" } : {}),
  };
}

/** Undefined when it runs, else why it cannot. */
async function whyNotStarted(child: ChildProcess, program: string): Promise<string | undefined> {
  try {
    await once(child, "spawn");
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return `there is no program '${program}'`;
    if (code === "EACCES") return `'${program}' may not be run`;
    return `'${program}' cannot be run: ${code ?? String(error)}`;
  }
}

function wordsOf({ engine, argv }: JobRecord["spec"]): readonly string[] {
  return engine === "tfjs" ? [process.execPath, trainProgram(), "train", argv[1] ?? "{}"] : argv;
}

async function runProgram(record: JobRecord, places: JobPlaces, ending: Ending): Promise<JobEnd> {
  const { spec, attempt } = record;
  const [program = "", ...words] = wordsOf(spec);
  await using output = await ProgramOutput.open(await JobLog.open(places.log), places.history);
  const startedMs = Date.now();
  const child = spawn(program, words, {
    cwd: places.work,
    env: environmentOf(record, places),
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own: it is killed with all that it started.
    detached: true,
    windowsHide: true,
  });
  const error = await whyNotStarted(child, program);
  if (error !== undefined) {
    await output.note(error);
    const endedMs = Date.now();
    return { attempt, cause: "not-started", code: null, signal: null, error, startedMs, endedMs };
  }
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const { stdout, stderr } = child;
  const taken = Promise.all([output.take(stdout, true), output.take(stderr, false)]);
  ending.begin(child, spec.timeoutMs);
  const [code, signal] = await exited;
  const endedMs = Date.now();
  ending.done();
  signalGroup(child.pid ?? 0, "SIGKILL");
  killMarked(record.id);
  const late = setTimeout(() => {
    stdout.destroy();
    stderr.destroy();
  }, DRAIN_MS);
  await taken;
  clearTimeout(late);
  if (output.lostBytes > 0) await output.note(`${output.lostBytes} bytes of the log could not be written`);
  return { attempt, cause: ending.cause, code, signal, error: null, startedMs, endedMs };
}

/** Only the keeper knows how the program ended. */
async function keepEnd(places: JobPlaces, end: JobEnd): Promise<void> {
  for (const until = performance.now() + ROOM_MS_MAX; ; await sleep(ROOM_LOOK_MS)) {
    try {
      return await writeEnd(places, end);
    } catch (error) {
      if (!isSmcError(error, "DISK_FULL") || performance.now() >= until) throw error;
    }
  }
}

async function main(): Promise<void> {
  closeInherited();
  const [storePath, id] = process.argv.slice(2);
  if (storePath === undefined || id === undefined)
    throw new SmcError("USAGE", "usage: node keeper.js <store> <job>");
  const record = await readJob(storePath, id);
  if (record === undefined) throw new SmcError("JOB_NOT_FOUND", `there is no job ${id}`);
  const places = jobPlaces(storePath, record);
  const ending = new Ending(places, record.spec.graceMs);
  process.on("SIGTERM", () => void ending.softly("stop"));
  process.on("SIGINT", () => ending.cancel());
  process.on("SIGHUP", () => undefined);
  // Whoever has the claim runs it, and nobody else ever.
  if (!(await claimAttempt(places, record.attempt))) return;
  await keepEnd(places, await runProgram(record, places, ending));
}

await main();
