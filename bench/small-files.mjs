/** How fast are 10,000 files of 4 KiB committed, looked at again, and checked out? How often is the disk flushed? */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { isInstalled, Lab, median, seconds, spread, writeRandom } from "./lab.mjs";

const FOLDERS = 100;
const FILES_EACH = 100;
const FILE_BYTES = 4096;

function writeFiles(lab, name) {
  for (let folder = 0; folder < FOLDERS; folder++) {
    const path = join(lab.work, name, String(folder));
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < FILES_EACH; file++) writeRandom(join(path, `${file}.bin`), FILE_BYTES);
  }
  lab.settle();
}

function commitAll(lab) {
  return lab.time(() => {
    lab.smc("add", ".");
    lab.smc("commit", "-q", "-m", "files");
  });
}

/** fsync and fdatasync calls of the daemon and its workers while `action` runs. */
async function countSyncs(lab, action) {
  const log = join(lab.root, "strace.txt");
  const pid = String(lab.daemonPid());
  const strace = spawn("strace", ["-f", "-e", "trace=fsync,fdatasync", "-o", log, "-p", pid], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(strace, "exit");
  await once(strace.stderr, "data");
  await wait(200);
  action();
  strace.kill("SIGINT");
  await ended;
  return readFileSync(log, "utf8").match(/f(data)?sync\(/g)?.length ?? 0;
}

function loopRow(lab, what) {
  return [
    `longest stop of the daemon's event loop in ${what}`,
    `${lab.loopDelayMaxMs()} ms`,
    "at most 50 ms",
  ];
}

export async function run({ rounds }) {
  const lab = new Lab();
  try {
    lab.smc("init");
    const commits = [];
    for (let round = 1; round <= rounds; round++) {
      writeFiles(lab, `set${round}`);
      commits.push(commitAll(lab));
      if (round === 1) lab.smc("tag", "one");
    }
    lab.smc("status");
    const status = Array.from({ length: 5 }, () => lab.timeSmc("status"));
    const rows = [
      ["commit of 10,000 files of 4 KiB", seconds(median(commits)), `${spread(commits)}; at most 6 s`],
      [`status of ${rounds} × 10,000 files, unchanged`, seconds(median(status)), spread(status)],
      loopRow(lab, "add, commit and status"),
      ["checkout, removing all but 10,000", seconds(lab.timeSmc("checkout", "-q", "one")), ""],
    ];
    lab.smc("status");
    const fewer = Array.from({ length: 5 }, () => lab.timeSmc("status"));
    rows.push([
      "status of 10,000 files, unchanged",
      seconds(median(fewer)),
      `${spread(fewer)}; at most 0.7 s`,
    ]);
    rows.push(["checkout, writing the others", seconds(lab.timeSmc("checkout", "-q", "main")), ""]);
    rows.push(loopRow(lab, "all of these"));
    if (!isInstalled("strace")) return { title: "Many small files", rows };
    writeFiles(lab, "traced");
    const syncs = await countSyncs(lab, () => commitAll(lab));
    return {
      title: "Many small files",
      rows: [...rows, ["fsyncs of such a commit", String(syncs), "at most 12"]],
    };
  } finally {
    lab.close();
  }
}
