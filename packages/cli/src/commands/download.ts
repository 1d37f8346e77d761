import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatSize } from "../format.ts";
import { hintUnrecorded } from "../unrecorded.ts";

export const command = defineCommand({
  usage: ["download NAME [DEST] [--remote R] [--force]"],
  description: [
    "Brings a file that was uploaded, and compares every byte with its SHA-256 before it has its place. What is",
    "known of it stands in NAME.json beside it, when it comes into the folders of model files; smc show FILE tells",
    "it. smc ls-remote lists what is there, smc list what was there the last time.",
  ],
  positionals: [
    { name: "NAME", summary: "of the file there", required: true },
    { name: "DEST", summary: "folder or path for it (downloads/ of layout.folder)" },
  ],
  options: {
    remote: { type: "string", value: "R", summary: "where from (origin, or the only one)" },
    force: { type: "boolean", short: "f", summary: "replace another file that is there" },
  },
  examples: [
    ["smc download my_model.pt", "data/models/downloads/my_model.pt"],
    ["smc download my_model.pt data/models/trained/", "into another folder"],
  ],
  run: (context, { words, rest, options }) => {
    const [name, destination, ...more] = [...words, ...(rest ?? [])];
    if (name === undefined || more.length > 0)
      throw new SmcError("USAGE", "name one file, and where it is to go");
    const { remote, force } = options;
    return context.call("download", {
      name,
      ...(destination === undefined ? {} : { destination }),
      ...(remote === undefined ? {} : { remote }),
      force,
    });
  },
  print: (data, out) => {
    const path = show(data.path, 1000);
    if (data.written) out.line(`Downloaded ${path}, ${formatSize(data.sizeBytes)}, verified`);
    else out.line(`${path} is there already, byte for byte`);
    out.line(`SHA-256 ${data.sha256}`);
    hintUnrecorded(data.written, data.recorded, out);
  },
  quiet: (data) => [data.path],
});
