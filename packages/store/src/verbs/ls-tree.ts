/** What a tree holds. */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import type { EntryMode, TreeEntry } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { resolveTree } from "../history/revision.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { listTensors, RowBudget, type TensorListing } from "../tensors/listing.ts";
import { findPath, rootPath } from "../trees/tree-find.ts";
import { measureTree, readTree, type TreeSource } from "../trees/tree-read.ts";

/** More rows than this are refused before any is made. */
export const ROWS_MAX = 1_000_000;

export interface LsTreeOptions {
  /** `REV`, `REV:folder`, a tree; HEAD when left out. */
  readonly revision?: string;
  /** Only these files and folders, from the root of the tree. */
  readonly paths?: readonly string[];
  /** Goes into folders; they are left out themselves. */
  readonly recursive?: boolean;
  /** Folders only. */
  readonly directories?: boolean;
  /** The tensors of every file, too. */
  readonly tensors?: boolean;
}

export interface LsTreeRow {
  readonly path: string;
  readonly mode: EntryMode;
  readonly kind: "blob" | "tree";
  readonly digest: Digest;
  /** Bytes of the file, or of all files below the folder. */
  readonly sizeBytes: number;
  /** With `tensors`: of every file that is no symbolic link. */
  readonly tensors?: TensorListing;
}

export type LsTreeResult = readonly LsTreeRow[];

/**
 * Rows in the order of the paths. Throws PATH_NOT_FOUND, LIMIT_EXCEEDED (over 1,000,000 rows, or too many tensors),
 * and as resolveTree.
 */
export async function lsTree(
  repository: Repository,
  options: LsTreeOptions,
  call: Call,
): Promise<LsTreeResult> {
  const rows = await listRows(repository, options, call);
  return options.tensors === true ? withTensors(repository.store, rows, call) : rows;
}

async function withTensors(store: Store, rows: readonly LsTreeRow[], call: Call): Promise<LsTreeRow[]> {
  const budget = new RowBudget();
  const listed: LsTreeRow[] = [];
  for (const row of rows) {
    if (row.kind === "tree" || row.mode === "120000") {
      listed.push(row);
      continue;
    }
    const tensors = await listTensors(store, row, call);
    budget.take(tensors.tensors);
    listed.push({ ...row, tensors });
  }
  return listed;
}

async function listRows(repository: Repository, options: LsTreeOptions, call: Call): Promise<LsTreeRow[]> {
  const { objects } = repository.store;
  const text = options.revision ?? "HEAD";
  const tree = await resolveTree(repository, text, call);
  const paths = (options.paths ?? []).map((path) => rootPath(repository, path)).filter((path) => path !== "");
  const roots: LsTreeRow[] = [];
  for (const path of paths) {
    const entry = await findPath(objects, tree, path);
    if (entry === undefined)
      throw new SmcError("PATH_NOT_FOUND", `'${show(path)}' is not in '${show(text, 80)}'`);
    roots.push(rowOf(path, entry));
  }
  if (paths.length === 0) return listBelow(objects, { tree, prefix: "", options }, call);
  const rows: LsTreeRow[] = [];
  for (const row of roots) {
    if (row.kind === "blob" || options.recursive !== true) rows.push(row);
    else
      rows.push(...(await listBelow(objects, { tree: row.digest, prefix: `${row.path}/`, options }, call)));
  }
  return options.directories === true ? rows.filter((row) => row.kind === "tree") : rows;
}

function rowOf(path: string, entry: TreeEntry): LsTreeRow {
  const kind = entry.mode === "040000" ? "tree" : "blob";
  return { path, mode: entry.mode, kind, digest: entry.digest, sizeBytes: entry.sizeBytes };
}

interface Below {
  readonly tree: Digest;
  readonly prefix: string;
  readonly options: LsTreeOptions;
}

async function listBelow(objects: TreeSource, below: Below, call: Call): Promise<LsTreeRow[]> {
  const { recursive, directories } = below.options;
  if (recursive === true) await assertCount(objects, below.tree, call);
  const pace = createPacer(call);
  const rows: LsTreeRow[] = [];
  const stack = [{ prefix: below.prefix, entries: await readTree(objects, below.tree), next: 0 }];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const entry = frame.entries[frame.next];
    frame.next += 1;
    if (entry === undefined) {
      stack.pop();
      continue;
    }
    const row = rowOf(frame.prefix + entry.name, entry);
    const goesIn = recursive === true && row.kind === "tree";
    if (row.kind === "tree" ? !goesIn || directories === true : directories !== true) rows.push(row);
    if (goesIn)
      stack.push({ prefix: `${row.path}/`, entries: await readTree(objects, entry.digest), next: 0 });
    await pace();
  }
  return rows;
}

async function assertCount(objects: TreeSource, tree: Digest, call: Call): Promise<void> {
  const { pathCount } = await measureTree(objects, tree, call);
  if (pathCount <= ROWS_MAX) return;
  throw new SmcError(
    "LIMIT_EXCEEDED",
    `the tree holds ${pathCount} files and folders; at most ${ROWS_MAX} are listed`,
    {
      hint: "name a folder of it: smc ls-tree REV:folder",
    },
  );
}
