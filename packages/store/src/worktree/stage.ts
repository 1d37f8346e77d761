/**
 * The stage: what the next commit will hold, and the stat of each file when its content was last known.
 * One file, `.smc/stage`, replaced whole. Every byte is described in docs/design/format.md.
 */
import { createHash } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { breathe } from "../call.ts";
import { type Digest, digestFromBytes, digestToBytes, hashBytes } from "../objects/digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { removeFile, replaceFile } from "../fs.ts";
import { assertPath } from "../objects/names.ts";
import type { FileMode } from "../objects/objects.ts";
import { show } from "../show.ts";
import { compareNames as comparePaths } from "../objects/tree.ts";
import type { FileStat } from "../store.ts";
import type { FlatEntry } from "../trees/tree-read.ts";
import { readSmall } from "./head.ts";
import { fileModeOf } from "./stat.ts";

const MAGIC = "SMCSTAGE";
const VERSION = 1;
const HEADER_BYTES = 64;
const ENTRY_BYTES = 84;
const TRAILER_BYTES = 32;
const STAGE_BYTES_MAX = 2 ** 31;
const ENTRIES_PER_TURN = 1000;
const MODE_CODES: readonly FileMode[] = ["100644", "100755", "120000"];
const STAGE_FLAG_EXACT = 1;
const FLAG_SKIPPED = 1;
/** File times may be this coarse, and be written this late. */
const RACY_NS = 2_000_000_000n;

/** The stat of a file whose content was read at or after `cachedAtNs` and had the entry's digest. */
export interface StatCache {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly cachedAtNs: bigint;
}

export interface StageEntry extends FlatEntry {
  readonly cache?: StatCache | undefined;
  /** A symbolic link that checkout left out: being absent is no change. */
  readonly isSkipped?: boolean;
}

export interface Stage {
  /** In the byte order of the paths when it was read; writing sorts. */
  readonly entries: Map<string, StageEntry>;
  /** The tree of the commit that HEAD was at when this was written; undefined before the first. */
  base: Digest | undefined;
  /** True when the entries are the files of `base` and nothing else. */
  isExact: boolean;
  /** SHA-256 of the file that this was read from; "" when there was none. */
  readonly checksum: string;
}

export function emptyStage(): Stage {
  return { entries: new Map(), base: undefined, isExact: false, checksum: "" };
}

export { comparePaths };

/** The cache of a file whose content was read after `cachedAtNs` and whose stat did not change meanwhile. */
export function cacheOf(stat: FileStat, cachedAtNs: bigint): StatCache {
  const { dev, ino, mtimeNs, ctimeNs } = stat;
  return { dev, ino, mtimeNs, ctimeNs, cachedAtNs };
}

/**
 * True when the stat alone proves that the file is still the entry: equal in all parts, and last changed at least
 * 2 s before its content was read, so that a later change would show in its times.
 */
export function isCertainlyUnchanged(entry: StageEntry, stat: FileStat): boolean {
  const { cache } = entry;
  if (cache === undefined || entry.sizeBytes !== stat.sizeBytes || entry.mode !== fileModeOf(stat))
    return false;
  const same =
    cache.mtimeNs === stat.mtimeNs &&
    cache.ctimeNs === stat.ctimeNs &&
    cache.ino === stat.ino &&
    cache.dev === stat.dev;
  if (!same) return false;
  const changedNs = cache.mtimeNs > cache.ctimeNs ? cache.mtimeNs : cache.ctimeNs;
  return changedNs + RACY_NS <= cache.cachedAtNs;
}

function stagePath(root: string): string {
  return join(root, ".smc", "stage");
}

/**
 * Reads the stage below a worktree's root; undefined when there is none or it is empty (a power cut can leave it so).
 * Throws STAGE_CORRUPT for anything but what `writeStage` writes.
 */
export async function readStage(root: string): Promise<Stage | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readSmall(stagePath(root), STAGE_BYTES_MAX);
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return undefined;
    throw error;
  }
  return bytes.length === 0 ? undefined : decodeStage(bytes);
}

/** Replaces the stage. Without `durable` a power cut may undo it. */
export async function writeStage(root: string, stage: Stage, options: { durable: boolean }): Promise<void> {
  await replaceFile(stagePath(root), await encodeStage(stage), options);
  await removeLeftovers(root);
}

const LEFTOVER = /^stage\.[0-9a-f]{12}\.tmp$/;

/** Temporary files of writers that were killed: whoever writes the stage holds the worktree, so they are nobody's. */
async function removeLeftovers(root: string): Promise<void> {
  const folder = join(root, ".smc");
  for (const name of await readdir(folder)) if (LEFTOVER.test(name)) await removeFile(join(folder, name));
}

/** Writes the stage only when the file is still the one that `stage` was read from. Never durable. */
export async function refreshStage(root: string, stage: Stage): Promise<boolean> {
  const now = await readStage(root);
  if ((now?.checksum ?? "") !== stage.checksum) return false;
  await writeStage(root, stage, { durable: false });
  return true;
}

/** Makes the bytes of the stage file: header, entries in the byte order of their paths, SHA-256. */
export async function encodeStage(stage: Stage): Promise<Uint8Array> {
  const paths = [...stage.entries.keys()].sort(comparePaths);
  let size = HEADER_BYTES + TRAILER_BYTES;
  for (const path of paths) size += ENTRY_BYTES + Buffer.byteLength(path);
  if (size > STAGE_BYTES_MAX) throw new SmcError("LIMIT_EXCEEDED", `a stage of ${size} bytes`);
  const bytes = Buffer.alloc(size);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt16LE(VERSION, 8);
  bytes.writeUInt32LE(paths.length, 12);
  bytes.writeUInt16LE(stage.isExact ? STAGE_FLAG_EXACT : 0, 10);
  if (stage.base !== undefined) bytes.set(digestToBytes(stage.base), 16);
  let at = HEADER_BYTES;
  for (const [index, path] of paths.entries()) {
    const entry = stage.entries.get(path);
    if (entry !== undefined) at = writeEntry(bytes, at, path, entry);
    if (index % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await breathe();
  }
  createHash("sha256").update(bytes.subarray(0, at)).digest().copy(bytes, at);
  return bytes;
}

function writeEntry(bytes: Buffer, at: number, path: string, entry: StageEntry): number {
  const { cache } = entry;
  // What is not in the worktree has no stat.
  if (cache !== undefined && entry.isSkipped !== true) {
    bytes.writeBigUInt64LE(cache.dev, at);
    bytes.writeBigUInt64LE(cache.ino, at + 8);
    bytes.writeBigInt64LE(cache.mtimeNs, at + 16);
    bytes.writeBigInt64LE(cache.ctimeNs, at + 24);
    bytes.writeBigInt64LE(cache.cachedAtNs, at + 32);
  }
  bytes.writeUInt32LE(entry.sizeBytes % 2 ** 32, at + 40);
  bytes.writeUInt32LE(Math.floor(entry.sizeBytes / 2 ** 32), at + 44);
  bytes.write(entry.digest, at + 48, "hex");
  const pathBytes = bytes.write(path, at + ENTRY_BYTES, "utf8");
  bytes.writeUInt16LE(pathBytes, at + 80);
  bytes.writeUInt8(MODE_CODES.indexOf(entry.mode), at + 82);
  bytes.writeUInt8(entry.isSkipped === true ? FLAG_SKIPPED : 0, at + 83);
  return at + ENTRY_BYTES + pathBytes;
}

function corrupt(why: string): SmcError {
  return new SmcError("STAGE_CORRUPT", `the stage is damaged: ${why}; the worktree was not changed`);
}

/** Throws STAGE_CORRUPT unless the bytes are what `encodeStage` makes. */
export async function decodeStage(bytes: Buffer): Promise<Stage> {
  if (bytes.length < HEADER_BYTES + TRAILER_BYTES) throw corrupt(`only ${bytes.length} bytes`);
  if (bytes.toString("latin1", 0, 8) !== MAGIC) throw corrupt("it does not start with SMCSTAGE");
  const version = bytes.readUInt16LE(8);
  if (version !== VERSION) throw new SmcError("FORMAT_UNSUPPORTED", `a stage of version ${version}`);
  const end = bytes.length - TRAILER_BYTES;
  const checksum = hashBytes(bytes.subarray(0, end));
  if (checksum !== bytes.toString("hex", end)) throw corrupt("its checksum does not fit");
  const flags = bytes.readUInt16LE(10);
  if (flags > STAGE_FLAG_EXACT || !isZero(bytes.subarray(48, HEADER_BYTES)))
    throw corrupt("reserved bytes are set");
  const entries = new Map<string, StageEntry>();
  const entryCount = bytes.readUInt32LE(12);
  let at = HEADER_BYTES;
  let previous = "";
  for (let index = 0; index < entryCount; index += 1) {
    if (at + ENTRY_BYTES > end) throw corrupt(`it ends in entry ${index}`);
    const pathEnd = at + ENTRY_BYTES + bytes.readUInt16LE(at + 80);
    if (pathEnd > end) throw corrupt(`it ends in the path of entry ${index}`);
    const path = readPath(bytes.subarray(at + ENTRY_BYTES, pathEnd), index);
    if (index > 0 && comparePaths(previous, path) >= 0) throw corrupt(`entry ${index} is out of order`);
    entries.set(path, readEntry(bytes, at, index));
    previous = path;
    at = pathEnd;
    if (index % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await breathe();
  }
  if (at !== end) throw corrupt("bytes behind the last entry");
  const base = bytes.subarray(16, 48);
  const isExact = flags === STAGE_FLAG_EXACT;
  return { entries, base: isZero(base) ? undefined : digestFromBytes(base), isExact, checksum };
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

// Most paths: parts that nothing else in the grammar of names could refuse. Over 255 characters a part could be too
// long.
const PLAIN_PATH = /^(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*\/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;

function readPath(bytes: Buffer, index: number): string {
  const path = bytes.toString("utf8");
  if (bytes.length <= 255 && PLAIN_PATH.test(path)) return path;
  if (!isUtf8(bytes)) throw corrupt(`the path of entry ${index} is not UTF-8`);
  try {
    assertPath(path, { allowNonportable: true });
  } catch (error) {
    throw corrupt(
      `entry ${index} has the path '${show(path, 200)}': ${error instanceof Error ? error.message : ""}`,
    );
  }
  return path;
}

function readEntry(bytes: Buffer, at: number, index: number): StageEntry {
  const mode = MODE_CODES[bytes.readUInt8(at + 82)];
  const flags = bytes.readUInt8(at + 83);
  if (mode === undefined || flags > FLAG_SKIPPED) throw corrupt(`entry ${index} has an unknown mode or flag`);
  const sizeBytes = bytes.readUInt32LE(at + 44) * 2 ** 32 + bytes.readUInt32LE(at + 40);
  if (!Number.isSafeInteger(sizeBytes)) throw corrupt(`entry ${index} has a bad size`);
  const digest = digestFromBytes(bytes.subarray(at + 48, at + 80));
  const cachedAtNs = bytes.readBigInt64LE(at + 32);
  if (cachedAtNs === 0n && !isZero(bytes.subarray(at, at + 32)))
    throw corrupt(`entry ${index} has half a cache`);
  if (cachedAtNs === 0n)
    return flags === FLAG_SKIPPED
      ? { mode, digest, sizeBytes, isSkipped: true }
      : { mode, digest, sizeBytes };
  if (flags === FLAG_SKIPPED) throw corrupt(`entry ${index} is not in the worktree but has a cache`);
  const cache = {
    dev: bytes.readBigUInt64LE(at),
    ino: bytes.readBigUInt64LE(at + 8),
    mtimeNs: bytes.readBigInt64LE(at + 16),
    ctimeNs: bytes.readBigInt64LE(at + 24),
    cachedAtNs,
  };
  return { mode, digest, sizeBytes, cache };
}
