import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, shortDigest } from "../format.ts";

export const command = defineCommand({
  usage: ["verify REV [-v]", "verify REV --remote NAME [--full] [-v]"],
  description: [
    "Proves that one version is whole: reads every byte of its files and compares the SHA-256 of each with its",
    "digest. With --remote, whether the remote has all of it, and with --full that every byte there is right. Ends",
    "with 4 when not.",
  ],
  positionals: [
    {
      name: "REV",
      summary: "a commit, a tag, or a folder REV:path of one",
      required: true,
      completes: "refs",
    },
  ],
  options: {
    remote: { type: "string", value: "NAME", summary: "at this remote, by name or URL, instead of here" },
    full: { type: "boolean", summary: "with --remote: download and hash every byte" },
    verbose: { type: "boolean", short: "v", summary: "the SHA-256 of each file" },
  },
  examples: [
    ["smc verify v1.0.0", "is the release whole?"],
    ["smc verify -v v1.0.0", "and which bytes is it?"],
    ["smc verify v1.0.0 --remote origin --full", "would a clone of origin give the same bytes?"],
  ],
  run: (context, { words, options }) => {
    const { remote, full } = options;
    if (full && remote === undefined)
      throw new SmcError("USAGE", "--full goes with --remote: here every byte is read anyway");
    const where = remote === undefined ? {} : { remote, full };
    return context.call("verify", { revision: words[0] ?? "", ...where });
  },
  print: (data, out, { options }) => {
    for (const { path, digest, problem } of data.files) {
      if (problem !== null) {
        out.line(
          `${out.paint("red", "damaged")} ${shortDigest(digest)}  ${show(path)}: ${show(problem, 1000)}`,
        );
      } else if (options.verbose) out.line(`${digest}  ${show(path)}`);
    }
    for (const problem of data.problems) out.line(`${out.paint("red", "damaged")} ${show(problem, 1000)}`);
    const whole = data.files.filter(({ problem }) => problem === null).length;
    const where = data.remote === null ? "" : ` at ${show(data.remote.name || data.remote.url, 300)}`;
    const how = data.full ? "verified" : "found";
    out.line(`${how} ${formatCount(whole, "file")}, ${formatSize(data.bytes)}${where}`);
    if (data.ok) out.line(out.paint("green", "ok"));
    else out.line(`${formatCount(data.files.length - whole + data.problems.length, "problem")} found`);
  },
  quiet: (data) => data.files.flatMap(({ path, problem }) => (problem === null ? [] : [path])),
  exitCode: (data) => (data.ok ? 0 : 4),
});
