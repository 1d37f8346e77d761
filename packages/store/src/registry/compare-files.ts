/** The files of several versions side by side. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import type { Store } from "../store.ts";
import { diffTrees, type FileVersion } from "../trees/tree-diff.ts";
import { flattenTree } from "../trees/tree-read.ts";

const ROWS_MAX = 10_000;

/** One file of all versions. */
export interface FileRow {
  readonly path: string;
  /** Null where the version does not have it. */
  readonly values: readonly (FileVersion | null)[];
  readonly isSame: boolean;
}

export interface FileRows {
  readonly rows: readonly FileRow[];
  /** Files that differ and are not among the rows, because there are too many. */
  readonly leftOut: number;
}

/** Files that differ between the first tree and any other, by path; with `all` the equal ones too. */
export async function compareFilesOf(
  store: Store,
  options: { trees: readonly Digest[]; all: boolean },
  call: Call,
): Promise<FileRows> {
  const { trees, all } = options;
  const [first, ...others] = trees;
  const found = new Map<string, (FileVersion | null)[]>();
  if (first === undefined) return { rows: [], leftOut: 0 };
  if (all) {
    for (const [path, entry] of await flattenTree(store.objects, first, call)) {
      found.set(
        path,
        trees.map(() => ({ ...entry })),
      );
    }
  }
  const rowOf = (path: string, start: FileVersion | null): (FileVersion | null)[] => {
    const known = found.get(path) ?? trees.map(() => start);
    found.set(path, known);
    return known;
  };
  for (const [index, tree] of others.entries()) {
    for (const { path, from, to } of await diffTrees(store.objects, { from: first, to: tree }, call)) {
      rowOf(path, from ?? null)[index + 1] = to ?? null;
    }
  }
  const paths = [...found.keys()].sort();
  const rows = paths.slice(0, ROWS_MAX).map((path) => {
    const values = found.get(path) ?? [];
    return { path, values, isSame: values.every((value) => isSame(value, values[0] ?? null)) };
  });
  return { rows, leftOut: paths.length - rows.length };
}

function isSame(a: FileVersion | null, b: FileVersion | null): boolean {
  return a?.digest === b?.digest && a?.mode === b?.mode;
}
