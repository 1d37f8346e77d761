/**
 * The keeper of one running program, a process of its own: `node keeper.js <store> <job>`. It outlives the daemon,
 * keeps what the program prints, ends it when it shall end, and writes down how it ended. SIGTERM asks it to stop the
 * program, SIGINT to cancel it, SIGUSR2 to look whether it shall stand still.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
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
import { CheckpointKeeper } from "./checkpoint-keeper.ts";
import { closeInherited } from "./inherited.ts";
import { killMarked, signalGroup, signalTree } from "./kill-tree.ts";
import { ProgramOutput } from "./program-output.ts";

/** When nothing comes for so long from the pipes of a program that has ended, there is nothing left. */
const QUIET_MS = 2_000;

/** On a full disk the end is written as soon as there is room; after so long the job is lost. */
const ROOM_MS_MAX = 3_600_000;
const ROOM_LOOK_MS = 500;

type Cause = JobEnd["cause"];

/** Why the program is to end or stand still, told to whoever waits. */
class Ending {
  cause: Cause = "exit";
  /** For how long it stood still, when it goes on. */
  pausedMs = 0;
  /** Since when it stands still. */
  #stillSinceMs: number | undefined;
  /** What is left of its time: what is not run does not count. */
  #leftMs: number | null = null;
  #runsSinceMs = 0;
  #timeout: NodeJS.Timeout | undefined;
  #child: ChildProcess | undefined;
  readonly #places: JobPlaces;
  readonly #jobId: string;
  readonly #graceMs: number;
  #grace: NodeJS.Timeout | undefined;

  constructor(places: JobPlaces, { id, spec }: JobRecord) {
    this.#places = places;
    this.#jobId = id;
    this.#graceMs = spec.graceMs;
  }

  /** From now on there is something to end; what was asked for before is done at once. */
  begin(child: ChildProcess, timeoutMs: number | null): void {
    this.#child = child;
    this.#leftMs = timeoutMs;
    this.#count();
    if (this.cause === "cancel") this.kill();
    else if (this.cause === "stop") void this.softly("stop");
    else this.look();
  }

  /** Lets the program stand still while the file for that is there; one that is to end goes on. */
  look(): void {
    const isStill = this.cause === "exit" && existsSync(this.#places.pauseFile);
    if (this.#child?.pid === undefined || isStill === (this.#stillSinceMs !== undefined)) return;
    const now = performance.now();
    const tree = { pid: this.#child.pid, jobId: this.#jobId };
    if (isStill) {
      signalTree(tree, "SIGSTOP");
      this.#stillSinceMs = now;
      clearTimeout(this.#timeout);
      if (this.#leftMs !== null) this.#leftMs -= now - this.#runsSinceMs;
    } else {
      signalTree(tree, "SIGCONT");
      this.pausedMs += now - (this.#stillSinceMs ?? now);
      this.#stillSinceMs = undefined;
      this.#count();
    }
  }

  #count(): void {
    this.#runsSinceMs = performance.now();
    if (this.#leftMs === null || this.cause !== "exit") return;
    this.#timeout = setTimeout(() => void this.softly("timeout"), Math.max(0, this.#leftMs));
  }

  /** SIGTERM to the program itself, so that it can save with its helpers alive; SIGKILL to all after the grace. */
  async softly(cause: "stop" | "timeout"): Promise<void> {
    if (this.cause === "exit") this.cause = cause;
    if (this.#child === undefined) return;
    await makeStopFile(this.#places);
    this.#child.kill("SIGTERM");
    // One that stands still gets the signal when it goes on.
    this.look();
    this.#grace ??= setTimeout(() => this.kill(), this.#graceMs);
  }

  cancel(): void {
    this.cause = "cancel";
    this.kill();
  }

  kill(): void {
    if (this.#child?.pid !== undefined) signalGroup(this.#child.pid, "SIGKILL");
  }

  done(): void {
    clearTimeout(this.#timeout);
    clearTimeout(this.#grace);
    if (this.#stillSinceMs !== undefined) this.pausedMs += performance.now() - this.#stillSinceMs;
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
  const checkpoints = await CheckpointKeeper.open(record, places, (text) => output.note(text));
  output.onPoint = (point) => checkpoints?.said(point);
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
  await output.drain([stdout, stderr], { taken, quietMs: QUIET_MS });
  await checkpoints?.done();
  if (output.lostBytes > 0) await output.note(`${output.lostBytes} bytes of the log could not be written`);
  const pausedMs = Math.round(ending.pausedMs);
  return { attempt, cause: ending.cause, code, signal, error: null, startedMs, endedMs, pausedMs };
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
  const ending = new Ending(places, record);
  process.on("SIGTERM", () => void ending.softly("stop"));
  process.on("SIGINT", () => ending.cancel());
  process.on("SIGUSR2", () => ending.look());
  process.on("SIGHUP", () => undefined);
  // Whoever has the claim runs it, and nobody else ever.
  if (!(await claimAttempt(places, record.attempt))) return;
  await keepEnd(places, await runProgram(record, places, ending));
}

await main();
