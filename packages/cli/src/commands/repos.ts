import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatAgo, formatCount, formatTable } from "../format.ts";

export const command = defineCommand({
  usage: ["repos [TEXT]"],
  description: ["Lists the repositories of the store. They share what is equal in them."],
  positionals: [{ name: "TEXT", summary: "only names with this in them" }],
  options: {},
  examples: [
    ["smc repos", "all repositories"],
    ["smc repos -q", "names only"],
    ["smc log --repo acme/detector", "look at one from anywhere"],
  ],
  run: (context, { words }) => context.call("repos", words[0] === undefined ? {} : { match: words[0] }),
  print: (data, out) => {
    const now = Date.now();
    const rows = data.map((row) => [
      show(row.name, 200),
      formatCount(row.branchCount, "branch", "branches"),
      formatCount(row.tagCount, "tag"),
      row.lastCommit === null
        ? "no commits yet"
        : `last commit ${formatAgo(Date.parse(row.lastCommit), now)}`,
    ]);
    for (const line of formatTable(rows)) out.line(line);
    if (rows.length === 0) out.hint('there is no repository yet; make one with "smc init"');
  },
  quiet: (data) => data.map(({ name }) => name),
});
