/** Which checkpoints of a job stay, what is known of each, and how large its output may be. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { JobsResult } from "@smc/store";
import { createSandbox, sha256 } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 120_000;
const NODE = process.execPath;
/** Five epochs with a checkpoint each, of which the second is the best; and a model. */
const SCRIPT = `
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
const { SMC_OUTPUT } = process.env;
mkdirSync(SMC_OUTPUT + "/ckpt");
for (const [at, val_loss] of [0.9, 0.4, 0.6, 0.5, 0.8].entries()) {
  writeFileSync(SMC_OUTPUT + "/ckpt/" + (at + 1) + ".bin", "weights " + (at + 1));
  console.log(JSON.stringify({ epoch: at + 1, metrics: { val_loss } }));
}
writeFileSync(SMC_OUTPUT + "/model.bin", Buffer.alloc(3 << 20, 7));
`;
const rows = Array.from(
  { length: 40 },
  (_, at) => `${at % 7},${(at * 3) % 5},${at % 7 > 3 ? "big" : "small"}`,
);
await box.commit("data", { "train.mjs": SCRIPT, "good.csv": ["x,y,label", ...rows].join("\n") });

async function shown(action: "show" | "checkpoints", name: string): Promise<JobsResult> {
  return box.json<JobsResult>("jobs", action, name);
}

test(
  "S1.7 ask 8 of a program's checkpoints the best two and the last stay; each is an object, with its metric",
  { timeout: SLOW_MS },
  async () => {
    const keep = ["--checkpoints", "ckpt/*", "--keep-best", "2", "--keep-last", "1"];
    await box.ok("train", "--name", "best", ...keep, "--", NODE, "train.mjs");
    const { checkpoints } = await shown("checkpoints", "best");
    expect(checkpoints).toMatchObject([
      { path: "ckpt/2.bin", epoch: 2, metric: "val_loss", value: 0.4, isBest: true },
      { path: "ckpt/4.bin", epoch: 4, value: 0.5, isBest: false },
      { path: "ckpt/5.bin", epoch: 5, value: 0.8, isBest: false },
    ]);
    expect(checkpoints?.map(({ digest }) => digest)).toEqual(
      [2, 4, 5].map((epoch) => sha256(`weights ${epoch}`)),
    );
    const { outputFolder, checkpoints: tree } = (await shown("show", "best")).jobs[0] ?? {};
    expect(readdirSync(join(outputFolder ?? "", "ckpt"))).toEqual(["2.bin", "4.bin", "5.bin"]);
    // They are kept as long as the job, and are in no version.
    await box.ok("gc");
    expect(await box.ok("cat-file", "-p", checkpoints?.[0]?.digest ?? "")).toBe("weights 2");
    expect(await box.ok("ls-tree", "-r", tree ?? "")).toContain("ckpt/2.bin");
    expect(await box.ok("ls-tree", "-r", "jobs/best")).not.toContain("ckpt");
    expect(await box.ok("jobs", "checkpoints", "best")).toMatch(
      /val_loss 0\.4 {2}best +[0-9a-f]{9} +ckpt\/2\.bin/,
    );
  },
);

test(
  "S1.7 --checkpoint every=1 --keep-best 2 of the engine tfjs: exactly the best two and the last, by the metric named",
  { timeout: SLOW_MS },
  async () => {
    const own = ["train", "--engine", "tfjs", "--seed", "1", "--data", "good.csv", "--name", "own"];
    const keep = ["--epochs", "5", "--checkpoint", "every=1", "--keep-best", "2", "--keep-last", "1"];
    const plan = await box.ok(...own, ...keep, "--print-config");
    expect(plan).toMatch(/^ {4}keepBest: 2 # flag$/m);
    await box.ok(...own, ...keep, "--checkpoint", "metric=loss");
    const { checkpoints } = await shown("checkpoints", "own");
    const { points } = await shown("show", "own");
    const losses = (points ?? []).map(({ epoch, metrics }) => ({ epoch, loss: metrics["loss"] ?? 0 }));
    const best = losses.toSorted((a, b) => a.loss - b.loss).slice(0, 2);
    const stay = new Set([...best.map(({ epoch }) => epoch), 5]);
    expect(new Set(checkpoints?.map(({ epoch }) => epoch))).toEqual(stay);
    expect(checkpoints?.find(({ isBest }) => isBest)).toMatchObject({
      epoch: best[0]?.epoch,
      metric: "loss",
      value: best[0]?.loss,
    });
    expect(checkpoints?.every(({ digest }) => /^[0-9a-f]{64}$/.test(digest ?? ""))).toBe(true);
  },
);

test(
  "ask 16 jobs rm tells what nothing leads to any more, and how large it is; gc takes it",
  { timeout: SLOW_MS },
  async () => {
    const { checkpoints } = await shown("checkpoints", "best");
    const plan = await box.ok("jobs", "rm", "-n", "best");
    expect(plan).toMatch(/^would remove job [0-9a-f]{8} and its folder, \d/);
    expect(plan).toMatch(/^ {2}checkpoints [0-9a-f]{9}: 3 files of its own, 27 B$/m);
    // The commit that it worked on is on main.
    expect(plan).not.toContain("input");
    expect((await shown("show", "best")).jobs).toHaveLength(1);
    expect(await box.json<JobsResult>("jobs", "rm", "best")).toMatchObject({
      leavings: { unreachable: [{ what: "checkpoints", files: 3, sizeBytes: 27 }] },
    });
    expect(await box.refused("jobs", "show", "best")).toMatchObject({ code: "JOB_NOT_FOUND" });
    expect(await box.ok("cat", "jobs/best:model.bin")).toHaveLength(3 << 20);
    await box.ok("gc");
    expect((await box.smc(["cat-file", "-e", checkpoints?.[0]?.digest ?? ""])).code).toBe(1);
    // A version that no branch has any more, and only a job keeps.
    await box.ok("switch", "-c", "side");
    await box.commit("side", { "alone.bin": "alone" });
    await box.smc(["train", "--name", "side", "--", NODE, "-e", "process.exit(1)"]);
    await box.ok("switch", "main");
    await box.ok("branch", "-D", "side");
    expect(await box.ok("jobs", "rm", "side")).toMatch(/^ {2}input [0-9a-f]{9}: 1 file of its own, 5 B$/m);
  },
);

test("--keep-best without --checkpoints is refused: nobody says which files they are", async () => {
  const refused = await box.refused("train", "--keep-best", "2", "--", NODE, "train.mjs");
  expect(refused).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
  expect(refused.message).toContain("--checkpoints: says which files they are");
});

test(
  "an output that is larger than jobs.outputMiB fails the job, keeps its log, and is committed when that is raised",
  { timeout: SLOW_MS },
  async () => {
    await box.ok("config", "set", "jobs.outputMiB", "2");
    const { code, stdout } = await box.smc(["train", "--name", "large", "--", NODE, "train.mjs"]);
    expect(code).toBe(10);
    expect(stdout).toContain("the output has 4 MiB, more than the 2 MiB of the setting jobs.outputMiB");
    expect(await box.ok("jobs", "logs", "large")).toContain('"epoch":5');
    expect((await shown("show", "large")).jobs[0]).toMatchObject({ state: "failed", commit: null });
    await box.ok("config", "unset", "jobs.outputMiB");
    await box.ok("jobs", "commit", "large");
    expect((await shown("show", "large")).jobs[0]).toMatchObject({ state: "finished" });
  },
);
