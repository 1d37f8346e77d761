/** Worktree against stage: what changed, reading only files whose stat does not tell. */
import { readlink } from "node:fs/promises";
import { join } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { hashBytes } from "../objects/digest.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { LINK_TARGET_BYTES_MAX } from "../objects/objects.ts";
import { show } from "../show.ts";
import type { ObjectStore, ReadFile } from "../store.ts";
import type { FlatEntry } from "../trees/tree-read.ts";
import type { Found } from "./scan.ts";
import { cacheOf, isCertainlyUnchanged, type StageEntry } from "./stage.ts";
import { fileModeOf, nowNs } from "./stat.ts";

export type Hasher = Pick<ObjectStore, "hashFiles">;

export interface Tracked {
  readonly path: string;
  readonly entry: StageEntry;
  /** With its stat. */
  readonly found: Found;
}

export interface Comparison {
  readonly modified: string[];
  /** Were there when the folder was listed, and are gone. */
  readonly vanished: string[];
  /** Entries that were read and are unchanged, with a stat that tells so next time. */
  readonly verified: Map<string, StageEntry>;
}

export function isSameFile(a: FlatEntry | undefined, b: FlatEntry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.digest === b.digest && a.mode === b.mode;
}

/** Bytes of a link's target. Throws FILE_UNSUPPORTED when it is longer than 4096 bytes. */
export async function readLink(path: string): Promise<Buffer> {
  try {
    const target = await readlink(path, { encoding: "buffer" });
    if (target.length > 0 && target.length <= LINK_TARGET_BYTES_MAX) return target;
    throw new SmcError("FILE_UNSUPPORTED", `the link '${show(path)}' has a target of ${target.length} bytes`);
  } catch (error) {
    throw fromErrno(error, `cannot read the link '${show(path)}'`);
  }
}

/** Which of the files differ from their entries. Throws PERMISSION_DENIED, IO_FAILED, CANCELED. */
export async function compareFiles(
  files: readonly Tracked[],
  options: { root: string; objects: Hasher },
  call: Call,
): Promise<Comparison> {
  const result: Comparison = { modified: [], vanished: [], verified: new Map() };
  const unsure: Tracked[] = [];
  const pace = createPacer(call);
  for (const file of files) {
    await pace();
    const verdict = await judge(file, options.root);
    if (verdict === "modified") result.modified.push(file.path);
    else if (verdict === "unsure") unsure.push(file);
  }
  if (unsure.length > 0) await readUnsure(unsure, options, { result, call });
  return result;
}

async function judge({ entry, found }: Tracked, root: string): Promise<"same" | "modified" | "unsure"> {
  const { stat } = found;
  if (stat === undefined) throw new SmcError("INTERNAL", "a file is compared without its stat");
  if (isCertainlyUnchanged(entry, stat)) return "same";
  if (fileModeOf(stat) !== entry.mode) return "modified";
  if (entry.mode === "120000") {
    return hashBytes(await readLink(join(root, found.disk))) === entry.digest ? "same" : "modified";
  }
  return stat.sizeBytes === entry.sizeBytes ? "unsure" : "modified";
}

async function readUnsure(
  files: readonly Tracked[],
  { root, objects }: { root: string; objects: Hasher },
  { result, call }: { result: Comparison; call: Call },
): Promise<void> {
  const startNs = nowNs();
  const read = await hashAll(
    objects,
    files.map(({ found }) => join(root, found.disk)),
    call,
  );
  for (const [index, { path, entry }] of files.entries()) {
    const file = read[index];
    if (file === "vanished") result.vanished.push(path);
    else if (file === undefined || file === "changing" || file.digest !== entry.digest)
      result.modified.push(path);
    else result.verified.set(path, { ...entry, cache: cacheOf(file.stat, startNs) });
  }
}

/** Hashes files; one that is being written, or went away, does not spoil the others. */
export async function hashAll(
  objects: Hasher,
  paths: readonly string[],
  call: Call,
): Promise<(ReadFile | "changing" | "vanished")[]> {
  try {
    return await objects.hashFiles(paths, call);
  } catch (error) {
    const only = paths.length === 1;
    if (only && isSmcError(error, "FILE_CHANGED")) return ["changing"];
    if (only && isSmcError(error, "PATH_NOT_FOUND")) return ["vanished"];
    if (only || (!isSmcError(error, "FILE_CHANGED") && !isSmcError(error, "PATH_NOT_FOUND"))) throw error;
  }
  // Halves until the one that changes is alone.
  const middle = paths.length >> 1;
  const first = await hashAll(objects, paths.slice(0, middle), call);
  return [...first, ...(await hashAll(objects, paths.slice(middle), call))];
}
