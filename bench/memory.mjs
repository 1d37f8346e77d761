/** How much memory does the daemon ever need, whatever the size of the file? */
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Lab, seconds } from "./lab.mjs";

const SPARSE_GIB = 8;

export function run() {
  const lab = new Lab();
  try {
    lab.smc("init");
    const path = join(lab.work, "sparse.bin");
    writeFileSync(path, "");
    truncateSync(path, SPARSE_GIB * 1024 ** 3);
    const commit = lab.time(() => {
      lab.smc("add", ".");
      lab.smc("commit", "-q", "-m", "sparse");
    });
    const peak = lab.memoryPeakMib(lab.daemonPid());
    return {
      title: `A sparse file of ${SPARSE_GIB} GiB`,
      rows: [
        ["commit", seconds(commit), ""],
        ["memory of the daemon, peak", `${Math.round(peak)} MiB`, "at most 400 MiB"],
      ],
    };
  } finally {
    lab.close();
  }
}
