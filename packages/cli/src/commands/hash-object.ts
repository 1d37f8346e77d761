import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { type CommandContext, defineCommand } from "../command.ts";
import { pathspecs } from "../input.ts";

/** Standard input is hashed here: the daemon reads files, not the terminal of the user. */
async function hashStdin({
  signal,
}: CommandContext): Promise<{ path: string; digest: string; sizeBytes: number }> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    if (signal.aborted) throw new SmcError("CANCELED", "interrupted");
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { path: "-", digest: hash.digest("hex"), sizeBytes };
}

export const command = defineCommand({
  usage: ["hash-object [options] FILE ...", "hash-object --stdin"],
  description: [
    "Prints the digest that each file has, or would have, in the store: the SHA-256 of its bytes, as sha256sum.",
  ],
  positionals: [{ name: "FILE", summary: "files", many: true }],
  options: {
    stdin: { type: "boolean", summary: "hash standard input" },
  },
  examples: [
    ["smc hash-object best.pt", "the same as sha256sum best.pt"],
    ["smc cat v1.0.0:best.pt | smc hash-object --stdin", "hash what another program writes"],
  ],
  run: async (context, words) => {
    const paths = await pathspecs(context, words);
    if (paths.length === 0 && !words.options.stdin)
      throw new SmcError("USAGE", "'smc hash-object' needs FILE or --stdin");
    const rows = words.options.stdin ? [await hashStdin(context)] : [];
    return paths.length === 0
      ? rows
      : [
          ...rows,
          ...(await context.call("hash-object", {
            files: paths.map((path) => resolve(context.folder, path)),
          })),
        ];
  },
  print: (data, out) => {
    for (const { digest } of data) out.line(show(digest, 80));
  },
  quiet: (data) => data.map(({ digest }) => digest),
});
