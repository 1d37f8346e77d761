import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["ls-remote [--heads] [--tags] [REMOTE|URL] [PATTERN ...]"],
  description: ["Lists the refs of a remote as they are there now: digest, tab, name. Nothing is fetched."],
  positionals: [
    { name: "REMOTE", summary: "name of a remote (origin, or the only one), or a URL" },
    { name: "PATTERN", summary: "only refs that end with it: main, 'v1.*'", many: true },
  ],
  options: {
    heads: { type: "boolean", summary: "branches" },
    tags: { type: "boolean", summary: "tags" },
  },
  examples: [
    ["smc ls-remote", "what does origin have?"],
    ["smc ls-remote --tags origin 'v1.*'", "which releases?"],
    ["smc ls-remote file:///mnt/nas/model", "also without a repository"],
  ],
  run: (context, { words, rest, options }) => {
    const [remote, ...patterns] = [...words, ...(rest ?? [])];
    return context.call("ls-remote", {
      ...(remote === undefined ? {} : { remote }),
      ...(patterns.length === 0 ? {} : { patterns }),
      heads: options.heads,
      tags: options.tags,
    });
  },
  print: (data, out) => {
    for (const { digest, name } of data.refs) out.line(`${digest}\t${show(name, 300)}`);
  },
  quiet: (data) => data.refs.map(({ name }) => name),
});
