/** Does the daemon stay as small as it is while it works for half an hour and collects garbage every minute? */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inRepository, MIB, writeRandom } from "./lab.mjs";
import { writeModel } from "./weights.mjs";

const MODEL_MIB = 16;
const SMALL_FILES = 40;
/** Caches are warm by then. */
const WARM_MINUTES = 5;

function look(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    memoryMib: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: Number(/Threads:\s+(\d+)/.exec(status)?.[1]),
  };
}

/** A day of work: a new version, some small files, a branch that is given up, a way back. */
function work(lab, round) {
  const model = join(lab.work, "model.safetensors");
  writeModel(model, { dtype: "bf16", sizeMib: MODEL_MIB, seed: 1 + (round % 7), isTuned: round % 2 === 1 });
  for (let file = 0; file < SMALL_FILES; file++) writeRandom(join(lab.work, `part${file}.bin`), 4096);
  lab.smc("add", "-A");
  lab.smc("commit", "-q", "-m", `round ${round}`);
  lab.smc("branch", "-f", `try${round % 5}`);
  lab.smc("checkout", "-q", "HEAD~1");
  lab.smc("checkout", "-q", "main");
  lab.smc("status");
  lab.smc("log", "-n", "20");
  if (round % 10 === 0) lab.smc("reset", "--hard", "HEAD~5");
}

function spreadOf(looks, name, digits) {
  const values = looks.map((each) => each[name]);
  const show = (value) => value.toFixed(digits);
  return `${show(Math.min(...values))} to ${show(Math.max(...values))}, ${show(values.at(-1))} at the end`;
}

export function run({ minutes = 30 }) {
  return inRepository((lab) => {
    writeRandom(join(lab.work, "start.bin"), MIB);
    lab.smc("add", "-A");
    lab.smc("commit", "-q", "-m", "start");
    for (let round = 1; round <= 6; round++) work(lab, round);
    const looks = [];
    let round = 6;
    for (let minute = 1; minute <= minutes; minute++) {
      const end = performance.now() + 60_000;
      while (performance.now() < end) work(lab, (round += 1));
      lab.smc("gc", "--older-than", "0", "--grace", "0");
      looks.push(look(lab.daemonPid()));
      process.stderr.write(`minute ${minute}: ${JSON.stringify(looks.at(-1))}\n`);
    }
    lab.smc("fsck", "--full");
    const warm = looks.slice(Math.min(WARM_MINUTES, looks.length - 1));
    return {
      title: `A soak of ${minutes} minutes: ${round} versions, garbage collected every minute`,
      rows: [
        ["memory of the daemon", `${spreadOf(warm, "memoryMib", 0)} MiB`, "flat"],
        ["open descriptors", spreadOf(warm, "descriptors", 0), "flat"],
        ["threads", spreadOf(warm, "threads", 0), "flat"],
        ["fsck --full at the end", "ok", ""],
      ],
    };
  });
}
