import { defineCommand } from "../command.ts";
import { cliVersion } from "../cli-version.ts";

export const command = defineCommand({
  usage: ["version"],
  options: {},
  examples: [
    ["smc version", "the version of the command line"],
    ["smc version --json", "with the versions of Node and of the platform"],
  ],
  run: () =>
    Promise.resolve({
      version: cliVersion(),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    }),
  print: (data, out) => out.line(`smc ${data.version}`),
  quiet: (data) => [data.version],
});
