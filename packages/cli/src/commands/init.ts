import { resolve } from "node:path";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["init [options] [DIR]"],
  description: [
    "Makes a folder a worktree of a repository in the store. In a work tree of git it also adds a marked block to",
    ".gitignore, so that git never sees .smc/. The name of a repository that is there makes one more worktree of it.",
  ],
  positionals: [{ name: "DIR", summary: "the folder (where you are); made when it is not there" }],
  options: {
    name: { type: "string", value: "NAME", summary: "name of the repository (the folder's own name)" },
    branch: {
      type: "string",
      short: "b",
      value: "BRANCH",
      summary: 'first branch (init.defaultBranch, else "main")',
    },
  },
  examples: [
    ["smc init", "this folder"],
    ["smc init --name acme/detector models", "another folder, with a name of its own"],
  ],
  run: (context, { words, options }) =>
    context.call("init", {
      folder: resolve(context.folder, words[0] ?? "."),
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.branch === undefined ? {} : { branch: options.branch }),
    }),
  print: (data, out) => {
    const what = data.isAttached ? "one more worktree of repository" : "worktree of the new repository";
    out.line(`${show(data.root)} is ${what} '${show(data.repository)}', on branch ${show(data.branch)}`);
    out.line(
      `commits are by ${show(data.author)}; change it with "smc config set user.name NAME", user.email`,
    );
    if (data.gitignore !== null) out.line(`git ignores .smc/ (${show(data.gitignore)})`);
  },
  quiet: (data) => [data.root],
});
