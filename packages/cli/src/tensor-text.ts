/** Tensors, for people. */
import type { ShowResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatCount, formatSize, formatTable } from "./format.ts";
import type { Output } from "./output.ts";

type TensorListing = NonNullable<ShowResult["tensors"]>;
type TensorRow = TensorListing["tensors"][number];

const NAME_LENGTH_SHOWN = 300;

export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(",")}]`;
}

export function formatTensorName(name: string): string {
  return show(name, NAME_LENGTH_SHOWN);
}

function place(row: TensorRow): readonly [string, string] {
  if (row.sizeBytes === null || row.offset === null)
    return ["-", row.file === null ? "not in one piece" : `in ${show(row.file)}`];
  return [
    formatSize(row.sizeBytes),
    row.file === null ? `at ${row.offset}` : `at ${row.offset} of ${show(row.file)}`,
  ];
}

/** Name, type, shape, size and offset of each tensor. */
export function printRows(tensors: readonly TensorRow[], indent: string, out: Output): void {
  const rows = tensors.map((row) => [
    formatTensorName(row.name),
    row.dtype,
    formatShape(row.shape),
    ...place(row),
  ]);
  for (const line of formatTable(rows, [3])) out.line(indent + line);
}

/**
 * Name, type, shape, size and offset of every tensor of a file, or why there are none. That a file is none of weights
 * is only said when it was asked for by name.
 */
export function printTensors(
  { format, problem, tensors }: TensorListing,
  { indent, isAsked = false }: { readonly indent: string; readonly isAsked?: boolean },
  out: Output,
): void {
  if (problem !== null) out.line(`${indent}no tensors: ${show(problem, 500)}`);
  else if (format === null && isAsked) out.line(`${indent}no tensors: smc does not know this format`);
  if (format === null) return;
  printRows(tensors, indent, out);
  const sizeBytes = tensors.reduce((sum, row) => sum + (row.sizeBytes ?? 0), 0);
  out.line(`${indent}${format}, ${formatCount(tensors.length, "tensor")}, ${formatSize(sizeBytes)}`);
}
