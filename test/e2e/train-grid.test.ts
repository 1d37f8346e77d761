/** A search: a job for each combination of some values, ranked by what they made. */
import { afterAll, expect, test } from "vitest";
import type { JobsResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 180_000;
const NODE = process.execPath;
const SCRIPT = `
const [, , lr, batch] = process.argv;
if (lr === "9") process.exit(1);
console.log(JSON.stringify({ epoch: 1, metrics: { val_acc: Number(lr) / Number(batch), loss: Number(batch) } }));
require("node:fs").writeFileSync(process.env.SMC_OUTPUT + "/m", lr + " " + batch);
`;
await box.commit("script", { "t.cjs": SCRIPT });

test(
  "a search makes a job for each combination, ranks what they made, and --apply makes the best the challenger",
  { timeout: SLOW_MS },
  async () => {
    await box.ok("queue", "start", "-j", "2");
    const ran = await box.smc([
      "train",
      "--name",
      "sweep",
      "--grid",
      "lr=0.10,0.4,9",
      "--grid",
      "batch=2",
      "--",
      NODE,
      "t.cjs",
      "{lr}",
      "{batch}",
    ]);
    // One of them failed.
    expect(ran.code).toBe(10);
    expect(ran.stdout).toMatch(/^\* +[0-9a-f]{8} +sweep-2 +finished +0\.4 +2 +0\.2 {2}best$/m);
    expect(await box.ok("cat", "jobs/sweep-1:m")).toBe("0.10 2");
    // Parts of a search are no candidates by themselves.
    expect((await box.smc(["challenger"])).code).toBe(1);
    const { comparison } = await box.json<JobsResult>("jobs", "compare", "sweep");
    expect(comparison).toMatchObject({ name: "sweep", metric: "val_acc" });
    expect(comparison?.rows.map(({ job, metric, isBest }) => [job.name, job.state, metric, isBest])).toEqual([
      ["sweep-2", "finished", 0.2, true],
      ["sweep-1", "finished", 0.05, false],
      ["sweep-3", "failed", null, false],
    ]);
    expect(comparison?.rows[0]?.job.spec.params).toMatchObject({ lr: 0.4, batch: 2 });
    expect(await box.refused("jobs", "compare", "sweep", "--metric", "f1")).toMatchObject({
      code: "ARGUMENT_INVALID",
      exit: 2,
    });
    await box.ok("jobs", "compare", "sweep", "--apply");
    expect(await box.ok("rev-parse", "challenger")).toBe(await box.ok("rev-parse", "jobs/sweep-2"));
    expect(await box.refused("jobs", "compare", "nope")).toMatchObject({ code: "JOB_NOT_FOUND", exit: 3 });
  },
);

test(
  "S1.9 a search with a word that is no name, or with settings that are wrong, makes no job",
  { timeout: SLOW_MS },
  async () => {
    const before = (await box.json<JobsResult>("jobs")).jobs.length;
    const word = await box.refused("train", "--grid", "lr=1,2", "--", NODE, "t.cjs", "{lt}", "1");
    expect(word).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
    for (const part of ["'{lt}'", "'{lr}'"]) expect(word.message).toContain(part);
    const own = ["train", "--engine", "tfjs", "--data", "digits"];
    const settings = await box.refused(...own, "--grid", "lr=0.1,-1", "--grid", "optimizer.name=sgd,nope");
    expect(settings).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
    for (const part of ["lr: ", "optimizer.name: "]) expect(settings.message).toContain(part);
    expect((await box.json<JobsResult>("jobs")).jobs).toHaveLength(before);
  },
);
