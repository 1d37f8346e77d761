import { show } from "@smc/store/show";
import { printBlob } from "../blob.ts";
import { commitLines } from "../commit-text.ts";
import { defineCommand } from "../command.ts";
import { printDiff } from "../diff-text.ts";
import { fileLines } from "../file-text.ts";
import { formatDate } from "../format.ts";
import { noteLines } from "../note-text.ts";
import { printTensors } from "../tensor-text.ts";

export const command = defineCommand({
  usage: ["show [REV]", "show REV:path", "show --tensors REV:path", "show FILE"],
  description: [
    "Shows a commit with what it changed, a tag with its commit, a folder's list, or a file's bytes. With --tensors",
    "of a file of weights: name, type, shape, size and offset of every tensor. A word that is no revision may be a",
    "FILE, or its name in the folders of model files: its size, SHA-256 and MD5, where it came from, when it was",
    "uploaded and downloaded, its description and notes.",
  ],
  positionals: [{ name: "REV or FILE", summary: "any revision (HEAD), else a file", completes: "refs" }],
  options: {
    tensors: { type: "boolean", summary: "the tensors of a file instead of its bytes" },
  },
  examples: [
    ["smc show", "the last commit"],
    ["smc show v1.0.0", "a tag and its commit"],
    ["smc show v1.0.0:config.json", "a file as it was"],
    ["smc show data/models/trained/best.pt --json", "what is known of a file"],
    ["smc show --tensors v1.0.0:weights/best.safetensors", "what is in a file of weights"],
  ],
  run: (context, { words, options }) =>
    context.call("show", {
      ...(words[0] === undefined ? {} : { revision: words[0] }),
      tensors: options.tensors,
    }),
  print: async (data, out, { context }) => {
    if (data.kind === "file") {
      for (const line of fileLines(data, out)) out.line(line);
      if (data.isAsRecorded === false)
        out.hint("its bytes are others by now than those that were downloaded or noted about");
      return;
    }
    for (const tag of data.tags) {
      out.line(out.paint("yellow", `tag ${show(tag.name, 300)}`));
      out.line(`Tagger:  ${show(tag.tagger, 400)}`);
      out.line(`Date:    ${formatDate(tag.date)}`);
      out.line();
      for (const line of show(tag.message.trimEnd(), Number.MAX_SAFE_INTEGER, true).split("\n"))
        out.line(`    ${line}`);
      out.line();
    }
    if (data.commit !== null) for (const line of commitLines(data.commit, out)) out.line(line);
    for (const { version, at, by, reason } of data.archived) {
      if (reason === null || at === null || by === null) continue;
      out.line(`Archived as ${show(version, 300)} on ${formatDate(at)} by ${show(by, 400)}:`);
      for (const line of show(reason.trimEnd(), Number.MAX_SAFE_INTEGER, true).split("\n"))
        out.line(`    ${line}`);
      out.line();
    }
    for (const line of noteLines(data.notes, out)) out.line(line);
    if (data.notes.length > 0) out.line();
    if (data.diff !== null) printDiff(data.diff, out);
    for (const row of data.entries ?? []) out.line(`${show(row.path)}${row.kind === "tree" ? "/" : ""}`);
    if (data.tensors !== null) printTensors(data.tensors, { indent: "", isAsked: true }, out);
    else if (data.kind === "blob") await printBlob(context, data.digest, out);
  },
  quiet: (data) => [data.kind === "file" ? data.sha256 : data.digest],
});
