import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["refs [prefix]"],
  description: ["Lists branches, tags and all other refs of the repository with what they point to."],
  positionals: [{ name: "prefix", summary: "only refs below it: refs/tags/, tags, heads/feature" }],
  options: {},
  examples: [
    ["smc refs", "all refs"],
    ["smc refs tags", "tags only"],
    ["smc refs -q", "names only"],
  ],
  run: (context, { words }) => context.call("refs", words[0] === undefined ? {} : { prefix: words[0] }),
  print: (data, out) => {
    for (const { digest, name } of data) out.line(`${digest} ${show(name, 300)}`);
  },
  quiet: (data) => data.map(({ name }) => name),
});
