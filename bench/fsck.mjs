/** How long do a check, a gc and a start after kill -9 take with a million objects, and how much memory? */
import { Lab, seconds } from "./lab.mjs";
import { load, writePacks } from "./packs.mjs";

/** Each commit brings 500 objects: itself, a root, 150 folders and 348 files of about 100 bytes. */
const COMMITS = 2000;
const FOLDERS = 150;
const FILES = 348;
const REASON = { op: "commit", reason: "bench", actor: "Bench <bench@example.org>" };

export function run() {
  const lab = new Lab();
  try {
    const made = lab.time(process.execPath, [import.meta.filename, lab.env.SMC_HOME]);
    const started = lab.timeSmc("daemon", "start");
    const pid = lab.daemonPid();
    const before = lab.memoryPeakMib(pid);
    const quick = lab.timeSmc("fsck", "--repo", "demo");
    const peak = lab.memoryPeakMib(pid);
    const stopped = lab.loopDelayMaxMs();
    const full = lab.timeSmc("fsck", "--full", "--repo", "demo");
    const peakFull = lab.memoryPeakMib(pid);
    const stoppedFull = lab.loopDelayMaxMs();
    const clean = lab.timeSmc("gc", "-n", "--repo", "demo");
    const peakGc = lab.memoryPeakMib(pid);
    process.kill(pid, "SIGKILL");
    const again = lab.timeSmc("log", "--oneline", "-n", "1", "--repo", "demo");
    return {
      title: `${(COMMITS * (2 + FOLDERS + FILES)).toLocaleString("en")} objects`,
      rows: [
        ["making the store, index included", seconds(made), ""],
        ["start of the daemon", seconds(started), "after a clean stop"],
        ["memory of the daemon before", `${Math.round(before)} MiB`, ""],
        ["smc fsck", seconds(quick), "at most 120 s"],
        ["memory of the daemon, peak", `${Math.round(peak)} MiB`, "at most 1024 MiB"],
        ["longest stop of the event loop", `${stopped} ms`, "at most 50 ms"],
        ["smc fsck --full", seconds(full), ""],
        ["memory of the daemon, peak", `${Math.round(peakFull)} MiB`, ""],
        ["longest stop of the event loop", `${stoppedFull} ms`, "at most 50 ms"],
        ["smc gc -n", seconds(clean), "at most 120 s"],
        ["memory of the daemon, peak", `${Math.round(peakGc)} MiB`, ""],
        ["smc log after kill -9 of the daemon", seconds(again), "at most 5 s"],
      ],
    };
  } finally {
    lab.close();
  }
}

async function make(storePath) {
  const { openStore } = await load("open-store.js");
  const { refName } = await load("objects/names.js");
  const first = await openStore(storePath, { create: true });
  const { id } = first;
  await first.refs.createRepository("demo", REASON);
  await first[Symbol.asyncDispose]();
  const head = await writePacks(storePath, id, writeHistory);
  const store = await openStore(storePath);
  const main = refName("refs/heads/", "main");
  await store.refs.update("demo", [{ name: main, from: "absent", to: head }], REASON);
  await store[Symbol.asyncDispose]();
}

async function writeHistory({ put, putTree, putCommit }) {
  let head;
  for (let commit = 0; commit < COMMITS; commit += 1) {
    const folders = Array.from({ length: FOLDERS }, () => []);
    for (let file = 0; file < FILES; file += 1) {
      const raw = Buffer.from(`file ${file} of commit ${commit} `.padEnd(100, "."));
      const name = `f${String(file).padStart(3, "0")}`;
      const digest = await put("chunk", raw);
      folders[file % FOLDERS].push({ name, mode: "100644", digest, sizeBytes: raw.length });
    }
    const entries = [];
    for (const [number, files] of folders.entries()) {
      const name = `d${String(number).padStart(3, "0")}`;
      const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
      entries.push({ name, mode: "040000", digest: await putTree(files), sizeBytes });
    }
    head = await putCommit(commit, {
      tree: await putTree(entries),
      parents: head === undefined ? [] : [head],
    });
  }
  return head;
}

if (process.argv[1] === import.meta.filename) await make(process.argv[2]);
