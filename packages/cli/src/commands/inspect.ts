import type { InspectResult } from "@smc/store";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, formatTable } from "../format.ts";
import type { Output } from "../output.ts";
import { formatTensorName, printRows } from "../tensor-text.ts";

const TENSORS_SHOWN = 10;
const PROBLEM_LENGTH_SHOWN = 500;
const RISKS = {
  executable: "executable: a program that loads it may run code that is in it",
  "data-only": "data-only: nothing was seen in it but data",
  unknown: "unknown: its format can hold code, and that was not looked into",
} as const;

function hasProblem(data: InspectResult): boolean {
  return data.problem !== null || data.files.some(({ problem }) => problem !== null);
}

function printFiles(data: InspectResult, out: Output): void {
  const rows = data.files.map(({ file, tensorCount, sizeBytes, problem }) => [
    show(file),
    formatCount(tensorCount, "tensor"),
    sizeBytes === 0 ? "" : formatSize(sizeBytes),
    problem === null ? "" : out.paint("red", problem),
  ]);
  if (rows.length > 0) out.line("in other files:");
  for (const line of formatTable(rows, [1, 2])) out.line(`  ${line}`);
}

export const command = defineCommand({
  usage: ["inspect [-l] FILE", "inspect [-l] REV:path"],
  description: [
    "Tells the format of a file of weights, its tensors, the files that hold the rest of them, and whether loading",
    "it can run code. Ends with 1 when the file breaks the rules of its format, or when files that it needs are",
    "missing or too short. The file is only read: nothing in it is loaded or run.",
  ],
  positionals: [
    {
      name: "FILE|REV:path",
      summary: "a local file, a file of a revision, or the digest of a blob",
      required: true,
      completes: "refs",
    },
  ],
  options: {
    long: { type: "boolean", short: "l", summary: "every tensor, not only the first ten" },
  },
  examples: [
    ["smc inspect best.safetensors", "what is in this file?"],
    ["smc inspect -l v1.0.0:weights/model.onnx", "every tensor of a committed model"],
    ["smc inspect --json pytorch_model.bin", "format, risk, tensors and problems for a script"],
  ],
  run: (context, { words }) => context.call("inspect", { target: words[0] ?? "" }),
  print: (data, out, { options }) => {
    const what = data.format === null ? "no format that smc knows" : data.format;
    out.line(`${out.paint("bold", what)}, ${formatSize(data.sizeBytes)}`);
    if (data.problem !== null)
      out.line(`${out.paint("red", "problem")}: ${show(data.problem, PROBLEM_LENGTH_SHOWN)}`);
    for (const note of data.notes) out.line(`note: ${show(note)}`);
    if (data.risk !== null) out.line(`risk: ${RISKS[data.risk]}`);
    if (data.tensorCount > 0)
      out.line(`${formatCount(data.tensorCount, "tensor")}, ${formatSize(data.tensorBytes)}`);
    const totals = data.dtypes.map(({ dtype, tensorCount, sizeBytes }) => [
      dtype,
      formatCount(tensorCount, "tensor"),
      formatSize(sizeBytes),
    ]);
    for (const line of formatTable(totals, [1, 2])) out.line(`  ${line}`);
    printFiles(data, out);
    const shown = options.long ? data.tensors : data.tensors.slice(0, TENSORS_SHOWN);
    printRows(shown, "", out);
    const left = data.tensorCount - shown.length;
    if (left > 0) out.line(`… and ${left} more${options.long ? "" : '; "smc inspect -l" lists them'}`);
  },
  quiet: (data) => data.tensors.map(({ name }) => formatTensorName(name)),
  exitCode: (data) => (hasProblem(data) ? 1 : 0),
});
