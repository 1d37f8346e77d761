import { printRestoredBackup, restoreBackup } from "../activation.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["restore-backup [options] BACKUP [DEST]"],
  description: [
    "Every byte is compared with its SHA-256 before anything has its place: a damaged backup, or a tar file with",
    "anything but the files of its manifest, is refused with status 4 and nothing is written. A file goes to",
    "trained/ of layout.folder under the name of the backup, a version into a new folder there; a store goes into a",
    "new folder that must be named.",
  ],
  positionals: [
    { name: "BACKUP", summary: 'a name that "smc backups list" prints, or a path', required: true },
    { name: "DEST", summary: "folder or path for a file; new folder for a version or a store" },
  ],
  options: {
    force: { type: "boolean", short: "f", summary: "replace another file that is there" },
    activate: { type: "boolean", summary: 'and make the file active, as "smc activate" does' },
  },
  examples: [
    ["smc restore-backup best_backup_20260115_101112.pt", "to data/models/trained/"],
    ["smc restore-backup best_backup_20260115_101112.pt best.pt", "under another name"],
    ["smc restore-backup /mnt/nas/store_backup_20260115_101112.tar ~/restored", "a store, in a new folder"],
  ],
  run: (context, { words, rest, options }) => {
    const [backup = "", destination] = [...words, ...(rest ?? [])];
    const input = { backup, force: options.force, ...(destination === undefined ? {} : { destination }) };
    return restoreBackup(context, input, options.activate);
  },
  print: (data, out) => printRestoredBackup(data, out),
  quiet: (data) => [data.path],
});
