import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { JobsResult, QueueResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 120_000;
const NODE = process.execPath;
const signalFile = join(box.root, "go");

/** Tells an epoch, then waits for a file of the test, or to be stopped; saves, and ends. */
const SCRIPT = `
const fs = require("node:fs");
const { SMC_OUTPUT, SMC_STOP_FILE, SMC_RESUME } = process.env;
const save = () => { fs.writeFileSync(SMC_OUTPUT + "/model.bin", "saved"); process.exit(0); };
process.on("SIGTERM", () => { console.log("stopping " + fs.existsSync(SMC_STOP_FILE)); save(); });
const from = SMC_RESUME ? 2 : 1;
console.log(JSON.stringify({ epoch: from, metrics: { loss: 1 / from } }));
setInterval(() => { if (fs.existsSync(process.argv[2])) save(); }, 20);
`;
await box.commit("script", { "wait.cjs": SCRIPT });
const PROGRAM = ["--", NODE, "wait.cjs", signalFile];

async function card(job: string) {
  const [found] = (await box.json<JobsResult>("jobs", "show", job)).jobs;
  if (found === undefined) throw new Error("no job");
  return found;
}

/** Resolves when the log of a job has the text. */
async function said(job: string, text: string): Promise<void> {
  while (!(await box.ok("jobs", "logs", job)).includes(text));
}

test(
  "S1.16 jobs run in the background in the order of their priority; stop saves, cancel kills, resume goes on",
  { timeout: SLOW_MS },
  async () => {
    const detach = (name: string, ...words: string[]) =>
      box.ok("train", "-d", "-q", "--name", name, ...words, ...PROGRAM);
    await detach("first");
    await said("first", '"epoch":1');
    await detach("low");
    await detach("high", "--priority", "5");
    const queue = await box.json<QueueResult>("queue");
    expect(queue).toMatchObject({ slots: 1, isPaused: false });
    expect([queue.running, queue.waiting].map((jobs) => jobs.map(({ name }) => name))).toEqual([
      ["first"],
      ["high", "low"],
    ]);
    expect(await box.refused("jobs", "rm", "first")).toMatchObject({ code: "JOB_STATE_WRONG", exit: 5 });
    expect(await box.ok("jobs", "stop", "first")).toContain("asked job");
    expect((await box.smc(["jobs", "wait", "first"])).code).toBe(10);
    const stopped = await card("first");
    expect(stopped).toMatchObject({ state: "stopped", commit: expect.any(String) });
    expect(await box.ok("jobs", "logs", "first")).toContain("stopping true");
    expect(await box.ok("cat", "jobs/first:model.bin")).toBe("saved");
    // What was stopped is no candidate.
    expect((await box.smc(["challenger"])).code).toBe(1);
    await said("high", '"epoch":1');
    expect((await card("low")).state).toBe("queued");
    await box.ok("jobs", "cancel", "low");
    expect(await card("low")).toMatchObject({ state: "canceled", commit: null });
    await box.ok("jobs", "cancel", "high");
    expect((await box.smc(["jobs", "wait", "high"])).code).toBe(10);
    expect(await card("high")).toMatchObject({ state: "canceled", commit: null });
    // Again is fine, and changes nothing.
    await box.ok("jobs", "cancel", "high");
    expect(await card("high")).toMatchObject({ state: "canceled" });
    writeFileSync(signalFile, "");
    await box.ok("jobs", "retry", "--resume", "high");
    expect((await box.smc(["jobs", "wait", "high"])).code).toBe(0);
    expect(await box.ok("jobs", "epochs", "high", "--csv")).toBe("epoch,loss\n1,1\n2,0.5\n");
    expect(await card("high")).toMatchObject({ state: "finished", attempt: 2 });
    const again = (await box.ok("jobs", "retry", "low", "-q")).trim();
    expect((await box.smc(["jobs", "wait", again])).code).toBe(0);
    expect(await box.ok("audit", "--op", "train")).toContain(again);
    const told = await box.json<{ events: { event: string; reason: string }[] }>(
      "events",
      "--event",
      "job.finished",
    );
    expect(told.events.map(({ reason }) => / (stopped|canceled|finished): /.exec(reason)?.[1])).toEqual([
      "stopped",
      "canceled",
      "canceled",
      "finished",
      "finished",
    ]);
    expect(told.events.at(-2)?.reason).toContain("best epoch 2, loss 0.5; commit ");
    await box.ok("jobs", "rm", again);
    expect(await box.refused("jobs", "show", again)).toMatchObject({ code: "JOB_NOT_FOUND", exit: 3 });
  },
);

test(
  "S1.4 watching prints a line for each epoch, or NDJSON, and ends with the job",
  { timeout: SLOW_MS },
  async () => {
    const ran = await box.smc(["jobs", "watch", "high", "--json"]);
    const lines = ran.stdout.trim().split("\n");
    const told = lines.map((line) => JSON.parse(line) as { state?: string; epoch?: number });
    expect(told.flatMap(({ state }) => state ?? []).slice(-1)).toEqual(["finished"]);
    expect(told.flatMap(({ epoch }) => epoch ?? [])).toEqual([1, 2]);
    expect(ran.code).toBe(0);
    expect(await box.ok("jobs")).toMatch(/^ID +STATE +NAME/);
  },
);

test(
  "smc queue stop lets no further job begin, start goes on with more of them",
  { timeout: SLOW_MS },
  async () => {
    expect(await box.ok("queue", "stop")).toContain("no further job begins");
    const id = (await box.ok("train", "-d", "-q", ...PROGRAM)).trim();
    expect((await box.json<QueueResult>("queue")).waiting.map((job) => job.id)).toEqual([id]);
    await box.ok("daemon", "restart");
    expect(await box.json<QueueResult>("queue")).toMatchObject({ isPaused: true });
    expect(await box.json<QueueResult>("queue", "start", "-j", "2")).toMatchObject({
      slots: 2,
      isPaused: false,
    });
    expect((await box.smc(["jobs", "wait", id])).code).toBe(0);
  },
);

test("a request that is not as it must be is refused", async () => {
  expect(await box.refused("jobs", "nope")).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
  expect(await box.refused("jobs", "show")).toMatchObject({ code: "USAGE", exit: 2 });
  expect(await box.refused("jobs", "stop", "ffffffff")).toMatchObject({ code: "JOB_NOT_FOUND", exit: 3 });
  expect(await box.refused("jobs", "list", "--csv")).toMatchObject({ code: "USAGE", exit: 2 });
});

test(
  "values of variables are in no answer, and the record is for its owner only",
  { timeout: SLOW_MS },
  async () => {
    const id = (await box.ok("train", "-d", "-q", "--env", "API_TOKEN=hush-hush", ...PROGRAM)).trim();
    await box.smc(["jobs", "wait", id]);
    const found = await card(id);
    expect(JSON.stringify(found)).not.toContain("hush-hush");
    expect(found.spec.variables).toContain("API_TOKEN");
    expect(readFileSync(join(found.folder, "job.json"), "utf8")).toContain("hush-hush");
    const { mode } = (await import("node:fs")).statSync(join(found.folder, "job.json"));
    expect(mode & 0o077).toBe(0);
  },
);
