/** Runs the measurements: all, or those named. `node bench/run.mjs [large-file] [--rounds 5] [--size-mib 1024]`. */
import { parseArgs } from "node:util";
import { machine } from "./lab.mjs";

const QUESTIONS = [
  "start",
  "small-files",
  "large-file",
  "memory",
  "fsck",
  "codecs",
  "series",
  "models",
  "large-model",
];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, "size-mib": { type: "string", default: "1024" } },
});
const unknown = positionals.filter((name) => !QUESTIONS.includes(name));
if (unknown.length > 0) throw new Error(`no measurement '${unknown[0]}'; there are ${QUESTIONS.join(", ")}`);

process.stdout.write(`${machine()}\n`);
for (const name of positionals.length === 0 ? QUESTIONS : positionals) {
  const { run } = await import(`./${name}.mjs`);
  const { title, rows } = await run({ rounds: Number(values.rounds), sizeMib: Number(values["size-mib"]) });
  process.stdout.write(`\n## ${title}\n\n| | median | |\n|---|---|---|\n`);
  for (const row of rows) process.stdout.write(`| ${row.join(" | ")} |\n`);
}
