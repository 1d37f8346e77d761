import { defineCommand } from "../command.ts";
import { shortDigest, shortRef } from "../format.ts";

export const command = defineCommand({
  usage: ["revert [options] REV"],
  description: [
    "Makes a new commit that undoes what one commit changed. History stays as it is. To have all files as they were in",
    "a version, check it out: smc checkout REV. To make the champion before live again: smc rollback.",
  ],
  positionals: [{ name: "REV", summary: "the commit to undo", required: true, completes: "refs" }],
  options: {
    message: { type: "string", short: "m", value: "TEXT", summary: "message of the new commit" },
    mainline: {
      type: "integer",
      value: "N",
      min: 1,
      max: 64,
      summary: "for a merge: the parent to go back to, from 1",
    },
  },
  examples: [
    ["smc revert HEAD", "undo the last commit"],
    ['smc revert -m "the new head is worse" 3f1c9ab', "undo any commit, say why"],
  ],
  run: (context, { words, options }) =>
    context.call("revert", {
      revision: words[0] ?? "",
      ...(options.message === undefined ? {} : { message: options.message }),
      ...(options.mainline === undefined ? {} : { mainline: options.mainline }),
    }),
  print: (data, out) => {
    const branch = data.ref === "HEAD" ? "detached HEAD" : shortRef(data.ref);
    out.line(`[${branch} ${out.paint("yellow", shortDigest(data.digest))}] reverted`);
  },
  quiet: (data) => [data.digest],
});
