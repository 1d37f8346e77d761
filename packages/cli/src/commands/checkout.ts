import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, shortDigest } from "../format.ts";

export const command = defineCommand({
  usage: ["checkout [options] REV", "checkout -b BRANCH [REV]", "checkout [REV] -- path ..."],
  description: [
    "Puts a revision into the folder. Only files that differ are touched; local changes and untracked files are",
    "never overwritten without --force. A branch becomes the current one; anything else detaches HEAD.",
  ],
  positionals: [
    { name: "REV", summary: "branch, tag, digest, …", completes: "refs" },
    { name: "path", summary: "only these files and folders; HEAD stays", many: true },
  ],
  options: {
    branch: { type: "string", short: "b", value: "BRANCH", summary: "make this branch there and switch to it" },
    force: { type: "boolean", short: "f", summary: "overwrite local changes and untracked files" },
    detach: { type: "boolean", summary: "detach HEAD even when REV is a branch" },
    to: { type: "string", value: "DIR", summary: "write the files into DIR instead; the worktree stays" },
  },
  examples: [
    ["smc checkout v1.0.0", "the folder as it was in the release"],
    ["smc checkout main", "back to the branch"],
    ["smc checkout v1.0.0 -- weights/best.pt", "one file of the release"],
    ["smc checkout -b fix v1.0.0", "a branch that starts at the release"],
  ],
  run: async (context, { words, rest, options }) => {
    const [revision, ...more] = words;
    const paths = [...more, ...(rest ?? [])];
    if (revision === undefined && options.branch === undefined && paths.length === 0) {
      throw new SmcError("USAGE", "nothing was named to check out", { hint: "name a branch, a tag or a digest" });
    }
    return await context.call("checkout", {
      ...(revision === undefined ? {} : { revision }),
      ...(paths.length === 0 ? {} : { paths }),
      ...(options.branch === undefined ? {} : { branch: options.branch }),
      ...(options.to === undefined ? {} : { to: options.to }),
      force: options.force,
      detach: options.detach,
    });
  },
  print: (data, out) => {
    out.line(`HEAD is now at ${shortDigest(data.digest)}`);
  },
  quiet: (data) => [data.digest],
});
