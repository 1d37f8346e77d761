/** The options of `smc train` for the engine that comes with smc, and going on with what it began. */
import { readFileSync } from "node:fs";
import { PNG } from "pngjs";
import { afterAll, expect, test } from "vitest";
import type { JobsResult, TrainResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 240_000;
const OWN = ["train", "--engine", "tfjs", "--seed", "1"];
const rows = Array.from(
  { length: 40 },
  (_, at) => `${at % 7},${(at * 3) % 5},${at % 7 > 3 ? "big" : "small"}`,
);
await box.commit("data", { "good.csv": ["x,y,label", ...rows].join("\n") });

interface Shown {
  readonly commit: {
    readonly params: Record<string, unknown>;
    readonly meta: { readonly training: Record<string, unknown> };
  };
}

test(
  "S1.2 S1.6 ask 24 --early-stop with its options and --callback: in params; why it ended is a line everywhere",
  { timeout: SLOW_MS },
  async () => {
    const words = ["--epochs", "20", "--lr", "1e-12", "--batch", "16", "--optimizer", "adam"];
    const stop = ["--early-stop", "val_loss", "--patience", "2", "--min-delta", "0.001", "--mode", "min"];
    const more = ["--restore-best", "--callback", "csv,plateau", "--terminate-on-nan"];
    const text = await box.ok(...OWN, "--data", "good.csv", "--name", "early", ...words, ...stop, ...more);
    const line = /^early stopping at epoch 3: val_loss has not improved since epoch 1 \(\d[\d.]*\)$/m;
    expect(text).toMatch(line);
    expect(await box.ok("jobs", "logs", "early")).toMatch(line);
    expect(await box.ok("jobs", "show", "early")).toMatch(/^reason +early stopping at epoch 3: val_loss/m);
    const { commit } = await box.json<Shown>("show", "jobs/early");
    expect(commit.params).toMatchObject({
      batch: 16,
      callbacks: "csv,plateau",
      "earlyStop.metric": "val_loss",
      "earlyStop.minDelta": 0.001,
      "earlyStop.mode": "min",
      "earlyStop.patience": 2,
      "earlyStop.restoreBest": true,
      epochs: 20,
      "optimizer.name": "adam",
      "plateau.metric": "val_loss",
      terminateOnNan: true,
    });
    expect(commit.meta.training).toMatchObject({ reason: expect.stringMatching(line) as string });
    expect(await box.ok("events", "--event", "job.finished")).toContain("; early stopping at epoch 3: ");
    expect(await box.ok("cat", "jobs/early:history.csv")).toMatch(/^epoch,loss/);
  },
);

test(
  "S1.2 options that are settings have their origin; --checkpoint and --callback that are wrong are named",
  { timeout: SLOW_MS },
  async () => {
    const plan = ["--checkpoint", "every=2", "--callback", "plateau", "--print-config"];
    const text = await box.ok(...OWN, "--data", "good.csv", ...plan);
    expect(text).toMatch(/^ {4}everyEpochs: 2 # flag$/m);
    expect(text).toMatch(/^ {2}callbacks: plateau # flag$/m);
    expect(text).toMatch(/^ {4}patience: 3 # default$/m);
    const wrong = ["--checkpoint", "often=1", "--callback", "csv,nope", "--patience", "0", "--epochs", "0"];
    const refused = await box.refused(...OWN, "--data", "nowhere.csv", ...wrong);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
    for (const fault of [
      "checkpoint.often: there is no such field",
      "callbacks: there is no 'nope'; there are csv, early-stop, plateau",
      "earlyStop.patience: must be >= 1",
      "epochs: must be >= 1",
      "data: 'nowhere.csv' is not in HEAD; add and commit it first",
    ])
      expect(refused.message).toContain(fault);
  },
);

test(
  "S1.9 data that are not there are refused with all else that is wrong, soon, and no job is made",
  { timeout: SLOW_MS },
  async () => {
    const before = (await box.json<JobsResult>("jobs")).jobs.length;
    const startedMs = performance.now();
    const refused = await box.refused(...OWN, "--data", "../nowhere.csv", "--batch", "0", "--lr", "abc");
    const tookMs = performance.now() - startedMs;
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
    for (const field of ["data: ", "batch: ", "lr: "]) expect(refused.message).toContain(field);
    // Ten times the second of an idle machine: this one may be busy.
    expect(tookMs).toBeLessThan(10_000);
    expect((await box.json<JobsResult>("jobs")).jobs).toHaveLength(before);
  },
);

test(
  "S1.5 ask 6 train --resume goes on with a job, learns more epochs, and says what the learning rate does",
  { timeout: SLOW_MS },
  async () => {
    const words = ["--data", "good.csv", "--epochs", "2", "--set", "schedule.name=cosine", "--name", "more"];
    await box.ok(...OWN, ...words);
    const text = await box.ok("train", "--resume", "more", "--epochs", "4");
    expect(text).toContain("resumed, up to epoch 4; learning rate: cosine, whose end is epoch 4 now");
    expect(await box.ok("jobs", "epochs", "more", "-q")).toBe("1\n2\n3\n4\n");
    const [job] = (await box.json<JobsResult>("jobs", "show", "more")).jobs;
    expect(job).toMatchObject({ state: "finished", attempt: 2 });
    for (const [word, value, code] of [
      ["--lr", "1", "USAGE"],
      ["--epochs", "abc", "ARGUMENT_INVALID"],
      ["--epochs", "4", "ARGUMENT_INVALID"],
    ] as const)
      expect(await box.refused("train", "--resume", "more", word, value)).toMatchObject({ code, exit: 2 });
    expect(await box.refused("train", "--resume", "nobody")).toMatchObject({ code: "JOB_NOT_FOUND" });
    // It has its model: the same one would be committed again.
    const done = await box.refused("jobs", "retry", "--resume", "more");
    expect(done.message).toContain("has learned 4 epochs already; nothing was changed");
    expect((await box.json<JobsResult>("jobs", "show", "more")).jobs[0]).toMatchObject({ attempt: 2 });
  },
);

test(
  "S1.5 the daemon is killed while a job learns: train --resume finds it and shows it to its end",
  { timeout: SLOW_MS },
  async () => {
    const words = ["--data", "good.csv", "--epochs", "300", "--name", "long"];
    const { job } = await box.json<TrainResult>(...OWN, ...words, "-d");
    while (!(await box.ok("jobs", "logs", "long")).includes('"epoch":2,'));
    await box.ok("jobs", "pause", "long");
    const { daemon } = await box.json<{ daemon: { pid: number } }>("daemon", "status");
    process.kill(daemon.pid, "SIGKILL");
    await box.ok("train", "--resume", "long", "-d");
    await box.ok("jobs", "resume", "long");
    expect((await box.smc(["train", "--resume", "long"])).code).toBe(0);
    const epochs = (await box.ok("jobs", "epochs", "long", "-q")).trim().split("\n");
    expect(epochs).toEqual(Array.from({ length: 300 }, (_, at) => String(at + 1)));
    expect((await box.json<JobsResult>("jobs", "show", job?.id ?? "")).jobs[0]).toMatchObject({ attempt: 1 });
  },
);

function image(red: number): Buffer {
  const made = new PNG({ width: 20, height: 12 });
  for (let at = 0; at < made.data.length; at += 4) made.data.set([red, (at * 7) % 256, 90, 255], at);
  return PNG.sync.write(made);
}

test(
  "S1.3 --preprocess, --augment and --preview-batch: the same seed gives the same images, and no job is made",
  { timeout: SLOW_MS },
  async () => {
    for (const at of [0, 1, 2, 3, 4, 5])
      for (const name of ["cat", "dog"]) box.write(`pets/${name}/${at}.png`, image(at * 40 + name.length));
    await box.ok("add", ".");
    await box.ok("commit", "-m", "pets");
    const jobs = await box.json<JobsResult>("jobs");
    const network = ["train", "--engine", "tfjs", "--data", "pets", "--backbone", "tiny-cnn"];
    const changes = ["--preprocess", "resize=16,normalize", "--augment", "flip,rotate=10"];
    const preview = (seed: string, folder: string): readonly string[] =>
      network.concat("--seed", seed, changes, "--preview-batch", "4", "-o", folder);
    expect(await box.ok(...preview("1", "one"))).toMatch(
      /^(\S+one\/preview-000\d\.png {2}(cat|dog) \(sample \d+\)\n){4}$/,
    );
    await box.ok(...preview("1", "again"));
    await box.ok(...preview("2", "two"));
    const read = (folder: string): Buffer[] =>
      [1, 2, 3, 4].map((at) => readFileSync(box.path(`${folder}/preview-000${at}.png`)));
    const { width, height } = PNG.sync.read(read("one")[0] as Buffer);
    expect([width, height]).toEqual([16, 16]);
    expect(read("again")).toEqual(read("one"));
    expect(read("two")).not.toEqual(read("one"));
    expect(await box.refused(...preview("1", "one"))).toMatchObject({ exit: 5, code: "WOULD_OVERWRITE" });
    expect(await box.json<JobsResult>("jobs")).toEqual(jobs);
    const plan = await box.ok(...OWN, "--data", "pets", "--augment", "crop=2,mixup=0.2", "--print-config");
    expect(plan).toMatch(/cropPixels: 2 +# flag$/m);
    const wrong = [...OWN, "--data", "pets", "--augment", "spin"];
    expect(await box.refused(...wrong)).toMatchObject({ exit: 2, code: "ARGUMENT_INVALID" });
    const other = ["train", "--preview-batch", "4", "--", process.execPath, "x.cjs"];
    expect(await box.refused(...other)).toMatchObject({ exit: 2, code: "USAGE" });
  },
);
