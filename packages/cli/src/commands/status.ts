import type { StatusResult } from "@smc/store";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, shortDigest, shortRef } from "../format.ts";
import type { Output } from "../output.ts";
import { pathspecs } from "../input.ts";

const LETTERS = { added: "A", modified: "M", deleted: "D" } as const;
const WORDS = { added: "new file", modified: "modified", deleted: "deleted" } as const;

type Section = readonly (readonly [label: string, path: string])[];

function section(out: Output, title: string, hints: readonly string[], rows: Section): void {
  if (rows.length === 0) return;
  out.line(title);
  for (const hint of hints) out.line(`  (${hint})`);
  const colour = title.startsWith("Changes to be") ? "green" : "red";
  for (const [label, path] of rows) {
    out.line(`        ${out.paint(colour, `${label === "" ? "" : `${label}:`.padEnd(12)}${show(path)}`)}`);
  }
  out.line();
}

export const command = defineCommand({
  usage: ["status [options] [path ...]"],
  description: [
    "Shows what the next commit will hold, what is changed but not staged, and what is not tracked.",
  ],
  positionals: [{ name: "path", summary: "only these files and folders", many: true }],
  options: {
    short: { type: "boolean", short: "s", summary: "one line for each file, without hints" },
    porcelain: { type: "boolean", summary: "as --short, in a form that does not change" },
    "untracked-files": {
      type: "choice",
      short: "u",
      choices: ["normal", "all"],
      summary: "name untracked folders, or every file in them",
    },
    "exit-code": { type: "boolean", summary: "end with 1 when something differs" },
  },
  examples: [
    ["smc status", "what changed?"],
    ["smc status --json", "for programs"],
    ["smc status --exit-code -q", "is the folder clean?"],
  ],
  run: async (context, words) => {
    const { "untracked-files": untracked } = words.options;
    const paths = await pathspecs(context, words);
    return context.call("status", { paths, ...(untracked === undefined ? {} : { untracked }) });
  },
  print: (data, out, { options }) => {
    if (options.short || options.porcelain) {
      for (const line of shortLines(data)) out.line(line);
      return;
    }
    out.line(
      data.branch === null
        ? `HEAD detached at ${shortDigest(data.head ?? "")}`
        : `On branch ${show(data.branch)}`,
    );
    if (data.head === null) out.line("No commits yet");
    if (data.upstream !== null) out.line(upstreamLine(data.upstream));
    if (data.damage !== null) {
      const packs = formatCount(data.damage.packs, "pack");
      out.line(
        out.paint("red", `damage was found in ${packs} of the store: mend it with "smc fsck --repair"`),
      );
    }
    out.line();
    const staged = data.staged.map(({ path, change }) => [WORDS[change], path] as const);
    section(out, "Changes to be committed:", ['use "smc restore --staged <path>" to take one out'], staged);
    const changed = [
      ...data.modified.map((path) => ["modified", path] as const),
      ...data.deleted.map((path) => ["deleted", path] as const),
    ].sort((a, b) => (a[1] < b[1] ? -1 : 1));
    const hints = [
      'use "smc add <path>" to stage them',
      'use "smc restore <path>" to throw the changes away',
    ];
    section(out, "Changes not staged:", hints, changed);
    const untracked = data.untracked.map((path) => ["", path] as const);
    section(out, "Untracked:", ['use "smc add <path>" to track them'], untracked);
    if (isClean(data)) out.line("nothing to commit, worktree clean");
    else if (staged.length === 0) out.line('nothing staged (use "smc add" and then "smc commit")');
  },
  quiet: (data) => [
    ...new Set([
      ...data.staged.map(({ path }) => path),
      ...data.modified,
      ...data.deleted,
      ...data.untracked,
    ]),
  ],
  exitCode: (data, { options }) => (options["exit-code"] && !isClean(data) ? 1 : 0),
});

function upstreamLine({ ref, ahead, behind }: NonNullable<StatusResult["upstream"]>): string {
  const name = `'${shortRef(ref)}'`;
  if (ahead === null || behind === null) return `Your branch and ${name} differ by very many commits.`;
  if (ahead === 0 && behind === 0) return `Your branch is up to date with ${name}.`;
  if (behind === 0) return `Your branch is ahead of ${name} by ${formatCount(ahead, "commit")}.`;
  if (ahead === 0)
    return `Your branch is behind ${name} by ${formatCount(behind, "commit")}; "smc pull" moves it forward.`;
  return `Your branch and ${name} have diverged: ${formatCount(ahead, "commit")} here, ${behind} there.`;
}

interface Changes {
  readonly staged: readonly { readonly path: string; readonly change: keyof typeof LETTERS }[];
  readonly modified: readonly string[];
  readonly deleted: readonly string[];
  readonly untracked: readonly string[];
}

function isClean(data: Changes): boolean {
  return data.staged.length + data.modified.length + data.deleted.length + data.untracked.length === 0;
}

/** As `git status --short`: the stage's letter, the folder's letter, the path. */
function shortLines(data: Changes): string[] {
  const letters = new Map<string, [string, string]>();
  for (const { path, change } of data.staged) letters.set(path, [LETTERS[change], " "]);
  const unstaged = (paths: readonly string[], letter: string): void => {
    for (const path of paths) letters.set(path, [letters.get(path)?.[0] ?? " ", letter]);
  };
  unstaged(data.modified, "M");
  unstaged(data.deleted, "D");
  const tracked = [...letters].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...tracked.map(([path, [stage, folder]]) => `${stage}${folder} ${show(path)}`),
    ...data.untracked.map((path) => `?? ${show(path)}`),
  ];
}
