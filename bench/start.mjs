/** How long does a command take that has next to nothing to do? */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Lab, median } from "./lab.mjs";

const TIMES = 15;
const milliseconds = (values) => `${Math.round(median(values) * 1000)} ms`;
const range = (values) =>
  `${Math.round(Math.min(...values) * 1000)} to ${Math.round(Math.max(...values) * 1000)} ms`;

export function run() {
  const lab = new Lab();
  try {
    lab.smc("init");
    writeFileSync(join(lab.work, "a.txt"), "a");
    lab.smc("add", ".");
    lab.smc("commit", "-q", "-m", "one");
    const node = Array.from({ length: TIMES }, () => lab.time(process.execPath, ["-e", "0"]));
    const version = Array.from({ length: TIMES }, () => lab.timeSmc("version"));
    const log = Array.from({ length: TIMES }, () => lab.timeSmc("log"));
    const cold = Array.from({ length: 5 }, () => {
      lab.smc("daemon", "stop");
      return lab.timeSmc("log");
    });
    return {
      title: "Start",
      rows: [
        ["node -e 0", milliseconds(node), range(node)],
        ["smc version", milliseconds(version), `${range(version)}; at most 250 ms`],
        ["smc log, daemon running", milliseconds(log), `${range(log)}; at most 300 ms`],
        ["smc log, daemon started by it", milliseconds(cold), `${range(cold)}; at most 1500 ms`],
      ],
    };
  } finally {
    lab.close();
  }
}
