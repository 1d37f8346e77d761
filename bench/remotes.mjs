/**
 * How fast does a large file go to a folder and come back, beside cp and fsync of it; and how little of a changed one
 * moves?
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { editHead, inRepository, median, MIB, seconds, spread, writeRandom } from "./lab.mjs";
import { folderBytes } from "./sizes.mjs";

const NAME = "weights.bin";

function commitFile(lab, message) {
  lab.smc("add", NAME);
  lab.smc("commit", "-q", "-m", message);
}

/** With a store of its own, as on another machine. */
function cloneTime(lab, nas, round) {
  const home = lab.env.SMC_HOME;
  lab.env.SMC_HOME = join(lab.root, `other${round}`);
  lab.smc("repos");
  lab.settle();
  const time = lab.timeSmc("clone", "-q", "--no-checkout", `file://${nas}`, join(lab.root, `clone${round}`));
  const memoryMib = lab.memoryPeakMib(lab.daemonPid());
  lab.smc("daemon", "stop");
  rmSync(lab.env.SMC_HOME, { recursive: true });
  lab.env.SMC_HOME = home;
  return { time, memoryMib };
}

function measureRound(lab, { round, sizeMib }) {
  const nas = lab.folder(`nas${round}`);
  const file = join(lab.work, NAME);
  rmSync(file, { force: true });
  writeRandom(file, sizeMib * MIB);
  lab.settle();
  const copy = lab.time(() => {
    lab.run("cp", [file, join(nas, "copy")]);
    lab.run("sync", [join(nas, "copy")]);
  });
  rmSync(join(nas, "copy"));
  commitFile(lab, `round ${round}`);
  lab.smc("remote", "add", "origin", `file://${nas}`);
  const refs = ["-q", "origin", "main"];
  lab.settle();
  const push = lab.timeSmc("push", ...refs);
  const nothing = lab.timeSmc("push", ...refs);
  const clone = cloneTime(lab, nas, round);
  editHead(file, round);
  commitFile(lab, `edit ${round}`);
  const before = folderBytes(nas);
  const edit = lab.timeSmc("push", ...refs);
  const editBytes = folderBytes(nas) - before;
  const memoryMib = Math.max(clone.memoryMib, lab.memoryPeakMib(lab.daemonPid()));
  return { copy, push, nothing, edit, editBytes, clone: clone.time, memoryMib };
}

/** A new store in each round: nothing of the file before is there. */
export function run({ rounds, sizeMib }) {
  const results = Array.from({ length: rounds }, (_, round) =>
    inRepository((lab) => measureRound(lab, { round, sizeMib })),
  );
  const of = (name) => results.map((result) => result[name]);
  const ratio = (name) => `${(median(of("copy")) / median(of(name))).toFixed(2)} × cp`;
  const row = (what, name, more) => [what, seconds(median(of(name))), `${spread(of(name))}${more}`];
  const memoryMib = Math.round(Math.max(...of("memoryMib")));
  return {
    title: `A new file of ${sizeMib} MiB of random bytes to a folder and back, ${rounds} rounds`,
    rows: [
      row("cp and sync", "copy", ""),
      row("push", "push", `; ${ratio("push")}`),
      row("clone without checkout", "clone", `; ${ratio("clone")}`),
      row("push of nothing", "nothing", ""),
      row("push after an edit of 4 KiB", "edit", `; ${Math.round(median(of("editBytes")) / 1024)} KiB moved`),
      ["most memory of a daemon", `${memoryMib} MiB`, "at most 512 MiB"],
    ],
  };
}
