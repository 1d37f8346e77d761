import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatTable, shortDigest } from "../format.ts";

const WORDS = { list: "", create: "Made", move: "Moved", rename: "Renamed to", delete: "Deleted" };

export const command = defineCommand({
  usage: ["branch [-l] [-a]", "branch NAME [REV]", "branch -m [OLD] NEW", "branch -d|-D NAME ..."],
  description: [
    "Without a name: lists branches, the current one with *. -d refuses what is not merged into HEAD.",
  ],
  positionals: [
    { name: "NAME", summary: "the branch", completes: "refs", many: true },
    { name: "REV", summary: "where it starts (HEAD)" },
  ],
  options: {
    list: { type: "boolean", short: "l", summary: "list branches" },
    all: { type: "boolean", short: "a", summary: "list branches of remotes too" },
    remotes: { type: "boolean", short: "r", summary: "list branches of remotes only" },
    move: { type: "boolean", short: "m", summary: "rename" },
    delete: { type: "boolean", short: "d", summary: "delete branches that are merged" },
    "delete-force": { type: "boolean", short: "D", summary: "delete branches, merged or not" },
    force: {
      type: "boolean",
      short: "f",
      summary: "move a branch, rename over one, delete one that is not merged",
    },
    verbose: { type: "boolean", short: "v", summary: "list digests and subjects too" },
  },
  examples: [
    ["smc branch", "which are there?"],
    ["smc branch fix v1.0.0", "make one that starts at a release"],
    ["smc branch -m better-name", "rename the current one"],
    ["smc branch -d fix", "delete one that is merged"],
  ],
  run: (context, { words, rest, options }) => {
    const names = [...words, ...(rest ?? [])];
    const [first, second] = names;
    const deletes = options.delete || options["delete-force"];
    const modes = [options.list, options.move, deletes].filter(Boolean).length;
    if (modes > 1) throw new SmcError("USAGE", "list, rename or delete: one at a time");
    const force = options.force || options["delete-force"];
    if (deletes) {
      if (first === undefined) throw new SmcError("USAGE", "name the branch to delete");
      return context.call("branch", { delete: names, force });
    }
    if (names.length > (options.list ? 0 : 2)) throw new SmcError("USAGE", "too many names; nothing was run");
    if (options.move) {
      if (first === undefined) throw new SmcError("USAGE", "give the new name");
      const rename = second === undefined ? { to: first } : { from: first, to: second };
      return context.call("branch", { rename, force });
    }
    const { all, remotes } = options;
    if (first === undefined) return context.call("branch", { all, remotes });
    return context.call("branch", {
      name: first,
      force,
      ...(second === undefined ? {} : { revision: second }),
    });
  },
  print: (data, out, { options }) => {
    if (data.action !== "list") {
      for (const { name, digest } of data.branches) {
        out.line(
          `${WORDS[data.action]} branch '${show(name, 300)}'${digest === null ? "" : ` (${shortDigest(digest)})`}`,
        );
      }
      return;
    }
    const rows = data.branches.map(({ name, current, digest, subject }) => {
      const more = options.verbose
        ? [digest === null ? "" : shortDigest(digest), show(subject ?? "no commits yet", 200)]
        : [];
      return [`${current ? "*" : " "} ${show(name, 300)}`, ...more];
    });
    if (data.current === null) out.line("* (HEAD detached)");
    for (const line of formatTable(rows)) out.line(line.startsWith("*") ? out.paint("green", line) : line);
  },
  quiet: (data) => data.branches.map(({ name }) => name),
});
