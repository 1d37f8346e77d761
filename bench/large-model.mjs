/** How fast are a new large model and then its fine-tune committed and checked out, beside cp, Git LFS and restic? */
import { copyFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { installPeers, isInstalled, Lab, median, seconds, spread, writeRandom } from "./lab.mjs";
import { folderBytes, percent } from "./sizes.mjs";
import { writeModel } from "./weights.mjs";

const NAME = "model.safetensors";
const DTYPES = ["bf16", "f32"];
const STEPS = ["commit, new", "checkout, new", "commit, fine-tune", "checkout, fine-tune"];

/** Each contender gets the same two files and tells the seconds of the four steps. */
function smcRound(lab, { model, tuned }) {
  const target = join(lab.work, NAME);
  const packs = join(lab.env.SMC_HOME, "packs");
  lab.smc("init");
  writeRandom(join(lab.work, "small.txt"), 100);
  lab.smc("add", ".");
  lab.smc("commit", "-q", "-m", "start");
  lab.smc("tag", "start");
  const commit = (source, tag) => {
    copyFileSync(source, target);
    lab.settle();
    const taken = lab.time(() => {
      lab.smc("add", NAME);
      lab.smc("commit", "-q", "-m", tag);
    });
    lab.smc("tag", tag);
    return taken;
  };
  const checkout = (tag) => {
    lab.smc("checkout", "-q", "start");
    lab.settle();
    const taken = lab.timeSmc("checkout", "-q", tag);
    lab.run("cmp", [target, tag === "model" ? model : tuned]);
    lab.smc("checkout", "-q", "main");
    return taken;
  };
  const times = [commit(model, "model")];
  const modelBytes = folderBytes(packs);
  times.push(checkout("model"), commit(tuned, "tuned"));
  const tunedBytes = folderBytes(packs) - modelBytes;
  times.push(checkout("tuned"));
  const peakMib = lab.memoryPeakMib(lab.daemonPid());
  return { times, peakMib, stopMs: lab.loopDelayMaxMs(), modelBytes, tunedBytes };
}

function cpRound(lab, { model, tuned }) {
  const target = join(lab.folder("cp"), NAME);
  const copy = (source) => {
    rmSync(target, { force: true });
    lab.settle();
    return lab.time(() => {
      lab.run("cp", [source, target]);
      lab.run("sync", [target]);
    });
  };
  const times = [copy(model), copy(model), copy(tuned), copy(tuned)];
  rmSync(target);
  return { times };
}

function gitRound(lab, { model, tuned }) {
  const cwd = lab.folder("git");
  const git = (...words) => lab.run("git", words, cwd);
  git("init", "-q");
  git("lfs", "install", "--local");
  git("lfs", "track", "*.safetensors");
  git("add", ".gitattributes");
  git("commit", "-q", "-m", "start");
  git("tag", "start");
  const times = [];
  for (const [source, tag] of [
    [model, "model"],
    [tuned, "tuned"],
  ]) {
    copyFileSync(source, join(cwd, NAME));
    lab.settle();
    times.push(lab.time("git", ["add", NAME], cwd));
    git("commit", "-q", "-m", tag);
    git("tag", tag);
    git("checkout", "-q", "start");
    lab.settle();
    times.push(lab.time("git", ["checkout", "-q", tag], cwd));
  }
  rmSync(cwd, { recursive: true });
  return { times };
}

function resticRound(lab, { model, tuned }) {
  const repository = join(lab.root, "restic");
  const restic = (...words) => ["-q", "-r", repository, ...words];
  lab.run("restic", restic("init"));
  const source = join(lab.folder("restic-source"), NAME);
  const target = join(lab.root, "restored");
  const times = [];
  for (const from of [model, tuned]) {
    copyFileSync(from, source);
    rmSync(target, { recursive: true, force: true });
    lab.settle();
    times.push(lab.time("restic", restic("backup", source)));
    lab.settle();
    times.push(lab.time("restic", restic("restore", "latest", "--target", target)));
  }
  for (const path of [repository, target, source]) rmSync(path, { recursive: true });
  return { times };
}

function contenders() {
  const rounds = new Map([
    ["smc", smcRound],
    ["cp + sync", cpRound],
  ]);
  if (isInstalled("git-lfs")) rounds.set("git lfs", gitRound);
  if (isInstalled("restic")) rounds.set("restic", resticRound);
  return rounds;
}

/** Every round has new numbers and a new store; the programs take turns within a round. */
function measure(dtype, { rounds, sizeMib }) {
  const results = new Map([...contenders().keys()].map((name) => [name, []]));
  let rawBytes = 0;
  for (let round = 1; round <= rounds; round++) {
    const lab = new Lab();
    try {
      const folder = lab.folder("source");
      const files = { model: join(folder, "model"), tuned: join(folder, "tuned") };
      writeModel(files.model, { dtype, sizeMib, seed: round });
      writeModel(files.tuned, { dtype, sizeMib, seed: round, isTuned: true });
      rawBytes = statSync(files.model).size;
      for (const [name, run] of contenders()) results.get(name).push(run(lab, files));
    } finally {
      lab.close();
    }
  }
  return { results, rawBytes };
}

function timeRows(dtype, { results, rawBytes }) {
  return STEPS.flatMap((step, index) => {
    const own = median(results.get("smc").map(({ times }) => times[index]));
    return [...results].map(([name, runs]) => {
      const values = runs.map(({ times }) => times[index]);
      const middle = median(values);
      const rate = `${Math.round(rawBytes / middle / 1e6)} MB/s`;
      const ratio = name === "smc" ? "" : `; smc is ${(middle / own).toFixed(2)} ×`;
      return [`${dtype}, ${step}: ${name}`, seconds(middle), `${spread(values)}; ${rate}${ratio}`];
    });
  });
}

function stateRows(dtype, { results, rawBytes }) {
  const runs = results.get("smc");
  const most = (key) => Math.round(Math.max(...runs.map((run) => run[key])));
  return [
    [`${dtype}: stored, new`, percent(median(runs.map(({ modelBytes }) => modelBytes)), rawBytes), "of raw"],
    [
      `${dtype}: stored, fine-tune`,
      percent(median(runs.map(({ tunedBytes }) => tunedBytes)), rawBytes),
      "of raw",
    ],
    [`${dtype}: memory of the daemon, peak`, `${most("peakMib")} MiB`, "at most 512 MiB"],
    [`${dtype}: longest stop of the daemon's event loop`, `${most("stopMs")} ms`, "at most 50 ms"],
  ];
}

export function run({ rounds, sizeMib }) {
  installPeers(["git-lfs", "restic"]);
  const rows = DTYPES.flatMap((dtype) => {
    const measured = measure(dtype, { rounds, sizeMib });
    return [...timeRows(dtype, measured), ...stateRows(dtype, measured)];
  });
  return { title: `A new model of about ${sizeMib} MiB and its fine-tune, ${rounds} rounds`, rows };
}
