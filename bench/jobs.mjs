/** What does it cost that a program runs as a job, and what do jobs that print a lot cost the daemon and the others? */
import { readFileSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Lab, median } from "./lab.mjs";
import { post } from "./refs.mjs";

const PRINTERS = 20;
const PRINT_SECONDS = 15;
const QUESTION_MS = 50;
/** Of a second of /proc. */
const TICKS = 100;

/** One epoch of some seconds: a product of matrices, again and again. */
const EPOCH = `
const fs = require("node:fs");
const size = 256, a = new Float32Array(size * size).fill(1.5), b = new Float32Array(size * size).fill(0.5);
let sum = 0;
for (let step = 0; step < 220; step += 1)
  for (let row = 0; row < size; row += 1)
    for (let column = 0; column < size; column += 1) {
      let value = 0;
      for (let at = 0; at < size; at += 1) value += a[row * size + at] * b[at * size + column];
      sum += value;
    }
console.log(JSON.stringify({ epoch: 1, metrics: { loss: 1 / sum } }));
fs.writeFileSync((process.env.SMC_OUTPUT ?? ".") + "/model.bin", String(sum));
`;

/** 1 MiB in each second, from when it is told. */
const PRINTER = `
const fs = require("node:fs");
const line = "x".repeat(1023) + "\\n";
let until;
const timer = setInterval(() => {
  if (until === undefined && !fs.existsSync(process.argv[2])) return;
  until ??= Date.now() + ${PRINT_SECONDS * 1000};
  process.stdout.write(line.repeat(103));
  if (Date.now() < until) return;
  clearInterval(timer);
  fs.writeFileSync(process.env.SMC_OUTPUT + "/model.bin", "m");
}, 100);
`;

/** Seconds of the processor that a process has taken. */
function processorSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Milliseconds of one small request on a connection that is open. */
async function ask(agent, socketPath, folder) {
  const started = performance.now();
  await post({ agent, socketPath, path: "/v1/verbs/refs" }, JSON.stringify({ at: { folder }, input: {} }));
  return performance.now() - started;
}

/** Waits of small requests, and the daemon's processor, while so many seconds go by. */
async function watch({ pid, socket }, folder, forSeconds) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const before = processorSeconds(pid);
  const started = performance.now();
  const waits = [];
  while (performance.now() - started < forSeconds * 1000) {
    waits.push(await ask(agent, socket, folder));
    await sleep(QUESTION_MS);
  }
  agent.destroy();
  const cores = (processorSeconds(pid) - before) / ((performance.now() - started) / 1000);
  waits.sort((a, b) => a - b);
  return { cores, p99Ms: waits[Math.floor(waits.length * 0.99)] };
}

export async function run({ rounds }) {
  const lab = new Lab();
  try {
    lab.smc("init");
    writeFileSync(join(lab.work, "epoch.cjs"), EPOCH);
    writeFileSync(join(lab.work, "print.cjs"), PRINTER);
    lab.smc("add", ".");
    lab.smc("commit", "-m", "programs");
    const ratios = Array.from({ length: rounds }, () => {
      const bare = lab.time(process.execPath, ["epoch.cjs"], lab.work);
      return lab.timeSmc("train", "-q", "--", process.execPath, "epoch.cjs") / bare;
    });
    const { daemon } = JSON.parse(lab.smc("daemon", "status", "--json"));
    const idle = await watch(daemon, lab.work, 5);
    const go = join(lab.root, "go");
    lab.smc("queue", "start", "-j", String(PRINTERS));
    const jobs = Array.from({ length: PRINTERS }, () =>
      lab.smc("train", "-d", "-q", "--", process.execPath, "print.cjs", go).trim(),
    );
    const areRunning = () =>
      JSON.parse(lab.smc("queue", "--json")).running.every(({ state }) => state === "running");
    while (!areRunning()) await sleep(QUESTION_MS);
    writeFileSync(go, "");
    const busy = await watch(daemon, lab.work, PRINT_SECONDS / 2);
    for (const job of jobs) lab.smc("jobs", "wait", job);
    const cores = (value) => `${value.toFixed(2)} of a core`;
    return {
      title: "Training as jobs",
      rows: [
        ["an epoch as a job ÷ the same as a bare script", `${median(ratios).toFixed(2)} ×`, "1.15 ×"],
        [`the daemon, ${PRINTERS} jobs that print 1 MiB/s each`, cores(busy.cores), "0.5 of a core"],
        ["smc refs meanwhile, p99", `${busy.p99Ms.toFixed(1)} ms`, "100 ms"],
        ["smc refs without them, p99", `${idle.p99Ms.toFixed(1)} ms`, ""],
      ],
    };
  } finally {
    lab.close();
  }
}
