import { activateAsked, printActivation } from "../activation.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["activate [options] FILE", "activate [options] REV[:PATH]"],
  description: [
    "Puts a file into active/ of layout.folder (data/models). The file of the same name there is backed up first",
    "and replaced in one step; without --as the only file that is there goes, whatever its name. FILE is a path, or",
    "a name in trained/ or downloads/; else it is a revision with one file in it. It asks first; --yes answers.",
  ],
  positionals: [{ name: "FILE or REV", summary: "what becomes active", required: true, completes: "refs" }],
  options: {
    as: { type: "string", value: "NAME", summary: "its name in active/ (its own); leaves other names alone" },
  },
  examples: [
    ["smc activate my_model.pt", "of data/models/trained/"],
    ["smc activate v1.0.0:weights/best.pt --as detector.pt --yes", "of a version, without a question"],
  ],
  run: (context, { words, rest, options }) => {
    const [target = ""] = [...words, ...(rest ?? [])];
    return activateAsked(context, { target, ...(options.as === undefined ? {} : { as: options.as }) });
  },
  print: (data, out) => printActivation(data, out),
  quiet: (data) => [data.path],
});
