import { resolve } from "node:path";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatNumber, formatTable, shortDigest } from "../format.ts";
import { parseScalars } from "../pairs.ts";

const ACTIONS = ["get", "set", "create", "edit"] as const;

function valueText(value: unknown): string {
  if (typeof value === "number") return formatNumber(value);
  return show(typeof value === "string" ? value : JSON.stringify(value), 200);
}

export const command = defineCommand({
  usage: [
    "meta get [REV] [KEY]",
    "meta set REV KEY=VALUE ...",
    "meta create FILE [--from REV] [--set KEY=VALUE ...]",
    "meta edit FILE --set KEY=VALUE ...",
  ],
  description: [
    "get and set: what is known of a version. set makes a note: the commit stays as it is, the later value wins,",
    "the history is kept. create and edit: a metadata.json with everything about a model: training, data, metrics,",
    "status. Its schema is docs/reference/metadata.schema.json.",
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), completes: ACTIONS, required: true },
    { name: "REV", summary: "a version; FILE for create and edit", completes: "refs" },
    { name: "KEY", summary: "metrics.azi, params.lr, or any other; KEY=VALUE for set", many: true },
  ],
  options: {
    set: {
      type: "string",
      value: "KEY=VALUE",
      multiple: true,
      summary: "for create and edit: training.lr=0.001",
    },
    from: { type: "string", value: "REV", summary: "for create: fill it with what is known of a version" },
  },
  examples: [
    ["smc meta get v1.0.0", "everything, and who said it"],
    ["smc meta set v1.0.0 site=3 metrics.azi=69.8", "add to it"],
    ["smc meta create metadata.json --from HEAD --set status=candidate", "a file to commit with the weights"],
  ],
  run: (context, { words, rest, options }) => {
    const [word, first, ...more] = [...words, ...(rest ?? [])];
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined)
      throw new SmcError("USAGE", `meta: '${show(word ?? "", 80)}' is not one of ${ACTIONS.join(", ")}`);
    const isFile = action === "create" || action === "edit";
    if (!isFile && (options.set.length > 0 || options.from !== undefined))
      throw new SmcError("USAGE", "--set and --from go with create and edit");
    if (isFile && (first === undefined || more.length > 0))
      throw new SmcError("USAGE", `it is "smc meta ${action} FILE"`);
    if (isFile) {
      return context.call("meta", {
        action,
        file: resolve(context.folder, first ?? ""),
        values: parseScalars("--set", options.set),
        ...(options.from === undefined ? {} : { revision: options.from }),
      });
    }
    if (action === "get" && more.length > 1) throw new SmcError("USAGE", "one key at a time");
    if (action === "set" && more.length === 0)
      throw new SmcError("USAGE", 'it is "smc meta set REV KEY=VALUE"');
    return context.call("meta", {
      action,
      ...(first === undefined ? {} : { revision: first }),
      ...(action === "get" && more[0] !== undefined ? { key: more[0] } : {}),
      ...(action === "set" ? { values: parseScalars("meta set", more) } : {}),
    });
  },
  print: ({ file, entries }, out) => {
    if (file !== null) out.line(`Wrote ${show(file)}`);
    const rows = entries.map(({ key, value, note, by, date }) => [
      show(key, 80),
      valueText(value),
      note === null ? "" : `note ${shortDigest(note)} by ${show(by, 80)}, ${show(date.slice(0, 10), 20)}`,
    ]);
    for (const line of formatTable(rows)) out.line(line);
  },
  quiet: ({ file, entries }) =>
    file === null
      ? entries.map(({ value }) => (typeof value === "string" ? value : JSON.stringify(value)))
      : [file],
});
