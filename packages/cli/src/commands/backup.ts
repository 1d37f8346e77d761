import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize } from "../format.ts";
import { hintUnrecorded } from "../unrecorded.ts";

const EXIT_PARTLY = 6;

export const command = defineCommand({
  usage: [
    "backup FILE [NAME] [--to DIR ...]",
    "backup REV [NAME] [--to DIR ...]",
    "backup --store [NAME] [--to DIR ...]",
  ],
  description: [
    "A FILE is copied as it is, with FILE.json beside the copy: where it comes from, when, by whom, size, SHA-256",
    "and MD5. A revision and the store become a tar file that GNU tar reads, with a manifest.json of the same kind",
    "as its first entry. A word that is a file and a revision is the file. Backups go to backups/ of layout.folder",
    "(data/models) unless --to says where. A place that fails does not stop the others: the status is then 6.",
  ],
  positionals: [
    { name: "FILE or REV", summary: "what is backed up", completes: "refs" },
    { name: "NAME", summary: "name of the backup (the file's, _backup_, date and time)" },
  ],
  options: {
    store: { type: "boolean", summary: "all repositories with their history; not tokens and logins" },
    to: {
      type: "string",
      multiple: true,
      value: "DIR",
      summary: "folder for it; several times for several copies",
    },
  },
  examples: [
    ["smc backup best.pt", "data/models/backups/best_backup_20260115_101112.pt"],
    ["smc backup v1.0.0 release.tar", "all files of a version"],
    ["smc backup --store --to /mnt/nas --to /media/stick", "everything, twice"],
  ],
  run: (context, { words, rest, options }) => {
    const all = [...words, ...(rest ?? [])];
    const [target, name] = options.store ? [undefined, ...all] : all;
    if (options.store ? all.length > 1 : target === undefined)
      throw new SmcError("USAGE", "name a file or a revision to back up, or use --store", {
        hint: 'see "smc help backup"',
      });
    return context.call("backup", {
      ...(target === undefined ? { store: true } : { target }),
      ...(name === undefined ? {} : { name }),
      ...(options.to.length === 0 ? {} : { to: [...options.to] }),
    });
  },
  print: (data, out) => {
    const what = data.kind === "file" ? "" : `: ${formatCount(data.files, "file")}`;
    for (const { path, sizeBytes, error } of data.places) {
      if (error === null) out.line(`Backed up ${show(path, 1000)}${what}, ${formatSize(sizeBytes)}`);
      else out.hint(`no backup at ${show(path, 1000)}: ${show(error.message, 1000)}`);
    }
    if (data.sha256 !== null) out.line(`SHA-256 ${data.sha256}`);
    if (data.md5 !== null) out.line(`MD5 ${data.md5}`);
    hintUnrecorded(true, data.recorded, out);
  },
  quiet: (data) => data.places.filter(({ error }) => error === null).map(({ path }) => path),
  exitCode: ({ places }) => (places.some(({ error }) => error !== null) ? EXIT_PARTLY : 0),
});
