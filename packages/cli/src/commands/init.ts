import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["init [options] [DIR]"],
  description: [
    "Makes a folder a worktree of a repository in the store. In a work tree of git it also adds a marked block to",
    ".gitignore, so that git never sees .smc/. A folder that is a worktree already stays as it is.",
  ],
  positionals: [{ name: "DIR", summary: "the folder (where you are); made when it is not there" }],
  options: {
    name: { type: "string", value: "NAME", summary: "name of the repository (the folder's own name)" },
    branch: { type: "string", short: "b", value: "BRANCH", summary: 'first branch (init.defaultBranch, else "main")' },
  },
  examples: [
    ["smc init", "this folder"],
    ["smc init --name acme/detector models", "another folder, with a name of its own"],
  ],
  run: (context, { words, options }) =>
    context.call("init", {
      ...(words[0] === undefined ? {} : { folder: words[0] }),
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.branch === undefined ? {} : { branch: options.branch }),
    }),
  print: (data, out) => {
    const what = data.created ? "Made a worktree" : "This is a worktree already";
    out.line(`${what}: ${show(data.root)} (repository ${show(data.repository)}, branch ${show(data.branch)})`);
  },
  quiet: (data) => [data.root],
});
