import { resolve } from "node:path";
import type { LayoutResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, formatTable } from "../format.ts";
import { hintSkipped } from "../symlinks.ts";

type Row = LayoutResult["folders"][number];

function detailsOf({ version, files, sizeBytes }: Row): string[] {
  if (version === null) return [];
  return [show(version, 80), formatCount(files, "file"), formatSize(sizeBytes)];
}

export const command = defineCommand({
  usage: ["layout sync [-n] DIR"],
  description: [
    "Writes champion/, challenger/ and archive/VERSION/ below DIR: the files of each version, and metadata.json",
    "with what is known of it. Programs may read meanwhile: each file is replaced whole, metadata.json last. A role",
    "that nobody is in has no folder. Files that smc did not write are never replaced or removed: they are listed,",
    "nothing is changed, and the status is 5.",
  ],
  positionals: [
    { name: "ACTION", summary: "sync", required: true, completes: ["sync"] },
    { name: "DIR", summary: "folder for them, made when it is not there", required: true },
  ],
  options: {
    "dry-run": { type: "boolean", short: "n", summary: "print what would be done, change nothing" },
  },
  examples: [
    ["smc layout sync models", "models/champion, models/challenger, models/archive/v1.0.0 …"],
    ["smc layout sync -n models", "what would it change?"],
  ],
  run: (context, { words, rest, options }) => {
    const [action = "", folder = "", ...more] = [...words, ...(rest ?? [])];
    if (action !== "sync" || folder === "" || more.length > 0)
      throw new SmcError("USAGE", 'one folder goes with "smc layout sync DIR"');
    const dryRun = options["dry-run"];
    return context.call("layout", { action, folder: resolve(context.folder, folder), dryRun });
  },
  print: ({ folders, dryRun }, out) => {
    const verb = (row: Row): string =>
      dryRun && (row.action === "written" || row.action === "removed")
        ? `would be ${row.action}`
        : row.action;
    const rows = folders.map((row) => [show(row.name, 300), verb(row), ...detailsOf(row)]);
    for (const line of formatTable(rows)) out.line(line);
    for (const { name, hasForeignMetadata, skippedLinks } of folders) {
      if (hasForeignMetadata)
        out.hint(
          `${show(name, 300)}/metadata.json is the version's own and not of smc's form: it stays as it is`,
        );
      hintSkipped(
        skippedLinks.map((link) => ({ path: `${name}/${link}`, reason: "it is a symbolic link" })),
        out,
      );
    }
  },
  quiet: ({ folders }) =>
    folders.filter(({ action }) => action === "written" || action === "removed").map(({ name }) => name),
});
