/**
 * Runs the measurements: all, or those named. `node bench/run.mjs [large-file] [--rounds 5] [--size-mib 1024]`. The
 * soak takes its time (`--minutes 30`) and is run only when it is named.
 */
import { parseArgs } from "node:util";
import { machine } from "./lab.mjs";

const QUESTIONS = [
  "start",
  "small-files",
  "large-file",
  "memory",
  "fsck",
  "refs",
  "versions",
  "rollback",
  "remotes",
  "server",
  "negotiation",
  "crowd",
  "codecs",
  "series",
  "models",
  "large-model",
  "train",
  "jobs",
];
const LONG_QUESTIONS = ["soak"];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    "size-mib": { type: "string", default: "1024" },
    minutes: { type: "string", default: "30" },
  },
});
const all = [...QUESTIONS, ...LONG_QUESTIONS];
const unknown = positionals.filter((name) => !all.includes(name));
if (unknown.length > 0) throw new Error(`no measurement '${unknown[0]}'; there are ${all.join(", ")}`);
const options = {
  rounds: Number(values.rounds),
  sizeMib: Number(values["size-mib"]),
  minutes: Number(values.minutes),
};

process.stdout.write(`${machine()}\n`);
for (const name of positionals.length === 0 ? QUESTIONS : positionals) {
  const { run } = await import(`./${name}.mjs`);
  const { title, rows } = await run(options);
  process.stdout.write(`\n## ${title}\n\n| | median | |\n|---|---|---|\n`);
  for (const row of rows) process.stdout.write(`| ${row.join(" | ")} |\n`);
}
