import type { ExportFormat, ExportResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, formatTable } from "../format.ts";

const FORMATS: readonly ExportFormat[] = ["onnx", "tfjs"];

export const command = defineCommand({
  usage: ["export [REV[:FOLDER]] [--format onnx,tfjs] [-o DIR] [--data D] [--force]"],
  description: [
    "Writes the model that the trainer of smc wrote into a version as files that other programs run: onnx is",
    "model.onnx for ONNX Runtime, tfjs is tfjs/model.json with its weights for loadLayersModel of TensorFlow.js. Both",
    "take samples as they come (pixels from 0 to 255, numbers as in the CSV file): the scaling is inside; onnx takes",
    "images channels first. Before a file appears it is run on some samples, and what it gives is compared with what",
    "the trainer computes: those of --data, else of the data that it was trained on, as they are in the worktree, else",
    "made up ones. A model that differs is not written, and the status is 4.",
  ],
  positionals: [{ name: "REV", summary: "the version (HEAD)", completes: "refs" }],
  options: {
    format: { type: "string", value: "F,...", summary: "onnx, tfjs, or both with a comma between (both)" },
    output: { type: "string", short: "o", value: "DIR", summary: "the folder for the files (where you are)" },
    data: { type: "string", value: "D", summary: "compare on this data set or path" },
    force: { type: "boolean", summary: "replace files that are there" },
  },
  examples: [
    ["smc export champion --format onnx,tfjs -o dist", "both, in dist/"],
    ["smc export v1.0.0 --format onnx --data cats", "compared on samples of cats"],
  ],
  run: (context, { words, rest, options }) => {
    const [revision, ...more] = [...words, ...(rest ?? [])];
    if (more.length > 0) throw new SmcError("USAGE", "one version at a time");
    const { format, output, data, force } = options;
    return context.call("export", {
      ...(revision === undefined ? {} : { revision }),
      ...(format === undefined ? {} : { formats: format.split(",").map(parseFormat) }),
      ...(output === undefined ? {} : { output }),
      ...(data === undefined ? {} : { data }),
      ...(force ? { force } : {}),
    });
  },
  print: (data, out) => {
    const { formats, samples, areReal, output } = data;
    for (const line of fileLines(data)) out.line(line);
    const kind = areReal ? "sample" : "made-up sample";
    const far = Math.max(...formats.map(({ difference }) => difference)).toExponential(1);
    out.line(`Same as the trainer on ${formatCount(samples, kind)}; the largest difference is ${far}`);
    if (!areReal)
      out.hint(
        "the data that it was trained on are not here; name some with --data to compare on real samples",
      );
    out.hint(`in ${show(output, 1000)}`);
  },
  quiet: (data) => pathsOf(data),
});

function parseFormat(text: string): ExportFormat {
  const found = FORMATS.find((format) => format === text.trim());
  if (found !== undefined) return found;
  throw new SmcError("ARGUMENT_INVALID", `--format: '${show(text, 40)}' is not one of ${FORMATS.join(", ")}`);
}

function pathsOf({ formats, output }: ExportResult): string[] {
  return formats.flatMap(({ files }) => files.map(({ path }) => `${output.replace(/\/$/, "")}/${path}`));
}

function fileLines({ formats }: ExportResult): string[] {
  const rows = formats.flatMap(({ format, files, difference }) =>
    files.map(({ path, sizeBytes }) => [format, path, formatSize(sizeBytes), difference.toExponential(1)]),
  );
  return formatTable([["FORMAT", "FILE", "SIZE", "DIFFERENCE"], ...rows], [2, 3]);
}
