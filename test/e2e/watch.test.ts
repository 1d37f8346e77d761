/** A training watched on a terminal, the pseudo-terminal of util-linux's script(1), and in a pipe. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { JobsResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 120_000;
const NODE = process.execPath;
const goFile = join(box.root, "go");

/** Says how far it is, then waits for a file of the test. */
const SCRIPT = `
const fs = require("node:fs");
const { SMC_PROGRESS_FILE, SMC_OUTPUT } = process.env;
const say = (step) => {
  const metrics = { loss: 1 / step, text: "x" };
  fs.writeFileSync(SMC_PROGRESS_FILE + ".new", JSON.stringify({ epoch: 1, epochs: 3, step, steps: 10, metrics }));
  fs.renameSync(SMC_PROGRESS_FILE + ".new", SMC_PROGRESS_FILE);
};
let step = 2;
setInterval(() => {
  say(step);
  if (step < 5) step += 1;
  if (!fs.existsSync(process.argv[2])) return;
  for (const epoch of [1, 2, 3])
    console.log(JSON.stringify({ epoch, metrics: { loss: 1 / epoch, val_acc: epoch === 2 ? 0.9 : 0.5 } }));
  fs.writeFileSync(SMC_OUTPUT + "/model.bin", "m");
  process.exit(0);
}, 120);
`;
const rows = Array.from({ length: 60 }, (_, at) => `${at},${at % 7},${at % 2 === 0 ? "even" : "odd"}`);
await box.commit("data", { "wait.cjs": SCRIPT, "points.csv": ["x,y,label", ...rows].join("\n") });

/** What a terminal gets of the command; `seen` is called for all that came by now. */
async function onTerminal(
  words: string,
  seen: (text: string) => void = () => undefined,
): Promise<{ code: number; text: string }> {
  const line = `"$SMC_TEST_NODE" "$SMC_TEST_BIN" ${words}`;
  const env = { ...box.env, TERM: "xterm", COLUMNS: "120", SMC_TEST_NODE: NODE, SMC_TEST_BIN: box.bin };
  const child = spawn("script", ["-qec", `stty cols 120; ${line}`, "/dev/null"], { cwd: box.work, env });
  child.stdin.end();
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    seen(text);
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, text };
}

const DRAWN = "\r\u001b[K";

test(
  "S1.4 a terminal has a bar with step, loss, rate and time left, and then a line for each epoch",
  { timeout: SLOW_MS },
  async () => {
    const id = (await box.ok("train", "-d", "-q", "--name", "bar", "--", NODE, "wait.cjs", goFile)).trim();
    const { code, text } = await onTerminal("jobs watch bar", (by) => {
      if (by.includes("  5/10") && by.includes("ms/step")) writeFileSync(goFile, "");
    });
    expect(code).toBe(0);
    expect(text).toContain(`${DRAWN}Epoch 1/3   5/10 ━━━━━━━━────────  loss 0.2`);
    expect(text).toMatch(/loss 0\.2 {2}\d+(?:\.\d+)? ms\/step {2}\d+s left/);
    expect(text).toContain(`job ${id} bar  (smc jobs watch bar)`);
    expect(text).toContain("Epoch 1/3  10/10 ━━━━━━━━━━━━━━━━  loss 1  val_acc 0.5");
    expect(text).toMatch(/Epoch 2\/3 .* val_acc 0\.9 {2}\*best\r\n/);
    expect(text).toMatch(/best epoch 2, val_acc 0\.9\r\nfinished after/);
    // The bar is gone: a line of the answer follows the last one that was drawn.
    expect(text.slice(text.lastIndexOf(DRAWN))).not.toContain("ms/step");
    const piped = await box.smc(["jobs", "watch", "bar"]);
    expect(piped.stdout).not.toContain("\u001b");
    expect(piped.stdout.match(/^Epoch .*$/gm)).toEqual([
      "Epoch   1  loss 1  val_acc 0.5",
      "Epoch   2  loss 0.5  val_acc 0.9",
      "Epoch   3  loss 0.333333  val_acc 0.5",
    ]);
  },
);

test(
  "S1.4 S1.19 S2.11 the trainer of smc says what it trains, its layers, its best epoch, and what it makes of some samples",
  { timeout: SLOW_MS },
  async () => {
    const { code, text } = await onTerminal(
      "train --engine tfjs --data points.csv --epochs 2 --set batch=6 --name own",
    );
    expect([code, text]).toEqual([0, expect.stringContaining("finished after")]);
    expect(text).toMatch(
      /own {2}mlp {2}\d+ params {2}batch 6 {2}lr 0\.001 {2}adam {2}\(smc jobs watch own\)/,
    );
    expect(text).toMatch(
      /Epoch 1\/2 {2}8\/8 ━{16} {2}\d+\.\ds {2}loss [\d.]+ {2}acc [\d.]+ {2}val_loss [\d.]+/,
    );
    expect(text).toMatch(/best epoch [12], val_acc/);
    const { progress } = await box.json<JobsResult>("jobs", "show", "own");
    expect(progress).toMatchObject({ epoch: 2, epochs: 2, step: 8, steps: 8 });
    expect(progress?.predictions).toHaveLength(6);
    const [first] = progress?.predictions ?? [];
    expect(["even", "odd"]).toContain(first?.expected);
    expect(first?.probability).toBeGreaterThanOrEqual(0.5);
    const shown = await box.ok("jobs", "show", "own", "--layers");
    expect(shown).toMatch(/^LAYER +NAME +OUTPUT +PARAMETERS\n(?:.*\n)*dense +output +2 +\d+$/m);
    expect(shown).toMatch(/^SAMPLE +EXPECTED +PREDICTED +SURE\n +\d+ +(even|odd) +(even|odd) +\d+ %$/m);
  },
);
