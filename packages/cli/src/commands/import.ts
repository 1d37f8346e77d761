import { resolve } from "node:path";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, formatTable, shortDigest } from "../format.ts";

const KINDS = ["folder", "dvc", "git-lfs"] as const;
const LEFT_OUT_SHOWN = 5;
const ID_LENGTH = 9;

export const command = defineCommand({
  usage: ["import folder DIR [options]", "import dvc DIR [options]", "import git-lfs DIR [options]"],
  description: [
    "Brings a history that another program keeps, or that was kept by hand, in as commits of a branch. DIR is only",
    "read. folder: model files by the versions and dates of their names, or of the folders they are in; dvc and",
    "git-lfs: the first-parent history of a repository of git, with the files that are kept outside of it. Again it",
    "adds what is new. All of it or nothing.",
  ],
  positionals: [
    { name: "KIND", summary: KINDS.join(", "), required: true, completes: KINDS },
    { name: "DIR", summary: "what is imported" },
  ],
  options: {
    branch: {
      type: "string",
      value: "NAME",
      summary: "where it goes (the first branch when empty, else imported)",
    },
    rev: { type: "string", value: "REV", summary: "dvc and git-lfs: where the history of git ends (HEAD)" },
    "allow-missing": { type: "boolean", summary: "leave out files whose bytes are nowhere" },
    "dry-run": { type: "boolean", short: "n", summary: "print what would be imported, change nothing" },
  },
  examples: [
    ["smc import folder -n data/models", "which versions are in there?"],
    [
      "smc import folder ../autoupdate_pipeline/models",
      "champion, challenger and archive, with their metadata.json",
    ],
    ["smc import dvc ../training --branch from-dvc", "what DVC kept"],
    ["smc import git-lfs ../weights", "and again later, for what is new"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "", folder = "", ...more] = [...words, ...(rest ?? [])];
    const kind = KINDS.find((known) => known === word);
    if (kind === undefined || folder === "" || more.length > 0)
      throw new SmcError("USAGE", `say what is imported: one of ${KINDS.join(", ")}, and a folder`, {
        hint: `smc import ${kind ?? "folder"} ${show(folder || (kind === undefined ? word : "DIR"), 200)}`,
      });
    return context.call("import", {
      kind,
      folder: resolve(context.folder, folder),
      ...(options.branch === undefined ? {} : { branch: options.branch }),
      ...(options.rev === undefined ? {} : { revision: options.rev }),
      allowMissing: options["allow-missing"],
      dryRun: options["dry-run"],
    });
  },
  print: (data, out) => {
    const rows = data.versions.map(({ id, commit, date, tags, subject, files, sizeBytes }) => [
      commit === null ? show(id.slice(0, ID_LENGTH), 20) : shortDigest(commit),
      date.slice(0, 10),
      show(tags.join(" "), 80),
      formatCount(files, "file"),
      formatSize(sizeBytes),
      show(subject, 60),
    ]);
    for (const line of formatTable(rows)) out.line(line);
    const verb = data.dryRun ? "would be imported" : "imported";
    const had = data.known === 0 ? "" : `, ${data.known} were there`;
    out.line(`${formatCount(data.versions.length, "version")} ${verb} to ${show(data.branch, 200)}${had}`);
    for (const { subject, missing } of data.versions
      .filter((each) => each.missing.length > 0)
      .slice(0, LEFT_OUT_SHOWN))
      out.warn(
        `'${show(subject, 80)}' is without ${missing
          .slice(0, 3)
          .map((path) => show(path, 200))
          .join(", ")}`,
      );
    for (const { what, why } of data.leftOut.slice(0, LEFT_OUT_SHOWN))
      out.hint(`left out: ${show(what, 300)}: ${show(why, 200)}`);
    if (data.leftOut.length > LEFT_OUT_SHOWN)
      out.hint(`left out: ${data.leftOut.length - LEFT_OUT_SHOWN} more`);
  },
  quiet: ({ versions }) => versions.map(({ id, commit }) => commit ?? id),
});
