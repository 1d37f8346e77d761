/** A training in PyTorch as a job: examples/pytorch/train.py. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JobsResult } from "@smc/store";
import { createSandbox } from "../e2e/sandbox.ts";
import { ROOT } from "../source.ts";

const SLOW_MS = 300_000;
/** So many that a job is stopped in the middle. */
const EPOCHS = 150;

interface Engines {
  readonly torch: { readonly command: string; readonly env: Readonly<Record<string, string>> };
}

test(
  "S1.5 S1.13 a script of PyTorch is a job: its curve, its predictions, stopped and resumed to the same weights",
  { timeout: SLOW_MS },
  async () => {
    const { torch } = JSON.parse(readFileSync(join(ROOT, ".engines", "engines.json"), "utf8")) as Engines;
    await using box = await createSandbox();
    const script = readFileSync(join(ROOT, "examples", "pytorch", "train.py"), "utf8");
    await box.commit("script", { "train.py": script });
    const variables = Object.entries(torch.env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    const train = (name: string): Promise<string> => {
      const own = ["train", "-d", "-q", "--name", name, "--checkpoints", "ckpt/*", ...variables, "--"];
      return box.ok(...own, torch.command, "train.py", "--epochs", String(EPOCHS), "--lr", "0.05");
    };
    const curve = async (name: string) => (await box.json<JobsResult>("jobs", "epochs", name)).points ?? [];
    const weights = (name: string): Promise<string> => box.ok("rev-parse", `jobs/${name}:model.pt`);
    await train("whole");
    const ended = await box.smc(["jobs", "wait", "whole"]);
    expect([ended.code, await box.ok("jobs", "logs", "whole")]).toEqual([
      0,
      expect.stringContaining('"epoch": 150'),
    ]);
    const whole = await curve("whole");
    expect(whole.map(({ epoch }) => epoch)).toEqual(Array.from({ length: EPOCHS }, (_, at) => at + 1));
    expect(whole.at(-1)?.metrics.val_acc).toBeGreaterThan(0.8);
    expect(await box.ok("jobs", "show", "whole")).toMatch(
      /^SAMPLE +EXPECTED +PREDICTED +SURE\n +320 +0 +[01] +\d+ %$/m,
    );
    expect((await box.json<{ commit: { params: object } }>("show", "challenger")).commit.params).toEqual({
      epochs: EPOCHS,
      lr: 0.05,
    });
    expect(await box.ok("inspect", "challenger:model.pt")).toContain("0.weight");
    await train("halted");
    while ((await curve("halted")).length === 0);
    await box.ok("jobs", "stop", "halted");
    // A quick machine may be through: then there is nothing left to be learned.
    await box.smc(["jobs", "wait", "halted"]);
    await box.ok("jobs", "retry", "--resume", "halted");
    const resumed = await box.smc(["jobs", "wait", "halted"]);
    expect([resumed.code, await box.ok("jobs", "show", "halted")]).toEqual([
      0,
      expect.stringContaining("finished"),
    ]);
    const numbers = (points: readonly { epoch: number; metrics: object }[]) =>
      points.map(({ epoch, metrics }) => ({ epoch, metrics }));
    expect(numbers(await curve("halted"))).toEqual(numbers(whole));
    expect(await weights("halted")).toBe(await weights("whole"));
  },
);
