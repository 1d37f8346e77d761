/** The daemon is killed while a job runs: the next one finds it, follows it to its end, and never runs it twice. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JobsResult } from "@smc/store";
import { createSandbox, type Sandbox } from "../e2e/sandbox.ts";

const SLOW_MS = 120_000;
const NODE = process.execPath;

/** Writes its process id once for each time that it was started, and ends when it is told to. */
const SCRIPT = `
const fs = require("node:fs");
const [, , runs, go] = process.argv;
fs.appendFileSync(runs, process.pid + "\\n");
console.log('{"epoch":1,"metrics":{"loss":1}}');
setInterval(() => {
  if (!fs.existsSync(go)) return;
  console.log('{"epoch":2,"metrics":{"loss":0.5}}');
  fs.writeFileSync(process.env.SMC_OUTPUT + "/model.bin", "done");
  process.exit(0);
}, 20);
`;

async function card(box: Sandbox, job: string) {
  const [found] = (await box.json<JobsResult>("jobs", "show", job)).jobs;
  if (found === undefined) throw new Error("no job");
  return found;
}

async function killDaemon(box: Sandbox): Promise<void> {
  process.kill(await box.daemonPid(), "SIGKILL");
}

/** Resolves when the process is gone. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function keeperOf(folder: string): number {
  return (JSON.parse(readFileSync(join(folder, "claim.1"), "utf8")) as { pid: number }).pid;
}

test(
  "a job goes on without its daemon; the next daemon follows it, or commits what it finds ended",
  { timeout: SLOW_MS },
  async () => {
    await using box = await createSandbox();
    const [runs, go] = [join(box.root, "runs"), join(box.root, "go")];
    writeFileSync(runs, "");
    await box.commit("script", { "train.cjs": SCRIPT });
    const words = ["train", "-d", "-q", "--", NODE, "train.cjs", runs, go];
    const one = (await box.ok(...words)).trim();
    while (!(await box.ok("jobs", "logs", one)).includes('"epoch":1'));
    const watching = box.smc(["jobs", "watch", one]);
    await killDaemon(box);
    // Found again while it runs: by whoever asks first.
    expect((await card(box, one)).state).toBe("running");
    await killDaemon(box);
    writeFileSync(go, "");
    const pid = Number(readFileSync(runs, "utf8"));
    await gone(pid);
    await gone(keeperOf((await card(box, one)).folder));
    const watched = await watching;
    expect(watched.stdout).toMatch(/^finished after/m);
    expect([...watched.stdout.matchAll(/^Epoch +(\d)/gm)].map(([, epoch]) => epoch)).toEqual(["1", "2"]);
    expect((await box.smc(["jobs", "wait", one])).code).toBe(0);
    const done = await card(box, one);
    expect(done.transitions.map(({ state }) => state)).toEqual([
      "queued",
      "preparing",
      "ready",
      "running",
      "finished",
    ]);
    expect(readFileSync(runs, "utf8").trim().split("\n")).toHaveLength(1);
    const commits = await box.json<unknown[]>("log", done.branch);
    expect(commits).toHaveLength(2);
  },
);

test(
  "a job whose keeper was killed is lost: what it started is ended, its log and output stay, and it can go on",
  { timeout: SLOW_MS },
  async () => {
    await using box = await createSandbox();
    const [runs, go] = [join(box.root, "runs"), join(box.root, "go")];
    writeFileSync(runs, "");
    await box.commit("script", { "train.cjs": SCRIPT });
    const one = (await box.ok("train", "-d", "-q", "--", NODE, "train.cjs", runs, go)).trim();
    while (!(await box.ok("jobs", "logs", one)).includes('"epoch":1'));
    const { folder } = await card(box, one);
    await killDaemon(box);
    process.kill(keeperOf(folder), "SIGKILL");
    expect((await box.smc(["jobs", "wait", one])).code).toBe(10);
    expect(await card(box, one)).toMatchObject({ state: "lost", commit: null });
    await gone(Number(readFileSync(runs, "utf8")));
    expect(existsSync(join(folder, "output"))).toBe(true);
    appendFileSync(go, "");
    await box.ok("jobs", "retry", "--resume", one);
    expect((await box.smc(["jobs", "wait", one])).code).toBe(0);
    expect(await box.ok("jobs", "epochs", one, "--csv")).toBe("epoch,loss\n1,1\n2,0.5\n");
  },
);

/** Where the daemon may be killed: its keeper is on its way, and has not claimed the attempt. */
const KILLED_READY = 3;

test(
  "a daemon that is killed between ready and the claim: the program runs once, whoever is faster",
  { timeout: SLOW_MS },
  async () => {
    await using box = await createSandbox();
    const [runs, go] = [join(box.root, "runs"), join(box.root, "go")];
    writeFileSync(go, "");
    await box.commit("script", { "train.cjs": SCRIPT });
    for (let round = 1; round <= KILLED_READY; round += 1) {
      writeFileSync(runs, "");
      await box.ok("queue", "stop");
      const one = (await box.ok("train", "-d", "-q", "--", NODE, "train.cjs", runs, go)).trim();
      const { folder } = await card(box, one);
      const { daemon } = await box.json<{ daemon: { pid: number } }>("daemon", "status");
      const started = box.smc(["queue", "start"]);
      const isReady = (): boolean =>
        readFileSync(join(folder, "job.json"), "utf8").includes('"state":"ready"');
      while (!isReady()) await new Promise((resolve) => setTimeout(resolve, 1));
      process.kill(daemon.pid, "SIGKILL");
      await started;
      expect((await box.smc(["jobs", "wait", one])).code).toBe(0);
      expect(readFileSync(runs, "utf8").trim().split("\n")).toHaveLength(1);
      expect(await card(box, one)).toMatchObject({ state: "finished" });
    }
  },
);

test(
  "gc takes neither the input of a job that has ended, whose branch is gone, nor its checkpoints",
  { timeout: SLOW_MS },
  async () => {
    await using box = await createSandbox();
    await box.commit("first", { "a.txt": "a" });
    await box.ok("switch", "-c", "side");
    const script =
      "const o = process.env.SMC_OUTPUT; require('fs').writeFileSync(o + '/last.ckpt', 'c'); process.exit(process.env.SMC_RESUME ? (require('fs').writeFileSync(o + '/model.bin', 'm'), 0) : 3)";
    await box.commit("data", { "data.txt": "only here" });
    const words = [
      "train",
      "-q",
      "--name",
      "night",
      "--checkpoints",
      "*.ckpt",
      "side",
      "--",
      NODE,
      "-e",
      script,
    ];
    expect((await box.smc(words)).code).toBe(10);
    await box.ok("switch", "main");
    await box.ok("branch", "-D", "side");
    await box.ok("gc", "--older-than", "0s");
    expect((await box.ok("jobs", "checkpoints", "night", "-q")).trim()).toBe("last.ckpt");
    await box.ok("jobs", "retry", "--resume", "night");
    expect((await box.smc(["jobs", "wait", "night"])).code).toBe(0);
    expect(await box.ok("cat", "jobs/night:data.txt")).toBe("only here");
    await box.ok("fsck", "--full");
  },
);
