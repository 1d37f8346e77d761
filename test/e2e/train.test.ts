import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { JobsResult, TrainResult } from "@smc/store";
import { createSandbox, sha256 } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 120_000;
const NODE = process.execPath;

/** Three epochs, a checkpoint each, and a model at the end. */
const SCRIPT = `
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
const { SMC_OUTPUT, SMC_JOB_ID } = process.env;
mkdirSync(SMC_OUTPUT + "/ckpt");
for (const [at, loss] of [0.9, 0.4, 0.6].entries()) {
  console.log(JSON.stringify({ epoch: at + 1, metrics: { loss, val_acc: 1 - loss } }));
  writeFileSync(SMC_OUTPUT + "/ckpt/epoch-" + (at + 1) + ".bin", "weights " + at);
}
console.log('{"epoch": 4, "metrics": {"loss": NaN, "val_acc": 0.3}}');
console.error("variables " + Object.keys(process.env).sort().join(" "));
console.log("argv " + JSON.stringify(process.argv.slice(2)));
writeFileSync(SMC_OUTPUT + "/model.bin", "trained of " + readFileSync("data.csv", "utf8") + SMC_JOB_ID.length);
`;

const input = await box.commit("data and script", { "train.mjs": SCRIPT, "data.csv": "1,2\n" });

interface Shown {
  readonly commit: { readonly metrics: object; readonly params: object; readonly meta: object };
}

test(
  "S1.13 smc train runs a program of HEAD and commits its output with params, curve, best epoch, data and duration",
  { timeout: SLOW_MS },
  async () => {
    box.write("untracked.txt", "mine");
    const words = ["--lr", "0.01", "--api-key", "hush", "--seed=7", "$(touch x); *"];
    const text = await box.ok(
      "train",
      "--name",
      "one",
      "--checkpoints",
      "ckpt/*",
      "-m",
      "first run",
      "--param",
      "note=a",
      "--",
      NODE,
      "train.mjs",
      ...words,
    );
    expect(text).toMatch(/^Epoch {3}1 {2}loss 0\.9 {2}val_acc 0\.1$/m);
    expect(text).toMatch(/^finished after .*: committed on jobs\/one$/m);
    const [job] = (await box.json<JobsResult>("jobs", "show", "one")).jobs;
    expect(job?.transitions.map(({ state }) => state)).toEqual([
      "queued",
      "preparing",
      "ready",
      "running",
      "finished",
    ]);
    const { commit: shown } = await box.json<Shown>("show", "challenger");
    expect(await box.ok("rev-parse", "challenger", "jobs/one", "jobs/one~1")).toBe(
      `${job?.commit}\n${job?.commit}\n${input}\n`,
    );
    expect(shown).toMatchObject({ metrics: { val_acc: 0.3 }, params: { lr: 0.01, seed: 7, note: "a" } });
    expect(shown.meta).toMatchObject({
      data: { input, files: 2, sizeBytes: Buffer.byteLength(SCRIPT) + 4 },
      lineage: { base: input, job: job?.id },
      training: {
        best: { epoch: 2, metric: "val_acc", value: 0.6 },
        seed: 7,
        history: [{ epoch: 1, loss: 0.9 }, { epoch: 2 }, { epoch: 3 }, { epoch: 4, val_acc: 0.3 }],
        environment: { node: process.version },
      },
    });
    expect(JSON.stringify(shown)).not.toContain("hush");
    // The checkpoints stay with the job; the data of the input is there, the worktree is as it was.
    expect((await box.ok("ls-tree", "-r", "-q", "challenger")).trim().split("\n")).toHaveLength(3);
    expect(await box.ok("cat", "challenger:model.bin")).toBe("trained of 1,2\n8");
    expect((await box.ok("jobs", "checkpoints", "one", "-q")).trim().split("\n")).toHaveLength(3);
    expect(await box.ok("status", "--json")).not.toContain("model.bin");
    expect(existsSync(box.path("x"))).toBe(false);
  },
);

test(
  "S1.8 S1.11 the log and the epochs of a job are kept, and what is no number is told",
  { timeout: SLOW_MS },
  async () => {
    const log = await box.ok("jobs", "logs", "one");
    expect(log).toContain('argv ["--lr","0.01","--api-key","hush","--seed=7","$(touch x); *"]');
    expect(log).toContain("smc: epoch 4: no finite number, left out: loss");
    const variables = /^variables (.*)$/m.exec(log)?.[1]?.split(" ") ?? [];
    const own = ["HOME", "LANG", "PATH", "SMC_JOB_ID", "SMC_OUTPUT", "SMC_PROGRESS_FILE", "SMC_STOP_FILE"];
    expect(variables.filter((name) => !own.includes(name))).toEqual([]);
    expect(await box.ok("jobs", "epochs", "one", "--csv")).toBe(
      "epoch,loss,val_acc\n1,0.9,0.09999999999999998\n2,0.4,0.6\n3,0.6,0.4\n4,,0.3\n",
    );
  },
);

test(
  "a program gets no descriptor of the daemon, what it leaves behind is killed, and no output is a failure",
  { timeout: SLOW_MS },
  async () => {
    const script = "ls -l /proc/self/fd; sleep 1000 & setsid sleep 1000 & echo $! > left.txt";
    const ran = await box.smc(["train", "--name", "none", "--", "sh", "-c", script]);
    expect(ran.code).toBe(10);
    expect(ran.stdout).toContain("failed after");
    expect(ran.stdout).toContain("exit status 0, but not committed: the program wrote no file");
    const log = await box.ok("jobs", "logs", "none");
    const links = [...log.matchAll(/ (\d+) -> (\S+)$/gm)].map(
      ([, fd, to]) => `${fd} ${to?.replace(/\d+.*/, "")}`,
    );
    expect(links).toEqual(["0 /dev/null", "1 socket:[", "2 socket:[", "3 /proc/"]);
    const [job] = (await box.json<JobsResult>("jobs", "show", "none")).jobs;
    const left = readdirSync("/proc").filter((pid) => {
      return /^\d+$/.test(pid) && environmentHas(pid, `SMC_JOB_ID=${job?.id ?? ""}`);
    });
    expect(left).toEqual([]);
  },
);

function environmentHas(pid: string, mark: string): boolean {
  try {
    return box.read(join("..", "..", "..", "proc", pid, "environ")).includes(mark);
  } catch {
    return false;
  }
}

test(
  "a program that fails, is not there, ignores SIGTERM at its time limit, or prints without end is told of as it is",
  { timeout: SLOW_MS },
  async () => {
    const train = (...words: string[]) => box.smc(["train", ...words]);
    const [failed, absent, late] = await Promise.all([
      train("--", NODE, "-e", "console.error('no GPU here'); process.exit(3)"),
      train("--", "./no-such-program"),
      train("--timeout", "1s", "--grace", "1s", "--", "sh", "-c", "trap '' TERM; while :; do sleep 1; done"),
    ]);
    expect([failed.code, absent.code, late.code]).toEqual([10, 10, 10]);
    expect(failed.stdout).toContain("exit status 3: no GPU here");
    expect(absent.stdout).toContain("there is no program './no-such-program'");
    expect(late.stdout).toContain("it was ended at its time limit of 1 s");
    const flood =
      "const b = 'x'.repeat(1 << 20) + '\\n'; for (let i = 0; i < 40; i++) require('fs').writeSync(1, b)";
    const quiet = await train(
      "-q",
      "--name",
      "flood",
      "--",
      NODE,
      "-e",
      `${flood}; require('fs').writeFileSync(process.env.SMC_OUTPUT + '/m', 'm')`,
    );
    expect(quiet.code).toBe(0);
    const folder = (await box.json<JobsResult>("jobs", "show", "flood")).jobs[0]?.folder ?? "";
    const pieces = readdirSync(join(folder, "log"));
    expect(pieces.length).toBeLessThanOrEqual(8);
    expect(quiet.stdout.trim()).toBe((await box.ok("rev-parse", "jobs/flood")).trim());
  },
);

test(
  "S1.9 all that is wrong with a job is told at once, and no job is made",
  { timeout: SLOW_MS },
  async () => {
    const before = (await box.json<JobsResult>("jobs")).jobs.length;
    const refused = await box.refused(
      "train",
      "--timeout",
      "-5",
      "--output",
      "../up",
      "--env",
      "LD_PRELOAD=x",
      "--name",
      "a b",
      "--",
      NODE,
    );
    expect(refused).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
    for (const part of ["--timeout", "--output", "LD_PRELOAD", "no job was made"])
      expect(refused.message).toContain(part);
    expect(await box.refused("train")).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
    expect(await box.refused("train", "nope", "--", NODE)).toMatchObject({
      code: "REVISION_NOT_FOUND",
      exit: 3,
    });
    expect((await box.json<JobsResult>("jobs")).jobs).toHaveLength(before);
  },
);

test(
  "--output commits a folder of the working copy, --metrics-file its numbers",
  { timeout: SLOW_MS },
  async () => {
    const script =
      "const fs = require('fs'); fs.writeFileSync('runs/best.pt', 'best'); fs.writeFileSync('results.csv', 'epoch,map\\n1,0.2\\n2,0.5\\n')";
    await box.ok(
      // It is configured otherwise than the one before.
      "--yes",
      "train",
      "--name",
      "one",
      "--output",
      "runs",
      "--metrics-file",
      "results.csv",
      "--",
      NODE,
      "-e",
      script,
    );
    expect((await box.json<Shown>("show", "challenger")).commit.metrics).toMatchObject({ map: 0.5 });
    expect(sha256(await box.ok("cat", "challenger:runs/best.pt"))).toBe(sha256("best"));
    // A second job of that name goes on the branch of the first.
    expect(await box.ok("cat", "challenger~1:model.bin")).toContain("trained of");
  },
);

test(
  "smc train warns of what was edited and not committed, which its job does not see",
  { timeout: SLOW_MS },
  async () => {
    const words = ["train", "-d", "--json", "--name", "stale", "--", "true"];
    box.write("data.csv", "1,2\n3,4\n");
    const ran = await box.smc(words);
    expect(ran.code).toBe(0);
    expect((JSON.parse(ran.stdout) as TrainResult).unseen).toEqual(["data.csv"]);
    const told = 'the job works on HEAD and does not see what was not committed: data.csv; see "smc status"';
    expect(ran.stderr).toContain(told);
    const other = await box.smc(["train", "-d", "--json", "--name", "stale", input, "--", "true"]);
    expect(other.code).toBe(0);
    expect(other.stderr).not.toContain("does not see");
    box.write("data.csv", "1,2\n");
  },
);
