/** How long does it take until the champion of before is live again, every byte of it checked? */
import { join } from "node:path";
import { inRepository, median, MIB, spread, writeRandomModel } from "./lab.mjs";

const NAME = "model.safetensors";

/** Two versions, each live once; then there and back. Milliseconds of whole commands. */
function measureRound(lab, sizeMib) {
  const file = join(lab.work, NAME);
  for (const version of ["v1.0.0", "v2.0.0"]) {
    writeRandomModel(file, sizeMib * MIB);
    lab.smc("add", NAME);
    lab.smc("commit", "-q", "-m", version);
    lab.smc("tag", version);
    lab.smc("promote", version, "--yes", "--reason", version);
  }
  lab.settle();
  const rollback = lab.timeSmc("rollback", "--yes", "--reason", "drift") * 1000;
  const champion = lab.timeSmc("champion") * 1000;
  lab.settle();
  const full = lab.timeSmc("rollback", "--version", "v2.0.0", "--full", "--yes", "--reason", "back") * 1000;
  lab.settle();
  const checkout = lab.timeSmc("checkout", "-q", "v1.0.0") * 1000;
  return { rollback, champion, full, checkout };
}

export function run({ rounds, sizeMib }) {
  const results = Array.from({ length: rounds }, () => inRepository((lab) => measureRound(lab, sizeMib)));
  const row = (what, name, more) => {
    const seconds = results.map((result) => result[name] / 1000);
    return [what, `${(median(seconds) * 1000).toFixed(0)} ms`, `${spread(seconds)}${more}`];
  };
  return {
    title: `The champion of ${sizeMib} MiB that was live before, ${rounds} rounds`,
    rows: [
      row("smc rollback, its packs read and found right within scrub.days", "rollback", "; at most 500 ms"),
      row("smc rollback --full: every byte is read again", "full", ""),
      row("smc champion", "champion", "; at most 300 ms"),
      row("smc checkout of its file", "checkout", ""),
    ],
  };
}
