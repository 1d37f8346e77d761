/**
 * The trainer, its keeper or the daemon is killed at a moment that a seed chooses, while the engine `tfjs` learns: the
 * job goes on, its curve has every epoch once, and its weights are those of a run that nobody disturbed. KILL_SEED
 * repeats a run.
 */
import { randomInt } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JobCard, JobsResult } from "@smc/store";
import { createSandbox } from "../e2e/sandbox.ts";

const SLOW_MS = 180_000;
const EPOCHS = 5;
const ROWS = 1000;
/** About as long as an epoch takes. */
const DELAY_MS_MAX = 200;
const SEED = Number(process.env.KILL_SEED ?? randomInt(2 ** 31));
let state = SEED;

/** A number from 0 to `below` - 1. */
function chance(below: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  return (state >>> 8) % below;
}

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

/** Points in two classes, of which some are told wrongly. */
function rows(): string {
  const lines = Array.from({ length: ROWS }, (_, at) => {
    const [x, y] = [Math.sin(at * 12.9898), Math.cos(at * 78.233)];
    return `${x.toFixed(4)},${y.toFixed(4)},${x * y > 0 !== (at % 17 === 0) ? "a" : "b"}`;
  });
  return ["x,y,label", ...lines].join("\n");
}

const WORDS = ["train", "--engine", "tfjs", "--data", "points.csv", "--set", "batch=8"];
const train = (name: string, epochs = EPOCHS): Promise<string> =>
  box.ok(...WORDS, "-d", "-q", "--name", name, "--epochs", String(epochs));

interface Whole {
  readonly digest: string;
  readonly curve: readonly unknown[];
}
let whole: Whole;

beforeAll(async () => {
  await box.commit("points", { "points.csv": rows() });
  await train("whole");
  whole = await endOf("whole");
}, SLOW_MS);

async function card(job: string): Promise<JobCard> {
  const [found] = (await box.json<JobsResult>("jobs", "show", job)).jobs;
  if (found === undefined) throw new Error("no job");
  return found;
}

/** Waits for the end; the digest of its weights, and its curve without the seconds. */
async function endOf(job: string): Promise<Whole> {
  const ran = await box.smc(["jobs", "wait", job]);
  expect([ran.code, ran.stderr]).toEqual([0, ""]);
  const digest = (await box.ok("rev-parse", `jobs/${job}:model.safetensors`)).trim();
  const { points } = await box.json<JobsResult>("jobs", "epochs", job);
  const curve = (points ?? []).map(({ epoch, metrics }) => ({ epoch, metrics: { ...metrics, seconds: 0 } }));
  return { digest, curve };
}

/** Resolves when so many epochs were told, and then as late as the seed says; gives the job. */
async function midway(name: string): Promise<JobCard> {
  const job = await card(name);
  const wanted = 1 + chance(EPOCHS - 2);
  const told = (): number => {
    try {
      return readFileSync(join(job.folder, "history.jsonl"), "utf8").split("\n").length - 1;
    } catch {
      return 0;
    }
  };
  while (told() < wanted) await sleep(5);
  await sleep(chance(DELAY_MS_MAX));
  return job;
}

function keeperOf(folder: string): number {
  return (JSON.parse(readFileSync(join(folder, "claim.1"), "utf8")) as { pid: number }).pid;
}

/** The process that learns for this job. */
function trainerOf(id: string): number {
  const found = readdirSync("/proc").find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, "latin1").split("\0").includes(`SMC_JOB_ID=${id}`);
    } catch {
      return false;
    }
  });
  return Number(found);
}

test.each([
  ["the trainer", "failed", ({ id }: JobCard) => [trainerOf(id)]],
  ["the keeper", "lost", ({ folder }: JobCard) => [keeperOf(folder)]],
])(
  `S1.5 %s is killed: the job is %s, and goes on without gap or repeat to the same weights (KILL_SEED=${SEED})`,
  { timeout: SLOW_MS },
  async (what, expected, victims) => {
    const name = what.replaceAll(" ", "-");
    await train(name);
    const job = await midway(name);
    for (const pid of victims(job)) process.kill(pid, "SIGKILL");
    expect((await box.smc(["jobs", "wait", name])).code).toBe(10);
    expect(await card(name)).toMatchObject({ state: expected, commit: null });
    await box.ok("jobs", "retry", "--resume", name);
    expect(await endOf(name)).toEqual(whole);
    // It did go on: what the second attempt learned is not all.
    const log = await box.ok("jobs", "logs", name);
    expect(log.match(/^step train$/gm)).toHaveLength(2);
  },
);

test(
  `S1.5 the daemon is killed, alone or with the keeper: the weights are the same (KILL_SEED=${SEED})`,
  { timeout: SLOW_MS },
  async () => {
    await train("alone");
    await midway("alone");
    process.kill(await box.daemonPid(), "SIGKILL");
    expect(await endOf("alone")).toEqual(whole);
    expect((await card("alone")).attempt).toBe(1);
    await train("both");
    const { folder } = await midway("both");
    const daemon = await box.daemonPid();
    process.kill(keeperOf(folder), "SIGKILL");
    process.kill(daemon, "SIGKILL");
    expect((await box.smc(["jobs", "wait", "both"])).code).toBe(10);
    await box.ok("jobs", "retry", "--resume", "both");
    expect(await endOf("both")).toEqual(whole);
  },
);

test(
  "a finished run is extended: the epochs it has stay, the further ones are those of a longer run",
  { timeout: SLOW_MS },
  async () => {
    await train("short", 2);
    const short = await endOf("short");
    expect(short.curve).toEqual(whole.curve.slice(0, 2));
    expect(await box.refused("jobs", "retry", "short", "--epochs", "5")).toMatchObject({ code: "USAGE" });
    const few = await box.refused("jobs", "retry", "--resume", "short", "--epochs", "1");
    expect(few).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
    expect(few.message).toContain("has learned 2 epochs already");
    const patient = await box.refused("jobs", "retry", "--resume", "short", "--patience", "3");
    expect(patient).toMatchObject({ code: "USAGE", exit: 2 });
    await box.ok("jobs", "retry", "--resume", "short", "--epochs", String(EPOCHS));
    expect(await endOf("short")).toEqual(whole);
    const shown = await box.json<{ commit: { params: object } }>("show", "jobs/short");
    expect(shown.commit.params).toMatchObject({ epochs: EPOCHS });
  },
);
