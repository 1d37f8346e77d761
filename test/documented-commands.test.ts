/** What the pages tell people to type: every command of theirs is understood, and those of the quick reference run. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isCommandName, loadCommand } from "../packages/cli/src/commands/index.ts";
import { GLOBAL_OPTIONS } from "../packages/cli/src/global-options.ts";
import { parseWords } from "../packages/cli/src/words.ts";
import { createSandbox } from "./e2e/sandbox.ts";
import { ROOT, sources } from "./source.ts";

function page(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Words of a line as a shell splits it, without what stands behind `#`, `|`, `>`, `&&`. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [, single, double, plain] of line.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g)) {
    if (plain !== undefined && /^(?:#|\||>|&&|;|<|\\$)/.test(plain)) break;
    words.push(single ?? double ?? plain ?? "");
  }
  return words;
}

/** Commands in blocks of code that people type, of one page. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/```(?:sh|console|)\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  return blocks.flatMap((block) =>
    block
      .split("\n")
      .flatMap((line) => line.split(/ && |; /))
      .map((line) => line.trim().replace(/^\$ /, ""))
      .filter((line) => line.startsWith("smc ")),
  );
}

const guides = sources(["docs/guides"], [".md"]);
const pages = [
  ...guides,
  { path: "README.md", text: page("README.md") },
  { path: "docs/start.md", text: page("docs/start.md") },
];

test("the pages tell people to type something", () => {
  expect(pages.flatMap(({ text }) => commandsIn(text)).length).toBeGreaterThan(100);
});

test.for(pages)("every command of $path has a verb and options that there are", async ({ path, text }) => {
  for (const line of commandsIn(text)) {
    const [first = "", ...more] = wordsOf(line).slice(1);
    const [verb = "", ...args] = first === "--store" ? more.slice(1) : [first, ...more];
    if (!isCommandName(verb)) throw new Error(`${path}: ${line}`);
    const { options } = await loadCommand(verb);
    expect(() => parseWords(args, { ...GLOBAL_OPTIONS, ...options }), `${path}: ${line}`).not.toThrow();
  }
});

/** Commands of the quick reference that need a server, a program, a day or a name of somebody's own. */
const NOT_RUN =
  /^smc (?:import|train|data|jobs|clone|pull|hook|events|help|catalog|setup|restore-backup BACKUP|show FILE|note FILE|archive|doctor|eval|export)/;
const ASKS = /^smc (?:promote|rollback|activate)/;

/** What must be there for the rows of the table, in their order: files, three versions, a champion. */
const BEFORE = `
mkdir nas
commit() { head -c 30000 /dev/urandom > best.pt; smc add best.pt; smc commit -q -m "$1" --metric azi=$2 --metric mag=$3 --metric loss=0.1 --tag "$1"; }
smc init
commit v1.0.0 50.66 98.36
smc promote v1.0.0 --reason first --yes
commit v1.0.1 71.28 97.63
commit v1.0.2 72 97
echo '{"azi": 73}' > metrics.json; echo 'lr: 0.1' > args.yaml; echo more > notes.txt
`;

test("S3.23 the commands of the quick reference run", async () => {
  await using sandbox = await createSandbox({ init: false });
  const commands = [...page("docs/quick-reference.md").matchAll(/`(smc [^`]+)`/g)]
    .map((match) => match[1] ?? "")
    .filter((line) => !NOT_RUN.test(line) && !["smc init", "smc tag v1.0.1"].includes(line))
    .map((line) => line.replaceAll("/mnt/nas/model", `${sandbox.work}/nas`).replaceAll("/mnt/nas", "nas"))
    .map((line) => line.replace("--at 2026-01-15", "--at now"))
    .map((line) => (line.startsWith("smc commit") ? `date +%N >> best.pt && smc add -A && ${line}` : line))
    .map((line) => (ASKS.test(line) && !line.includes("--list") ? `${line} --yes` : line));
  expect(commands.length).toBeGreaterThan(35);
  const script = commands.map(
    (line) => `${line} || { echo ${JSON.stringify(`FAILED ${line.replaceAll('"', "'")}`)} >&2; exit 1; }`,
  );
  const ran = await sandbox.shell(["set -e", BEFORE, ...script].join("\n"));
  expect(ran.code, ran.stderr).toBe(0);
});
