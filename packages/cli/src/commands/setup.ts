import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["setup"],
  description: [
    "Makes trained/, cloud/, backups/, active/ and downloads/ in layout.folder (data/models) of the worktree, or of where you are.",
    "In a git work tree a marked block in .gitignore keeps git away from them and from weights (*.pt, *.onnx …) elsewhere.",
    "Starts the daemon, and says which store it keeps. What is there stays as it is.",
  ],
  options: {},
  examples: [["smc setup", "the folders of data/models"]],
  run: (context) => context.call("setup", {}),
  print: ({ folder, made, kept, gitignore, gitignoreChanged, store }, out) => {
    for (const name of made) out.line(`Made ${show(folder, 1000)}/${name}`);
    if (made.length === 0) out.line(`${show(folder, 1000)} has ${kept.join(", ")} already`);
    if (gitignore !== null && gitignoreChanged)
      out.line(`Hid model files from git in ${show(gitignore, 1000)}`);
    out.line(`Store ${show(store.path, 1000)}: the daemon answers`);
    if (store.readOnlyReason !== null)
      out.hint(`the store takes no writes: ${show(store.readOnlyReason, 300)}`);
  },
  quiet: ({ folder, made }) => made.map((name) => `${folder}/${name}`),
});
