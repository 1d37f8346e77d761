/** The engine that comes with smc, on data that cannot be learned from, and on settings that end it early. */
import { afterAll, expect, test } from "vitest";
import type { JobsResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 240_000;
const JOB_DID_NOT_FINISH = 10;
const OWN = ["train", "--engine", "tfjs", "--seed", "1"];
const WAITS =
  "const f = process.env.SMC_STOP_FILE; setInterval(() => require('fs').existsSync(f) && process.exit(0), 20)";

const rows = Array.from(
  { length: 40 },
  (_, at) => `${at % 7},${(at * 3) % 5},${at % 7 > 3 ? "big" : "small"}`,
);
await box.commit("data", {
  "nan.csv": "x,y,label\n1,2,a\nNaN,2,b\n3,4,a\n",
  "one.csv": "x,label\n1,a\n2,a\n3,a\n",
  "cut/a/1.png": "no image",
  "cut/b/1.png": "no image either",
  "far.csv": "a,y\n1,1e30\n2,-1e30\n3,1e30\n4,2e30\n5,0\n",
  "good.csv": ["x,y,label", ...rows].join("\n"),
});

async function jobOf(name: string): Promise<JobsResult["jobs"][number] | undefined> {
  return (await box.json<JobsResult>("jobs", "show", name)).jobs[0];
}

test(
  "S1.17 C19 bad data end their job with the file and the row; the daemon and the jobs beside it go on",
  { timeout: SLOW_MS },
  async () => {
    await box.ok("queue", "start", "--slots", "2");
    await box.ok("train", "-d", "--name", "beside", "--", process.execPath, "-e", WAITS);
    for (const [data, why] of [
      ["nan.csv", "'nan.csv', line 3, column 'x': 'NaN' is no finite number"],
      ["one.csv", "'one.csv' has samples of one class only, 'a'"],
      ["cut", "'a/1.png' is truncated or no image"],
    ] as const) {
      const name = data.replace(".csv", "");
      const { code } = await box.smc([...OWN, "--data", data, "--name", name]);
      expect(code).toBe(JOB_DID_NOT_FINISH);
      const job = await jobOf(name);
      expect(job).toMatchObject({ state: "failed", commit: null });
      expect(job?.transitions.at(-1)?.why).toContain(why);
    }
    expect(await jobOf("beside")).toMatchObject({ state: "running" });
    await box.ok("jobs", "cancel", "beside");
    await box.smc(["jobs", "wait", "beside"]);
    for (const word of ["cancel", "stop"]) await box.ok("jobs", word, "beside");
    expect(await jobOf("beside")).toMatchObject({ state: "canceled" });
  },
);

test(
  "S1.17 a loss that is no number ends the job as failed, and nothing is committed",
  { timeout: SLOW_MS },
  async () => {
    const words = [
      "--data",
      "far.csv",
      "--set",
      "data.label=y",
      "--set",
      "data.task=regress",
      "--set",
      "lr=1000",
    ];
    const { code } = await box.smc([...OWN, ...words, "--set", "batch=2", "--name", "far"]);
    expect(code).toBe(JOB_DID_NOT_FINISH);
    const job = await jobOf("far");
    expect(job).toMatchObject({ state: "failed", commit: null });
    expect(job?.transitions.at(-1)?.why).toMatch(
      /the loss is (?:NaN|Infinity) in epoch \d+, batch \d+: the steps are too large/,
    );
  },
);

test(
  "S1.6 S1.7 an early stop says why and commits the best weights; the best and the last checkpoints stay",
  { timeout: SLOW_MS },
  async () => {
    const stands = [
      "--set",
      "lr=1e-12",
      "--set",
      "earlyStop.patience=3",
      "--set",
      "earlyStop.minDelta=0.001",
    ];
    const kept = ["--set", "checkpoint.everyEpochs=1", "--set", "checkpoint.keepBest=2"];
    await box.ok(...OWN, "--data", "good.csv", "--epochs", "20", ...stands, ...kept, "--name", "early");
    expect(await box.ok("jobs", "logs", "early")).toMatch(
      /early stopping at epoch 4: val_loss has not improved since epoch 1 \(\d[\d.]*\)$/m,
    );
    const numbers = JSON.parse(await box.ok("cat", "jobs/early:metrics.json")) as Record<string, number>;
    expect(numbers).toMatchObject({ epoch: 1, epochs: 4 });
    // Those of the weights that were committed, not of the last epoch.
    const [commit] = await box.json<{ metrics: Record<string, number> }[]>("log", "-n", "1", "jobs/early");
    expect(commit?.metrics).toMatchObject({ loss: numbers["loss"], val_loss: numbers["val_loss"] });
    const files = (await box.ok("jobs", "checkpoints", "early", "-q")).trim().split("\n");
    expect(files).toHaveLength(3);
    expect(files.at(-1)).toContain("epoch-0004");
  },
);
