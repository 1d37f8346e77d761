/** What changed inside of files of weights, tensor by tensor. */
import { posix } from "node:path";
import { type Call, createPacer, throwIfCanceled } from "../call.ts";
import type { TensorTable } from "../formats/table.ts";
import type { ReadableFile } from "../pool/tensor-tasks.ts";
import type { Store } from "../store.ts";
import type { FileChanges } from "../trees/tree-diff.ts";
import { type ComparedPair, comparePairs } from "./compare.ts";
import { findDescribers } from "./describers.ts";
import type { ElementRange, RangePair, TensorDistance } from "./differences.ts";
import { readTable, RowBudget, type TensorFile } from "./listing.ts";
import { isSameShape, matchTables, type NamedTensor, type TensorPair } from "./match.ts";
import { type FilePair, pairFiles, pathOf } from "./pair-files.ts";
import { sharedBytes } from "./same-chunks.ts";
import type { TensorSide } from "./sides.ts";

export interface TensorVersion {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Null where the file does not hold it in one piece. */
  readonly sizeBytes: number | null;
}

export interface NamedTensorVersion extends TensorVersion {
  readonly name: string;
}

export interface ChangedTensor {
  readonly name: string;
  readonly from: TensorVersion;
  readonly to: TensorVersion;
  /** Null when the shapes differ, and for types whose elements are no plain numbers. */
  readonly distance: TensorDistance | null;
}

/** One file, or one that was renamed. */
export interface TensorFileDiff {
  /** Where it is, or was when it is gone. */
  readonly path: string;
  /** Where it was; null for a new file. */
  readonly fromPath: string | null;
  readonly change: "added" | "deleted" | "modified" | "renamed";
  /** "safetensors" …; null for a file without tensors that smc knows. */
  readonly format: string | null;
  /** Why the tensors of one side cannot be told; then none of this file is compared. */
  readonly problem: string | null;
  readonly added: readonly NamedTensorVersion[];
  readonly removed: readonly NamedTensorVersion[];
  readonly changed: readonly ChangedTensor[];
  readonly equal: { readonly count: number; readonly sizeBytes: number };
  /** Tensors of the same type and shape whose bytes are compressed or elsewhere, and were not compared. */
  readonly notCompared: readonly string[];
  /** Bytes of the new version, and how many of them lie in chunks that the old one has too. */
  readonly sizeBytes: number;
  readonly sharedBytes: number;
}

export interface TensorDiff {
  readonly files: readonly TensorFileDiff[];
  readonly total: {
    readonly added: number;
    readonly removed: number;
    readonly changed: number;
    readonly equal: number;
    readonly notCompared: number;
    /** Bytes of the tensors that are equal, and of all that both versions have. */
    readonly equalBytes: number;
    readonly tensorBytes: number;
    readonly sizeBytes: number;
    readonly sharedBytes: number;
  };
}

/**
 * Compares the tensors of files that differ. Tensors are matched by name; equal chunks are equal without being read,
 * everything else is read once by the workers, in constant memory. Throws LIMIT_EXCEEDED, OBJECT_CORRUPT, CANCELED.
 */
export async function diffTensors(
  store: Store,
  sides: { readonly from: TensorSide; readonly to: TensorSide; readonly changes: FileChanges },
  call: Call,
): Promise<TensorDiff> {
  using _ = store.objects.readers.enter();
  const budget = new RowBudget();
  const files: TensorFileDiff[] = [];
  const pairs = pairFiles(sides.changes);
  const plain: string[] = [];
  for (const pair of pairs) {
    throwIfCanceled(call);
    const diff = await diffFile(store, { ...sides, pair }, call);
    if (diff === undefined) continue;
    if (diff.format === null && diff.problem === null) plain.push(diff.path);
    budget.take([...diff.added, ...diff.removed, ...diff.changed]);
    files.push(diff);
  }
  for (const path of await findDescribers(store, { ...sides, plain }, call)) {
    const change = { path };
    const diff = await diffFile(store, { ...sides, pair: { from: change, to: change } }, call);
    if (diff === undefined) continue;
    budget.take([...diff.added, ...diff.removed, ...diff.changed]);
    files.push(diff);
  }
  return { files, total: totalOf(files) };
}

interface FileSides {
  readonly from: TensorSide;
  readonly to: TensorSide;
  readonly pair: FilePair;
}

/** Undefined when no side is a regular file. */
async function diffFile(store: Store, sides: FileSides, call: Call): Promise<TensorFileDiff | undefined> {
  const { pair } = sides;
  const from = pair.from === undefined ? undefined : await sides.from.find(pair.from.path);
  const to = pair.to === undefined ? undefined : await sides.to.find(pair.to.path);
  if (from === undefined && to === undefined) return undefined;
  const tables = [await tableOf(store, from, call), await tableOf(store, to, call)] as const;
  const shared = await sharedOf(store, from, to);
  const shell = {
    path: pathOf(pair),
    fromPath: pair.from?.path ?? null,
    change: changeOf(pair),
    ...shared,
  };
  const [before, after] = tables;
  const problem = before?.problem ?? after?.problem ?? null;
  if (problem !== null) return { ...shell, ...NOTHING, problem };
  const format = after?.table?.format ?? before?.table?.format ?? null;
  const { added, removed, pairs } = matchTables(before?.table, after?.table);
  const compared = await compareMatched(store, { ...sides, pairs, paths: { from, to } }, call);
  return {
    ...shell,
    ...compared,
    format,
    problem: null,
    added: added.map(named),
    removed: removed.map(named),
  };
}

const NOTHING = {
  format: null,
  added: [],
  removed: [],
  changed: [],
  equal: { count: 0, sizeBytes: 0 },
  notCompared: [],
};

function changeOf({ from, to }: FilePair): TensorFileDiff["change"] {
  if (from === undefined) return "added";
  if (to === undefined) return "deleted";
  return from.path === to.path ? "modified" : "renamed";
}

async function tableOf(
  store: Store,
  file: TensorFile | undefined,
  call: Call,
): Promise<{ table?: TensorTable | undefined; problem?: string } | undefined> {
  if (file === undefined) return undefined;
  const found = await readTable(store, file, call);
  return found !== undefined && "problem" in found ? found : { table: found };
}

async function sharedOf(
  store: Store,
  from: TensorFile | undefined,
  to: TensorFile | undefined,
): Promise<{ sizeBytes: number; sharedBytes: number }> {
  if (to === undefined || to.localPath !== undefined)
    return { sizeBytes: to?.sizeBytes ?? 0, sharedBytes: 0 };
  const { pieces, sizeBytes } = await store.objects.blob(to.digest);
  if (from === undefined || from.localPath !== undefined) return { sizeBytes, sharedBytes: 0 };
  return { sizeBytes, sharedBytes: sharedBytes((await store.objects.blob(from.digest)).pieces, pieces) };
}

type Compared = Pick<TensorFileDiff, "changed" | "equal" | "notCompared">;

interface Matched extends FileSides {
  readonly pairs: readonly TensorPair[];
  readonly paths: { readonly from: TensorFile | undefined; readonly to: TensorFile | undefined };
}

/** Two files that hold the bytes of some pairs. */
interface Group {
  readonly from: TensorFile;
  readonly to: TensorFile;
  /** Which of the pairs, and where their bytes are. */
  readonly indexes: number[];
  readonly ranges: RangePair[];
}

async function compareMatched(store: Store, matched: Matched, call: Call): Promise<Compared> {
  const { groups, unreachable } = await groupPairs(matched, call);
  const found = new Map<number, ComparedPair>();
  for (const { from, to, indexes, ranges } of groups) {
    const sides = { from: await readable(store, from), to: await readable(store, to) };
    const results = await comparePairs(store, { sides, pairs: ranges }, call);
    for (const [position, result] of results.entries()) found.set(indexes[position] ?? -1, result);
  }
  const changed: ChangedTensor[] = [];
  const notCompared: string[] = [];
  const equal = { count: 0, sizeBytes: 0 };
  for (const [index, { from, to }] of matched.pairs.entries()) {
    const { isEqual = false, distance = null } = found.get(index) ?? {};
    if (isEqual) {
      equal.count += 1;
      equal.sizeBytes += to.place?.length ?? 0;
    } else if (unreachable.has(index)) notCompared.push(to.name);
    else changed.push({ name: to.name, from: version(from), to: version(to), distance });
  }
  return { changed, equal, notCompared };
}

/** Pairs whose elements can be compared, by the files that hold them. */
async function groupPairs(
  matched: Matched,
  call: Call,
): Promise<{ groups: Group[]; unreachable: Set<number> }> {
  const pace = createPacer(call);
  const groups = new Map<string, Group>();
  const unreachable = new Set<number>();
  for (const [index, { from, to }] of matched.pairs.entries()) {
    if (!isSameShape(from.shape, to.shape)) continue;
    const left = await holderOf(matched.from, matched.paths.from, from);
    const right = await holderOf(matched.to, matched.paths.to, to);
    if (left === undefined || right === undefined) {
      if (from.dtype === to.dtype) unreachable.add(index);
      continue;
    }
    const key = `${left.file.path}\0${right.file.path}`;
    const group = groups.get(key) ?? { from: left.file, to: right.file, indexes: [], ranges: [] };
    group.indexes.push(index);
    group.ranges.push({ from: left.range, to: right.range });
    groups.set(key, group);
    await pace();
  }
  return { groups: [...groups.values()], unreachable };
}

/** The file that holds the bytes of a tensor, and where; undefined when they are in pieces or not there. */
async function holderOf(
  side: TensorSide,
  described: TensorFile | undefined,
  { dtype, place, file: beside }: NamedTensor,
): Promise<{ file: TensorFile; range: ElementRange } | undefined> {
  if (place === undefined || described === undefined) return undefined;
  const file =
    beside === undefined ? described : await side.find(posix.join(posix.dirname(described.path), beside));
  if (file === undefined || place.offset + place.length > file.sizeBytes) return undefined;
  return { file, range: { dtype, ...place } };
}

async function readable(store: Store, { digest, localPath }: TensorFile): Promise<ReadableFile> {
  return localPath === undefined ? store.objects.blob(digest) : { path: localPath };
}

function version({ dtype, shape, place }: NamedTensor): TensorVersion {
  return { dtype, shape, sizeBytes: place?.length ?? null };
}

function named(tensor: NamedTensor): NamedTensorVersion {
  return { name: tensor.name, ...version(tensor) };
}

function totalOf(files: readonly TensorFileDiff[]): TensorDiff["total"] {
  const sum = (of: (file: TensorFileDiff) => number): number =>
    files.reduce((total, file) => total + of(file), 0);
  const changedBytes = (file: TensorFileDiff): number =>
    file.changed.reduce((total, { to }) => total + (to.sizeBytes ?? 0), 0);
  const equalBytes = sum((file) => file.equal.sizeBytes);
  return {
    added: sum((file) => file.added.length),
    removed: sum((file) => file.removed.length),
    changed: sum((file) => file.changed.length),
    equal: sum((file) => file.equal.count),
    notCompared: sum((file) => file.notCompared.length),
    equalBytes,
    tensorBytes: equalBytes + sum(changedBytes),
    sizeBytes: sum((file) => file.sizeBytes),
    sharedBytes: sum((file) => file.sharedBytes),
  };
}
