import { resolve } from "node:path";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { warnOfNames } from "../bad-names.ts";
import { defineCommand } from "../command.ts";
import { shortDigest, shortRef } from "../format.ts";
import { readText } from "../input.ts";
import { parseMetrics, parseScalars } from "../pairs.ts";

const MESSAGE_BYTES_MAX = 1024 * 1024;
const LEFT_OUT_SHOWN = 5;

/** The daemon stands elsewhere: it gets absolute paths. */
function filesOf(
  folder: string,
  options: { "metrics-file": readonly string[]; "params-file": readonly string[] },
): { metricsFiles?: string[]; paramsFiles?: string[] } {
  const absolute = (paths: readonly string[]): string[] => paths.map((path) => resolve(folder, path));
  const { "metrics-file": metrics, "params-file": params } = options;
  return {
    ...(metrics.length === 0 ? {} : { metricsFiles: absolute(metrics) }),
    ...(params.length === 0 ? {} : { paramsFiles: absolute(params) }),
  };
}

export const command = defineCommand({
  usage: ["commit -m TEXT [options]", "commit -F FILE [options]"],
  description: [
    "Keeps what is staged, with a message, metrics and params. When it returns the commit survives a power cut.",
  ],
  options: {
    message: {
      type: "string",
      short: "m",
      value: "TEXT",
      multiple: true,
      summary: "the message; each further -m is a paragraph",
    },
    file: {
      type: "string",
      short: "F",
      value: "FILE",
      summary: "read the message from FILE, or - for stdin",
    },
    all: { type: "boolean", short: "a", summary: "stage changed and deleted files that are tracked" },
    amend: { type: "boolean", summary: "replace the last commit of the branch" },
    metric: { type: "string", value: "K=V", multiple: true, summary: "record a number" },
    param: { type: "string", value: "K=V", multiple: true, summary: "record a parameter" },
    "metrics-file": {
      type: "string",
      value: "FILE",
      multiple: true,
      summary: "record the numbers of a .json, .yaml or .csv; of a CSV its last row",
    },
    "params-file": {
      type: "string",
      value: "FILE",
      multiple: true,
      summary: "record the params of a .json, .yaml or .csv",
    },
    meta: { type: "string", value: "K=V", multiple: true, summary: "record anything else" },
    tag: { type: "string", value: "NAME", summary: "tag the commit as well" },
    author: { type: "string", value: "NAME", summary: 'who made it, as "Name <address>"' },
    date: { type: "string", value: "DATE", summary: "when it was made, in ISO 8601" },
    base: { type: "string", value: "REV", summary: "the commit that the model was made from" },
    "strict-names": { type: "boolean", summary: "refuse new model files that name.pattern does not fit" },
    "allow-empty": { type: "boolean", summary: "commit even when nothing changed" },
  },
  examples: [
    ['smc commit -m "first release" --metric acc=0.91', "commit what is staged"],
    ['smc commit -am "lower rate" --param lr=0.0005', "stage what changed, commit"],
    [
      'smc commit -am "yolo" --metrics-file runs/results.csv --params-file runs/args.yaml',
      "what Ultralytics wrote",
    ],
    ['smc commit --amend -m "better words"', "replace the last commit"],
    ["write-notes | smc commit -F -", "take the message from another program"],
  ],
  run: async (context, { options }) => {
    const { folder, signal } = context;
    if (options.message.length > 0 && options.file !== undefined) {
      throw new SmcError("USAGE", "give the message with -m or with -F, not with both");
    }
    const message =
      options.file === undefined
        ? options.message.join("\n\n")
        : await readText(options.file, {
            folder,
            signal,
            bytesMax: MESSAGE_BYTES_MAX,
            tooLong: "MESSAGE_INVALID",
          });
    const given = options.message.length > 0 || options.file !== undefined;
    if (!given && !options.amend) {
      throw new SmcError("MESSAGE_INVALID", "there is no message; nothing was committed", {
        hint: "give a message with -m",
      });
    }
    return context.call("commit", {
      ...(given ? { message } : {}),
      all: options.all,
      amend: options.amend,
      allowEmpty: options["allow-empty"],
      strictNames: options["strict-names"],
      metrics: parseMetrics(options.metric),
      params: parseScalars("--param", options.param),
      ...filesOf(folder, options),
      meta: parseScalars("--meta", options.meta),
      ...(options.tag === undefined ? {} : { tag: options.tag }),
      ...(options.author === undefined ? {} : { author: options.author }),
      ...(options.date === undefined ? {} : { date: options.date }),
      ...(options.base === undefined ? {} : { base: options.base }),
    });
  },
  print: (data, out) => {
    const branch = data.ref === "HEAD" ? "detached HEAD" : shortRef(data.ref);
    const { added, modified, deleted } = data.files;
    out.line(`[${branch} ${out.paint("yellow", shortDigest(data.digest))}] ${show(data.subject, 200)}`);
    out.line(`${added} added, ${modified} modified, ${deleted} deleted`);
    if (data.tag !== null) out.line(`tagged ${show(data.tag, 300)}`);
    warnOfNames(data.badNames, out);
    const more = data.leftOut.length - LEFT_OUT_SHOWN;
    for (const line of data.leftOut.slice(0, LEFT_OUT_SHOWN))
      out.hint(`no finite number: ${show(line, 300)}`);
    if (more > 0) out.hint(`no finite number: ${more} more`);
  },
  quiet: (data) => [data.digest],
});
