/** Two versions of files of weights joined tensor by tensor into new files. */
import { randomBytes } from "node:crypto";
import { join, posix } from "node:path";
import { type Call, throwIfCanceled } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { TensorTable } from "../formats/table.ts";
import { createFolder, removeTree } from "../fs.ts";
import type { Digest } from "../objects/digest.ts";
import type { PiecedBlob } from "../pool/tasks.ts";
import { show } from "../show.ts";
import type { Store, WriteSession } from "../store.ts";
import type { FlatEntry, FlatTree } from "../trees/tree-read.ts";
import { comparePairs } from "./compare.ts";
import type { Segment } from "./compose.ts";
import { composeFile } from "./compose-file.ts";
import { readTable } from "./listing.ts";
import { conflict, planTensors, type TensorAction, type TensorPlan } from "./merge-plan.ts";
import { hasSameChunks } from "./same-chunks.ts";
import type { MergeStrategy } from "./strategy.ts";

/** Names that an answer lists. */
const KEPT_SHOWN_MAX = 1000;
/** Up to this size a tensor that will be replaced is first compared: what is equal is said to be so. */
const COMPARED_BYTES_MAX = 256 * 1024;
const OURS = 0;
const THEIRS = 1;

export interface JoinedFile {
  readonly path: string;
  /** Tensors that were mixed, that patterns or sides took from ours and theirs, and that were equal. */
  readonly mixedCount: number;
  readonly oursCount: number;
  readonly theirsCount: number;
  readonly equalCount: number;
  /** Tensors without floats that differ and were not mixed, but taken from ours. */
  readonly kept: readonly string[];
  /** Mixed elements that are NaN or infinite because one side was. */
  readonly nonFiniteCount: number;
}

export interface Sides {
  readonly ours: FlatTree;
  readonly theirs: FlatTree;
}

export interface JoinedFiles {
  /** Path → the new file; nothing of it is durable before the session is finished. */
  readonly files: ReadonlyMap<string, FlatEntry>;
  readonly joined: readonly JoinedFile[];
  /** Path → why its tensors could not be told. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/**
 * Joins every file that both sides have, with different bytes, and whose tensors are known. Constant memory; on disk
 * the largest of the new files stands twice for a while. Throws MERGE_CONFLICT as planTensors, and for tensors that
 * differ and that no strategy speaks of; OBJECT_CORRUPT, DISK_FULL, CANCELED.
 */
export async function joinFiles(
  store: Store,
  { sides, strategy, session }: { sides: Sides; strategy: MergeStrategy; session: WriteSession },
  call: Call,
): Promise<JoinedFiles> {
  const files = new Map<string, FlatEntry>();
  const joined: JoinedFile[] = [];
  const unreadable = new Map<string, string>();
  for (const [path, ours] of sides.ours) {
    const theirs = sides.theirs.get(path);
    if (theirs === undefined || theirs.digest === ours.digest) continue;
    if (ours.mode === "120000" || theirs.mode === "120000") continue;
    throwIfCanceled(call);
    using _ = store.objects.readers.enter();
    const tables = await readTables(store, { path, ours, theirs }, call);
    if (typeof tables === "string") unreadable.set(path, tables);
    if (tables === undefined || typeof tables === "string") continue;
    const plan = planTensors(path, tables, strategy);
    const pair = { path, ours, theirs, plan };
    const result = await joinFile(store, { pair, strategy, session }, call);
    files.set(path, result.entry);
    joined.push(result.counts);
  }
  return { files, joined, unreadable };
}

interface FilePair {
  readonly path: string;
  readonly ours: FlatEntry;
  readonly theirs: FlatEntry;
}

/** Undefined for files without tensors, text for files whose tensors cannot be told. */
async function readTables(
  store: Store,
  { path, ours, theirs }: FilePair,
  call: Call,
): Promise<{ ours: TensorTable; theirs: TensorTable } | string | undefined> {
  const mine = await readTable(store, { digest: ours.digest, path }, call);
  const other = await readTable(store, { digest: theirs.digest, path }, call);
  if (mine !== undefined && "problem" in mine) return `ours: ${mine.problem}`;
  if (other !== undefined && "problem" in other) return `theirs: ${other.problem}`;
  if (mine === undefined || other === undefined) return undefined;
  const count = mine.tensors.length + mine.scattered.length + other.tensors.length + other.scattered.length;
  return count === 0 ? undefined : { ours: mine, theirs: other };
}

interface Joining {
  readonly pair: FilePair & { readonly plan: TensorPlan };
  readonly strategy: MergeStrategy;
  readonly session: WriteSession;
}

async function joinFile(
  store: Store,
  { pair, strategy, session }: Joining,
  call: Call,
): Promise<{ entry: FlatEntry; counts: JoinedFile }> {
  const { path, ours, theirs, plan } = pair;
  const blobs = [await store.objects.blob(ours.digest), await store.objects.blob(theirs.digest)] as const;
  const settled = await settle(store, { path, actions: plan.actions, blobs }, call);
  const { replaced, mixedCount, theirsCount, equalCount, kept } = settled;
  const counts = {
    path,
    mixedCount,
    oursCount: plan.oursCount,
    theirsCount,
    equalCount,
    kept: kept.slice(0, KEPT_SHOWN_MAX),
    nonFiniteCount: 0,
  };
  if (replaced.length === 0) return { entry: ours, counts };
  const segments = segmentsOf(blobs[OURS].sizeBytes, replaced, strategy.weight ?? 0);
  const stored = await storeComposed(store, { pair, segments, blobs, replaced, session }, call);
  const { digest, sizeBytes, nonFiniteCount } = stored;
  return { entry: { mode: ours.mode, digest, sizeBytes }, counts: { ...counts, nonFiniteCount } };
}

interface Settled {
  /** Tensors whose bytes are not those of ours, in the order of the file. */
  readonly replaced: readonly TensorAction[];
  readonly mixedCount: number;
  readonly theirsCount: number;
  readonly equalCount: number;
  readonly kept: readonly string[];
}

/** Leaves out what is equal, by its chunks or by comparing, and decides what only had to be equal. */
async function settle(
  store: Store,
  {
    path,
    actions,
    blobs,
  }: { path: string; actions: readonly TensorAction[]; blobs: readonly [PiecedBlob, PiecedBlob] },
  call: Call,
): Promise<Settled> {
  // Large tensors that are equal have chunks of their own, which are the same; small ones share theirs with others.
  const compared = actions.filter(({ kind, ours }) => kind === "compare" || ours.length < COMPARED_BYTES_MAX);
  const pairs = compared.map(({ ours, theirs }) => ({ from: ours, to: theirs }));
  const results = await comparePairs(store, { sides: { from: blobs[OURS], to: blobs[THEIRS] }, pairs }, call);
  const equal = new Set(compared.filter((_, index) => results[index]?.isEqual === true));
  const kept: string[] = [];
  const replaced: TensorAction[] = [];
  let [mixedCount, theirsCount, equalCount] = [0, 0, 0];
  for (const action of actions) {
    const { name, kind } = action;
    if (equal.has(action) || isSameBytes(action, blobs)) equalCount += 1;
    else if (kind === "compare" && action.otherwise === "nobody")
      throw conflict(path, name, "differs, and no strategy says what becomes of it");
    else if (kind === "compare" && action.otherwise === "ours") kept.push(name);
    else {
      if (kind === "mix") mixedCount += 1;
      else theirsCount += 1;
      replaced.push(action);
    }
  }
  replaced.sort((a, b) => a.ours.offset - b.ours.offset);
  return { replaced, mixedCount, theirsCount, equalCount, kept };
}

function isSameBytes({ ours, theirs }: TensorAction, blobs: readonly [PiecedBlob, PiecedBlob]): boolean {
  const mine = { pieces: blobs[OURS].pieces, offset: ours.offset };
  const other = { pieces: blobs[THEIRS].pieces, offset: theirs.offset };
  return hasSameChunks(mine, other, ours.length);
}

/** Ours, with other bytes where a tensor is replaced. */
function segmentsOf(sizeBytes: number, replaced: readonly TensorAction[], weight: number): Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  const copyTo = (end: number): void => {
    if (end > at) segments.push({ kind: "copy", from: { source: OURS, offset: at }, length: end - at });
    at = end;
  };
  for (const action of replaced) {
    const { offset, length } = action.ours;
    copyTo(offset);
    const theirs = { source: THEIRS, offset: action.theirs.offset };
    if (action.kind === "mix") {
      const { dtype } = action;
      segments.push({ kind: "mix", dtype, ours: { source: OURS, offset }, theirs, length, weight });
    } else segments.push({ kind: "copy", from: theirs, length });
    at = offset + length;
  }
  copyTo(sizeBytes);
  return segments;
}

interface Composed {
  readonly pair: FilePair;
  readonly segments: readonly Segment[];
  readonly blobs: readonly [PiecedBlob, PiecedBlob];
  readonly replaced: readonly TensorAction[];
  readonly session: WriteSession;
}

/** Writes the file below `incoming/`, which a start of the daemon empties, and stores it from there. */
async function storeComposed(
  store: Store,
  { pair, segments, blobs, replaced, session }: Composed,
  call: Call,
): Promise<{ digest: Digest; sizeBytes: number; nonFiniteCount: number }> {
  const fileName = posix.basename(pair.path);
  const folder = join(store.path, "incoming", `merge-${randomBytes(8).toString("hex")}`);
  await createFolder(folder);
  try {
    // The name helps to find the tensors again when the file is cut into chunks.
    const path = join(folder, fileName);
    const { nonFiniteCount } = await composeFile(store, { path, sources: blobs, segments }, call);
    await store.pool.run(
      "sealArchive",
      { path, replaced: replaced.map(({ ours }) => ours) },
      { signal: call.signal },
    );
    const parents = [pair.ours, pair.theirs].map(({ digest }) => ({ digest, fileName }));
    const [stored] = await session.addFiles([{ path, sizeBytes: pair.ours.sizeBytes, parents }], call);
    if (stored?.sizeBytes !== pair.ours.sizeBytes)
      throw new SmcError("INTERNAL", `'${show(pair.path)}' was joined to another size than it had`);
    return { digest: stored.digest, sizeBytes: stored.sizeBytes, nonFiniteCount };
  } finally {
    await removeTree(folder);
  }
}
