import { SmcError } from "@smc/store/errors";
import { defineCommand } from "../command.ts";
import { formatCount, shortDigest } from "../format.ts";
import { hintSkipped, SYMLINKS } from "../symlinks.ts";

export const command = defineCommand({
  usage: ["reset [--soft|--mixed|--hard] [REV]", "reset [REV] -- path ..."],
  description: [
    "Moves the branch to a revision. --soft leaves stage and folder, --mixed (the default) resets the stage,",
    "--hard makes the folder equal too: changes that no commit has are lost. With paths: only resets their stage.",
  ],
  positionals: [
    { name: "REV", summary: "where the branch goes (HEAD)", completes: "refs" },
    { name: "path", summary: "after --: files whose stage is reset", many: true },
  ],
  options: {
    soft: { type: "boolean", summary: "move the branch only" },
    mixed: { type: "boolean", summary: "move the branch, reset the stage" },
    hard: { type: "boolean", summary: "move the branch, reset the stage and the folder" },
    symlinks: SYMLINKS,
  },
  examples: [
    ["smc reset", "empty the stage"],
    ["smc reset --soft HEAD~1", "undo a commit, keep its changes staged"],
    ["smc reset --hard v1.0.0", "go back, throw everything later away"],
  ],
  run: async (context, { words, rest, options }) => {
    const modes = (["soft", "mixed", "hard"] as const).filter((mode) => options[mode]);
    if (modes.length > 1) throw new SmcError("USAGE", `--${modes.join(" and --")} do not go together`);
    if (words.length > 1) throw new SmcError("USAGE", "one revision at most", { hint: "put paths after --" });
    if (modes.length > 0 && rest !== undefined && rest.length > 0) {
      throw new SmcError("USAGE", `--${modes[0] ?? ""} takes no paths: it moves the branch`);
    }
    return context.call("reset", {
      mode: modes[0] ?? "mixed",
      ...(options.symlinks === undefined ? {} : { symlinks: options.symlinks }),
      ...(words[0] === undefined ? {} : { revision: words[0] }),
      ...(rest === undefined ? {} : { paths: [...rest] }),
    });
  },
  print: (data, out, { rest }) => {
    if (rest !== undefined) out.line(`${formatCount(data.restored.length, "file")} reset`);
    else if (data.head !== null) out.line(`HEAD is now at ${shortDigest(data.head)}`);
    hintSkipped(data.skippedLinks, out);
  },
  quiet: (data) => [data.head ?? ""],
});
