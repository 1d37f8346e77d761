/**
 * What is known of a file besides its bytes: where it came from, when, what people noted. Kept as `NAME.json` beside
 * it; the manifest beside a backup is read too. The form is told in docs/design/format.md.
 */
import { type BackupManifest, parseManifest } from "../backup/manifest.ts";
import { besideOf } from "../backup/write-backup.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { replaceWith } from "../new-file.ts";
import { parseJson } from "../json.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";
import { lstatOne } from "../worktree/stat.ts";

const FORMAT = "smc-file";
const VERSION = 1;
const RECORD_BYTES_MAX = 16 * 1024 * 1024;
const NOTES_MAX = 10_000;
const TEXT_LENGTH_MAX = 1024 * 1024;

export interface FileNote {
  /** "Name <address>". */
  readonly author: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly text: string;
}

/** Where a file came from. Dates are ISO 8601, UTC; null is not known. */
export interface FileOrigin {
  /** Without user, password and query. */
  readonly url: string | null;
  /** Name of the remote that holds it. */
  readonly remote: string | null;
  /** Digest of the commit that it was uploaded as. */
  readonly commit: string | null;
  /** Where it lay when it was uploaded or backed up. */
  readonly originalPath: string | null;
  readonly uploaded: string | null;
  readonly downloaded: string | null;
  readonly description: string | null;
}

export const NO_ORIGIN: FileOrigin = {
  url: null,
  remote: null,
  commit: null,
  originalPath: null,
  uploaded: null,
  downloaded: null,
  description: null,
};

export interface FileRecord extends FileOrigin {
  readonly sizeBytes: number;
  /** Of the bytes that all this is about. */
  readonly sha256: string;
  readonly md5: string;
  readonly notes: readonly FileNote[];
}

/** Undefined where there is none, or something that smc did not write. Throws FORMAT_UNSUPPORTED, PERMISSION_DENIED. */
export async function readRecord(path: string): Promise<FileRecord | undefined> {
  const bytes = await readBeside(path);
  if (bytes === undefined) return undefined;
  const manifest = parseManifest(bytes);
  return manifest === undefined ? parseRecord(bytes) : recordOfBackup(manifest);
}

/**
 * Throws WOULD_OVERWRITE where `NAME.json` is there and no record of smc: people's own, or the manifest of a backup.
 */
export async function assertRecordFree(path: string): Promise<void> {
  const beside = besideOf(path);
  if ((await lstatOne(beside)) === undefined) return;
  const bytes = await readBeside(path);
  if (bytes !== undefined && parseRecord(bytes) !== undefined) return;
  throw new SmcError(
    "WOULD_OVERWRITE",
    `'${show(beside)}' is there and is no record of smc; nothing was written`,
    {
      hint: "choose another name for the file, or move that one away",
    },
  );
}

/** Replaces the record; durable when it returns. Throws LIMIT_EXCEEDED, DISK_FULL, and as `assertRecordFree`. */
export async function writeRecord(path: string, record: FileRecord): Promise<void> {
  await assertRecordFree(path);
  const { notes, ...facts } = record;
  if (notes.length > NOTES_MAX)
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `there are ${NOTES_MAX} notes about '${show(path)}'; none was added`,
    );
  const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== null));
  const text = `${JSON.stringify({ format: FORMAT, version: VERSION, ...known, notes }, undefined, 2)}\n`;
  if (Buffer.byteLength(text) > RECORD_BYTES_MAX)
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `what is noted about '${show(path)}' would take more than ${RECORD_BYTES_MAX} bytes; nothing was written`,
    );
  await replaceWith(besideOf(path), text);
}

async function readBeside(path: string): Promise<Buffer | undefined> {
  try {
    return await readSmall(besideOf(path), RECORD_BYTES_MAX);
  } catch (error) {
    const isNone = [
      "PATH_NOT_FOUND",
      "PATH_INVALID",
      "FILE_UNSUPPORTED",
      "LIMIT_EXCEEDED",
      "UNSAFE_PATH",
    ] as const;
    if (isNone.some((code) => isSmcError(error, code))) return undefined;
    throw error;
  }
}

function recordOfBackup({ kind, source, created, files }: BackupManifest): FileRecord | undefined {
  const [file] = files;
  if (kind !== "file" || file === undefined) return undefined;
  const { sizeBytes, sha256, md5 } = file;
  const originalPath = source.path ?? null;
  return {
    ...NO_ORIGIN,
    originalPath,
    description: `backup of ${created}`,
    sizeBytes,
    sha256,
    md5,
    notes: [],
  };
}

/** Undefined for what is no record. Throws FORMAT_UNSUPPORTED for a newer one. */
function parseRecord(bytes: Buffer): FileRecord | undefined {
  const value = parseJson(bytes);
  if (!isMap(value) || value["format"] !== FORMAT) return undefined;
  if (value["version"] !== VERSION)
    throw new SmcError(
      "FORMAT_UNSUPPORTED",
      `a record of a file of version ${show(String(value["version"]), 40)}; nothing was changed`,
    );
  const { sizeBytes, sha256, md5, notes } = value;
  if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return undefined;
  if (!isHex(sha256, 64) || !isHex(md5, 32)) return undefined;
  if (!Array.isArray(notes) || notes.length > NOTES_MAX || !notes.every(isNote)) return undefined;
  const texts = Object.keys(NO_ORIGIN).map((name) => [name, value[name] ?? null] as const);
  if (!texts.every(([, text]) => text === null || isText(text))) return undefined;
  return { ...NO_ORIGIN, ...Object.fromEntries(texts), sizeBytes, sha256, md5, notes };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_LENGTH_MAX;
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === "string" && value.length === length && /^[0-9a-f]+$/.test(value);
}

function isNote(value: unknown): value is FileNote {
  return isMap(value) && isText(value["author"]) && isText(value["date"]) && isText(value["text"]);
}
