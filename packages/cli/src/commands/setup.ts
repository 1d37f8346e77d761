import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["setup"],
  description: [
    "Makes trained/, cloud/, backups/, active/ and downloads/ in layout.folder (data/models) of the worktree, or of where you are.",
    "Starts the daemon, and says which store it keeps. What is there stays as it is.",
  ],
  options: {},
  examples: [["smc setup", "the folders of data/models"]],
  run: (context) => context.call("setup", {}),
  print: ({ folder, made, kept, store }, out) => {
    for (const name of made) out.line(`Made ${show(folder, 1000)}/${name}`);
    if (made.length === 0) out.line(`${show(folder, 1000)} has ${kept.join(", ")} already`);
    out.line(`Store ${show(store.path, 1000)}: the daemon answers`);
    if (store.readOnlyReason !== null)
      out.hint(`the store takes no writes: ${show(store.readOnlyReason, 300)}`);
  },
  quiet: ({ folder, made }) => made.map((name) => `${folder}/${name}`),
});
