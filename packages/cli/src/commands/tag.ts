import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatTable, shortDigest } from "../format.ts";

export const command = defineCommand({
  usage: [
    "tag [-l [PATTERN]]",
    "tag [-m TEXT] NAME [REV]",
    "tag --bump major|minor|patch [REV]",
    "tag -d NAME ...",
  ],
  description: [
    "Without a name: lists tags, versions in order. With -m the tag is an object with author, date and text.",
  ],
  positionals: [
    { name: "NAME", summary: "the tag: v1.0.0", completes: "refs", many: true },
    { name: "REV", summary: "what it names (HEAD)" },
  ],
  options: {
    list: { type: "boolean", short: "l", summary: "list tags; NAME is a pattern such as 'v1.*'" },
    message: { type: "string", short: "m", value: "TEXT", summary: "make a tag with this text" },
    delete: { type: "boolean", short: "d", summary: "delete tags" },
    bump: {
      type: "choice",
      choices: ["major", "minor", "patch"],
      summary: "make the version after the highest one",
    },
    force: { type: "boolean", short: "f", summary: "replace a tag that is there" },
  },
  examples: [
    ["smc tag v1.0.0", "name the last commit"],
    ['smc tag -m "first release" v1.0.0 HEAD~1', "with a text, another commit"],
    ["smc tag --bump minor", "v1.0.0 → v1.1.0"],
    ["smc tag -l 'v1.*'", "list some"],
  ],
  run: (context, { words, rest, options }) => {
    const names = [...words, ...(rest ?? [])];
    const [first, second] = names;
    const modes = [options.list, options.delete, options.bump !== undefined].filter(Boolean).length;
    if (modes > 1) throw new SmcError("USAGE", "list, delete or bump: one at a time");
    if (options.delete) {
      if (first === undefined) throw new SmcError("USAGE", "name the tag to delete");
      return context.call("tag", { delete: names });
    }
    const most = options.list || options.bump !== undefined ? 1 : 2;
    if (names.length > most) throw new SmcError("USAGE", "too many names; nothing was run");
    const { message, force, bump } = options;
    const text = message === undefined ? {} : { message };
    if (options.list) return context.call("tag", first === undefined ? {} : { pattern: first });
    if (bump !== undefined) {
      return context.call("tag", {
        bump,
        force,
        ...text,
        ...(first === undefined ? {} : { revision: first }),
      });
    }
    if (first === undefined) {
      if (message !== undefined || force) throw new SmcError("USAGE", "give the tag a name");
      return context.call("tag", {});
    }
    return context.call("tag", {
      name: first,
      force,
      ...text,
      ...(second === undefined ? {} : { revision: second }),
    });
  },
  print: (data, out) => {
    if (data.action === "list") {
      const rows = data.tags.map(({ name, commit, digest, subject }) => [
        show(name, 300),
        shortDigest(commit ?? digest),
        show(subject ?? "", 200),
      ]);
      for (const line of formatTable(rows)) out.line(line);
      return;
    }
    const word = { create: "Tagged", replace: "Moved tag", delete: "Deleted tag" }[data.action];
    for (const { name, commit, digest } of data.tags) {
      out.line(
        `${word} ${data.action === "create" ? `${shortDigest(commit ?? digest)} as ` : ""}${show(name, 300)}`,
      );
    }
  },
  quiet: (data) => data.tags.map(({ name }) => name),
});
