import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { parseAction } from "../action.ts";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, formatTable } from "../format.ts";
import { hintUnrecorded } from "../unrecorded.ts";

const ACTIONS = ["list", "verify", "rm"] as const;
const EXIT_DAMAGED = 4;

export const command = defineCommand({
  usage: ["backups [list] [--in DIR]", "backups verify [NAME ...] [--in DIR]", "backups rm NAME ..."],
  description: [
    'Lists the backups of backups/ below layout.folder, or of another folder, the newest last. "verify" reads every',
    'byte of them and compares it with SHA-256 and MD5; of all when none is named. "rm" removes some, with what',
    "lies beside them.",
  ],
  positionals: [
    { name: "action", summary: `${ACTIONS.join(", ")} (list)`, completes: ACTIONS },
    { name: "NAME", summary: "of a backup, or its path", many: true },
  ],
  options: {
    in: { type: "string", value: "DIR", summary: "list and verify: another folder" },
  },
  examples: [
    ["smc backups", "list them"],
    ["smc backups verify", "is every one of them whole?"],
    ["smc backups rm best_backup_20260115_101112.pt", "remove one"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "list", ...names] = [...words, ...(rest ?? [])];
    const action = parseAction("backups", ACTIONS, word);
    if (action === "list" && names.length > 0)
      throw new SmcError("USAGE", '"smc backups list" takes no names');
    if (options.in !== undefined && (action === "rm" || names.length > 0))
      throw new SmcError("USAGE", "--in goes with the whole folder; name backups by their paths");
    return context.call("backups", {
      action,
      ...(names.length === 0 ? {} : { names }),
      ...(options.in === undefined ? {} : { folder: options.in }),
    });
  },
  print: (data, out) => {
    if (data.action === "rm") {
      for (const { path } of data.backups) out.line(`Removed ${show(path, 1000)}`);
      const freedBytes = data.backups.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      out.line(`freed ${formatSize(freedBytes)} (${formatCount(data.backups.length, "backup")})`);
      hintUnrecorded(true, data.recorded, out);
      return;
    }
    const rows = data.backups.map(({ sizeBytes, date, name, kind, of }) => [
      formatSize(sizeBytes),
      date.slice(0, 16).replace("T", " "),
      show(name, 300),
      kind,
      show(of, 300),
    ]);
    for (const line of formatTable(rows)) out.line(line);
    for (const { message } of data.broken) out.hint(show(message, 1000));
    if (data.action === "verify" && data.broken.length === 0)
      out.line(`${formatCount(data.backups.length, "backup")} verified`);
  },
  quiet: (data) => data.backups.map(({ name }) => name),
  exitCode: ({ action, broken }) => (action === "verify" && broken.length > 0 ? EXIT_DAMAGED : 0),
});
