import { show } from "@smc/store/show";
import { printPulled, pulledExit, pulledPaths } from "../catalog-text.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["setup [--with-defaults]"],
  description: [
    "Makes trained/, cloud/, backups/, active/ and downloads/ in layout.folder (data/models) of the worktree, or of",
    "where you are. In a git work tree a marked block in .gitignore keeps git away from them and from weights",
    "(*.pt, *.onnx …) elsewhere. Starts the daemon, and says which store it keeps. What is there stays as it is.",
  ],
  options: {
    "with-defaults": {
      type: "boolean",
      summary: "download the default models of smc.models.json into trained/",
    },
  },
  examples: [
    ["smc setup", "the folders of data/models"],
    ["smc setup --with-defaults", "and the models that everybody needs"],
  ],
  run: (context, { options }) => context.call("setup", { withDefaults: options["with-defaults"] }),
  print: (data, out, { options }) => {
    const { folder, made, kept, gitignore, gitignoreChanged, smcignore, pulled, store } = data;
    for (const name of made) out.line(`Made ${show(folder, 1000)}/${name}`);
    if (made.length === 0) out.line(`${show(folder, 1000)} has ${kept.join(", ")} already`);
    if (gitignore !== null && gitignoreChanged)
      out.line(`Hid model files from git in ${show(gitignore, 1000)}`);
    if (smcignore !== null) out.line(`Hid copies from smc in ${show(smcignore, 1000)}`);
    printPulled(pulled, out);
    if (options["with-defaults"] && pulled.length === 0)
      out.hint('no model of smc.models.json is a default; make one with "smc catalog add --default"');
    out.line(`Store ${show(store.path, 1000)}: the daemon answers`);
    if (store.readOnlyReason !== null)
      out.hint(`the store takes no writes: ${show(store.readOnlyReason, 300)}`);
  },
  quiet: ({ folder, made, pulled }) => [...made.map((name) => `${folder}/${name}`), ...pulledPaths(pulled)],
  exitCode: ({ pulled }) => pulledExit(pulled),
});
