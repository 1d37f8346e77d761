import { resolve } from "node:path";
import type { CheckoutResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, shortDigest } from "../format.ts";
import type { Output } from "../output.ts";
import { printSwitch } from "../switch-text.ts";
import { hintSkipped, SYMLINKS } from "../symlinks.ts";

export const command = defineCommand({
  usage: [
    "checkout [options] REV",
    "checkout -b BRANCH [REV]",
    "checkout [REV] -- path ...",
    "checkout --tensors GLOB [-o FILE] [REV] [-- path ...]",
    "checkout REV --to DIR",
  ],
  description: [
    "Puts a revision into the folder. Only files that differ are touched; local changes and untracked files are",
    "never overwritten without --force. A branch becomes the current one; anything else detaches HEAD. With",
    "--tensors only tensors with such names are taken, into one new safetensors file; all else stays. With --to the",
    "files of REV are written into another folder, which is replaced whole when smc wrote it; all else stays.",
  ],
  positionals: [
    { name: "REV", summary: "branch, tag, digest, …", completes: "refs" },
    { name: "path", summary: "only these files and folders; HEAD stays", many: true },
  ],
  options: {
    branch: {
      type: "string",
      short: "b",
      value: "BRANCH",
      summary: "make this branch there and switch to it",
    },
    force: { type: "boolean", short: "f", summary: "overwrite local changes and untracked files" },
    detach: { type: "boolean", summary: "detach HEAD even when REV is a branch" },
    symlinks: SYMLINKS,
    to: { type: "string", value: "DIR", summary: "write the files into this folder; HEAD and worktree stay" },
    tensors: {
      type: "string",
      value: "GLOB",
      multiple: true,
      summary: "take these tensors out of the files of REV (HEAD): * is any characters, ? one",
    },
    output: {
      type: "string",
      short: "o",
      value: "FILE",
      summary: "with --tensors: the file to write (NAME.tensors.safetensors for a file NAME)",
    },
  },
  examples: [
    ["smc checkout v1.0.0", "the folder as it was in the release"],
    ["smc checkout main", "back to the branch"],
    ["smc checkout v1.0.0 -- weights/best.pt", "one file of the release"],
    ["smc checkout -b fix v1.0.0", "a branch that starts at the release"],
    ["smc checkout --tensors 'head.*' -o head.safetensors v1.0.0", "some tensors of the release as a file"],
    [
      "smc checkout champion --to models/champion",
      "what is live, as a folder for the program that serves it",
    ],
  ],
  run: async (context, { words, rest, options }) => {
    const [revision, ...more] = words;
    const paths = [...more, ...(rest ?? [])];
    const hasTensors = options.tensors.length > 0;
    if (revision === undefined && options.branch === undefined && paths.length === 0 && !hasTensors) {
      throw new SmcError("USAGE", "nothing was named to check out", {
        hint: "name a branch, a tag or a digest",
      });
    }
    return context.call("checkout", {
      ...(revision === undefined ? {} : { revision }),
      ...(paths.length === 0 ? {} : { paths }),
      ...(options.branch === undefined ? {} : { branch: options.branch }),
      ...(options.symlinks === undefined ? {} : { symlinks: options.symlinks }),
      ...(hasTensors ? { tensors: [...options.tensors] } : {}),
      ...(options.output === undefined ? {} : { output: options.output }),
      ...(options.to === undefined ? {} : { to: resolve(context.folder, options.to) }),
      force: options.force,
      detach: options.detach,
    });
  },
  print: (data, out, { words, rest }) => {
    if (data.tensors !== undefined) return printTaken(data.tensors, out);
    if (data.folder !== undefined) return printFolder(data.folder, out);
    if (words.length + (rest?.length ?? 0) > 1 || rest !== undefined) {
      out.line(`${formatCount(data.restored.length, "file")} restored`);
    } else printSwitch(data, out);
    hintSkipped(data.skippedLinks, out);
  },
  quiet: (data) => [data.folder?.path ?? data.tensors?.path ?? data.digest ?? ""],
});

function printFolder(folder: NonNullable<CheckoutResult["folder"]>, out: Output): void {
  const { path, files, sizeBytes, isNew, commit, skippedLinks } = folder;
  const what = `${formatCount(files, "file")} of ${shortDigest(commit)}, ${formatSize(sizeBytes)}`;
  out.line(isNew ? `${what}, written to ${show(path, 1000)}` : `${show(path, 1000)} holds ${what} already`);
  hintSkipped(
    skippedLinks.map((link) => ({ path: link, reason: "it is a symbolic link" })),
    out,
  );
}

function printTaken(taken: NonNullable<CheckoutResult["tensors"]>, out: Output): void {
  const { path, tensorCount, sizeBytes, sources, skipped } = taken;
  const from = sources.length === 1 ? show(sources[0] ?? "") : formatCount(sources.length, "file");
  out.line(
    `${formatCount(tensorCount, "tensor")} of ${from} written to ${show(path)}, ${formatSize(sizeBytes)}`,
  );
  for (const row of skipped) out.hint(`${show(row.path)} was left out: ${show(row.problem, 500)}`);
}
