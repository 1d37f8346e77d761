/** Jobs that stand still for a while: their processes are stopped by the system and keep their place. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { JobsResult, QueueResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 180_000;
const NODE = process.execPath;

/** Tells who it is and who its helper is, and waits to be stopped, or for a file. */
const SCRIPT = `
const fs = require("node:fs");
const helper = require("node:child_process").spawn("sleep", ["1000"]);
const save = () => { fs.writeFileSync(process.env.SMC_OUTPUT + "/m", "saved"); process.exit(0); };
process.on("SIGTERM", save);
console.log("pids " + process.pid + " " + helper.pid + ".");
console.log('{"epoch":1,"metrics":{"loss":1}}');
setInterval(() => { if (fs.existsSync(process.argv[2])) save(); }, 20);
`;
await box.commit("script", { "wait.cjs": SCRIPT });
const go = join(box.root, "go");
const PROGRAM = ["--", NODE, "wait.cjs", go];

const queueUp = async (...words: string[]): Promise<string> =>
  (await box.ok("train", "-d", "-q", ...words, ...PROGRAM)).trim();

async function begin(...words: string[]): Promise<{ id: string; pids: number[] }> {
  const id = await queueUp(...words);
  for (;;) {
    const said = /pids (\d+) (\d+)\./.exec(await box.ok("jobs", "logs", id));
    if (said !== null) return { id, pids: said.slice(1).map(Number) };
  }
}

async function card(id: string) {
  const [found] = (await box.json<JobsResult>("jobs", "show", id)).jobs;
  if (found === undefined) throw new Error("no job");
  return found;
}

/** "T" for a process that the system has stopped. */
function stateOf(pid: number): string {
  return /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";
}

/** Resolves when all of them are stopped, or none is. */
async function settled(pids: readonly number[], isStill: boolean): Promise<void> {
  while (!pids.every((pid) => (stateOf(pid) === "T") === isStill))
    await new Promise((resolve) => setTimeout(resolve, 10));
}

test(
  "a paused job stands still with all its processes, also for the next daemon; resumed, it goes on and ends",
  { timeout: SLOW_MS },
  async () => {
    const { id, pids } = await begin("--name", "one");
    expect(await box.ok("jobs", "pause", "one")).toBe(`job ${id} is paused\n`);
    await settled(pids, true);
    // Its place is not given away, and a job that waits can be held back from the next one.
    const next = await queueUp("--name", "next");
    expect(await box.ok("jobs", "pause", "next")).toContain("is held");
    const queue = await box.json<QueueResult>("queue");
    expect([queue.running, queue.waiting].map((jobs) => jobs.map((job) => job.id))).toEqual([[id], [next]]);
    const { daemon } = await box.json<{ daemon: { pid: number } }>("daemon", "status");
    process.kill(daemon.pid, "SIGKILL");
    // Again is fine, and changes nothing.
    expect(await box.ok("jobs", "pause", "one")).toContain("is paused");
    expect(pids.map(stateOf)).toEqual(["T", "T"]);
    expect(await card("next")).toMatchObject({ state: "held" });
    expect(await box.ok("jobs", "resume", "one")).toContain("is running");
    await settled(pids, false);
    writeFileSync(go, "");
    expect((await box.smc(["jobs", "wait", "one"])).code).toBe(0);
    const { transitions } = await card("one");
    expect(transitions.map(({ state }) => state).slice(3)).toEqual([
      "running",
      "paused",
      "running",
      "finished",
    ]);
    expect(await card("next")).toMatchObject({ state: "held" });
    await box.ok("jobs", "resume", "next");
    expect((await box.smc(["jobs", "wait", "next"])).code).toBe(0);
    for (const action of ["pause", "resume"])
      expect(await box.refused("jobs", action, "one")).toMatchObject({ code: "JOB_STATE_WRONG", exit: 5 });
  },
);

test(
  "a paused job can be stopped, and saves; canceled, and is killed; and its time limit stands still with it",
  { timeout: SLOW_MS },
  async () => {
    const LIMIT_MS = 10_000;
    await box.ok("queue", "start", "-j", "3");
    const program = ["--", NODE, "wait.cjs", join(box.root, "never")];
    PROGRAM.splice(0, PROGRAM.length, ...program);
    const limited = await begin("--timeout", `${LIMIT_MS / 1000}s`, "--grace", "1h");
    await box.ok("jobs", "pause", limited.id);
    const pausedAtMs = performance.now();
    const [stopped, canceled] = [await begin("--grace", "1h"), await begin("--grace", "1h")];
    for (const { id, pids } of [stopped, canceled]) {
      await box.ok("jobs", "pause", id);
      await settled(pids, true);
    }
    await box.ok("jobs", "stop", stopped.id);
    await box.smc(["jobs", "wait", stopped.id]);
    expect(await card(stopped.id)).toMatchObject({ state: "stopped", commit: expect.any(String) as string });
    await box.ok("jobs", "cancel", canceled.id);
    await box.smc(["jobs", "wait", canceled.id]);
    expect(await card(canceled.id)).toMatchObject({ state: "canceled", commit: null });
    // Time itself is what must not count here.
    while (performance.now() < pausedAtMs + LIMIT_MS)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await card(limited.id)).toMatchObject({ state: "paused" });
    await box.ok("jobs", "resume", limited.id);
    await box.smc(["jobs", "wait", limited.id]);
    expect(await card(limited.id)).toMatchObject({
      state: "failed",
      why: `it was ended at its time limit of ${LIMIT_MS / 1000} s`,
    });
  },
);

test(
  "a training of the engine tfjs stands still while it is paused, goes on at the next epoch, and is stopped with a commit",
  { timeout: SLOW_MS },
  async () => {
    const settings = ["--set", "data.samples=200", "--epochs", "10000", "--backbone", "mlp", "--name", "own"];
    await box.ok("train", "-d", "--engine", "tfjs", "--data", "digits", ...settings);
    const epochs = async (): Promise<number[]> =>
      ((await box.json<JobsResult>("jobs", "epochs", "own")).points ?? []).map(({ epoch }) => epoch);
    while ((await epochs()).length < 3);
    await box.ok("jobs", "pause", "own");
    const { transitions } = await card("own");
    const keeper = /process (\d+)/.exec(transitions.map(({ why }) => why).join(" "))?.[1] ?? "";
    const program = Number(readFileSync(`/proc/${keeper}/task/${keeper}/children`, "utf8").trim());
    await settled([program], true);
    // What it had told before is taken by now: its keeper is not paused.
    let seen = await epochs();
    for (let again = await epochs(); again.length > seen.length; again = await epochs()) seen = again;
    for (const _ of [1, 2, 3]) expect(await epochs()).toEqual(seen);
    await box.ok("jobs", "resume", "own");
    while ((await epochs()).length < seen.length + 3);
    await box.ok("jobs", "stop", "own");
    await box.smc(["jobs", "wait", "own"]);
    const told = await epochs();
    expect(told).toEqual(told.map((_, at) => at + 1));
    expect((await card("own")).state).toBe("stopped");
    expect(await box.ok("ls-tree", "jobs/own")).toContain("model.safetensors");
  },
);
