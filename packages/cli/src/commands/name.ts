import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

const ACTIONS = ["suggest", "check"] as const;

export const command = defineCommand({
  usage: ["name suggest [--type TYPE] [--version V] [FILE]", "name check NAME ..."],
  description: [
    "suggest prints a name for a model file by the setting name.pattern ({model_type}_{version}_{date}.pt), with",
    "the extension of FILE. The type is that of FILE's name when it fits, else the name of the repository; the",
    "version the one after the highest tag; the date that of the last change of FILE, else today. check tells which",
    "names do not fit; of a path its last part counts.",
  ],
  positionals: [
    { name: "ACTION", summary: "suggest or check", required: true, completes: ACTIONS },
    { name: "NAME", summary: "a name, or the path of a file, which need not be there", many: true },
  ],
  options: {
    type: { type: "string", value: "TYPE", summary: "suggest: what model it is" },
    version: { type: "string", value: "V", summary: "suggest: its version" },
  },
  examples: [
    ["smc name suggest runs/train/weights/best.pt", "yolo_v1.0.1_20260115.pt"],
    ["smc name suggest --type sam2_b --version v2", "sam2_b_v2_20260115.pt"],
    ["smc name check data/models/trained/*.pt", "which are named otherwise?"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "", ...names] = [...words, ...(rest ?? [])];
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined) throw new SmcError("USAGE", `'${show(word, 80)}' is no action of name`);
    if (action === "check" && (options.type !== undefined || options.version !== undefined))
      throw new SmcError("USAGE", "--type and --version go with suggest");
    return context.call("name", {
      action,
      names,
      ...(options.type === undefined ? {} : { type: options.type }),
      ...(options.version === undefined ? {} : { version: options.version }),
    });
  },
  print: ({ action, names }, out) => {
    for (const { name, fault } of names) {
      if (action === "suggest") out.line(show(name, 300));
      else out.line(`${show(name, 1000)}: ${fault === null ? "good" : show(fault, 300)}`);
    }
  },
  quiet: ({ action, names }) =>
    names.filter(({ fault }) => action === "suggest" || fault !== null).map(({ name }) => name),
  exitCode: ({ names }) => (names.some(({ fault }) => fault !== null) ? 1 : 0),
});
