import { printBlob } from "../blob.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["cat REV:path", "cat :path"],
  description: [
    "Writes the bytes of a file of a revision to stdout, checked against its digest. :path is the staged file.",
  ],
  positionals: [
    {
      name: "REV:path",
      summary: "a file of a revision, or the digest of a blob",
      required: true,
      completes: "refs",
    },
  ],
  options: {},
  examples: [
    ["smc cat v1.0.0:config.json", "look at a file"],
    ["smc cat v1.0.0:best.pt | sha256sum", "check it"],
    ["smc cat --json v1.0.0:best.pt", "digest and size only"],
  ],
  run: (context, { words }) => context.call("cat", { revision: words[0] ?? "" }),
  print: (data, out, { context }) => printBlob(context, data.digest, out),
  quiet: (data) => [data.digest],
});
