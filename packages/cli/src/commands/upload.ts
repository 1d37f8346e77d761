import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { warnOfNames } from "../bad-names.ts";
import { defineCommand } from "../command.ts";
import { formatSize } from "../format.ts";

export const command = defineCommand({
  usage: ["upload FILE [NAME] [--remote R] [--description TEXT]"],
  description: [
    "Sends one file to a remote, where others find it by its NAME with smc download; smc list shows it under Cloud.",
    "A NAME that is there already gets one more version: what was uploaded before stays. Nothing of your branch,",
    "your stage and your files changes.",
  ],
  positionals: [
    { name: "FILE", summary: "what is sent", required: true },
    { name: "NAME", summary: "what it is called there (its own name)" },
  ],
  options: {
    remote: { type: "string", value: "R", summary: "where to (origin, or the only one)" },
    description: { type: "string", value: "TEXT", summary: "what it is" },
  },
  examples: [
    ["smc upload best.pt my_model.pt", "send it to origin as my_model.pt"],
    ['smc upload runs/exp/best.pt --remote nas --description "of May"', "to another remote"],
  ],
  run: (context, { words, rest, options }) => {
    const [file, name, ...more] = [...words, ...(rest ?? [])];
    if (file === undefined || more.length > 0)
      throw new SmcError("USAGE", "name one file, and what it is to be called");
    const { remote, description } = options;
    return context.call("upload", {
      file,
      ...(name === undefined ? {} : { name }),
      ...(remote === undefined ? {} : { remote }),
      ...(description === undefined ? {} : { description }),
    });
  },
  print: (data, out) => {
    const name = show(data.name, 300);
    const where = `${show(data.remote, 100)} (${show(data.url, 500)})`;
    if (!data.isNew) out.line(`${name} is at ${where} already, byte for byte`);
    else
      out.line(
        `Uploaded ${name} to ${where}, ${formatSize(data.sizeBytes)}, ${formatSize(data.sentBytes)} sent`,
      );
    out.line(`SHA-256 ${data.sha256}`);
    warnOfNames(data.badNames, out);
    if (data.isNew && data.before !== null)
      out.hint(`the version before stays: smc log ${show(data.remote, 100)}/files/${name}`);
  },
  quiet: (data) => [data.commit],
});
