/**
 * LevelDB itself: opening, its own report of damage, a checksum around every value. Used by db.ts and db-check.ts only.
 */
import { lstat, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { Level } from "level";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { syncFolder } from "../fs.ts";
import { show } from "../show.ts";

export type Database = Level<Uint8Array, Uint8Array>;

const VALUE_VERSION = 1;
const CHECKSUM_BYTES = 4;
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;
const CACHE_BYTES = 16 * 1024 * 1024;
const REPORT_BYTES_MAX = 1024 * 1024;

/** Version, payload, CRC-32 of key, version and payload: LevelDB does not check its blocks when it reads them. */
export function sealValue(key: Uint8Array, payload: Uint8Array): Uint8Array {
  const value = Buffer.alloc(1 + payload.length + CHECKSUM_BYTES);
  value.writeUInt8(VALUE_VERSION, 0);
  value.set(payload, 1);
  value.writeUInt32LE(crc32(value.subarray(0, -CHECKSUM_BYTES), crc32(key)), 1 + payload.length);
  return value;
}

/** Throws INDEX_CORRUPT, or FORMAT_UNSUPPORTED for a version of the future. */
export function unsealValue(key: Uint8Array, raw: Uint8Array): Uint8Array {
  const value = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  const end = value.length - CHECKSUM_BYTES;
  if (end < 1 || crc32(value.subarray(0, end), crc32(key)) !== value.readUInt32LE(end)) {
    const name = Buffer.from(key.subarray(0, 40)).toString("hex");
    throw new SmcError("INDEX_CORRUPT", `the value of key ${name} in LevelDB is damaged`);
  }
  const version = value.readUInt8(0);
  if (version !== VALUE_VERSION) throw new SmcError("FORMAT_UNSUPPORTED", `LevelDB value version ${version}`);
  return value.subarray(1, end);
}

/**
 * Opens a LevelDB, makes its folder durable and reads what LevelDB reports about damage it skipped.
 * The caller answers for there being one open database per path. Throws INDEX_CORRUPT, STORE_LOCKED, DISK_FULL …
 */
export async function openLevel(path: string, options: { create: boolean }): Promise<Database> {
  if (!options.create) await assertThere(path);
  const level: Database = new Level(path, {
    keyEncoding: "view",
    valueEncoding: "view",
    createIfMissing: options.create,
    errorIfExists: options.create,
    compression: false,
    writeBufferSize: WRITE_BUFFER_BYTES,
    cacheSize: CACHE_BYTES,
  });
  try {
    await level.open();
  } catch (error) {
    throw fromLevel(error, { path, doing: "open" });
  }
  try {
    await syncFolder(path);
    await syncFolder(dirname(path));
    await assertNoDamageReported(path);
  } catch (error) {
    await level.close();
    throw error;
  }
  return level;
}

/** LevelDB would make an empty database and delete the tables where only CURRENT is lost. */
async function assertThere(path: string): Promise<void> {
  try {
    await lstat(join(path, "CURRENT"));
  } catch (error) {
    const known = fromErrno(error, `cannot open LevelDB '${show(path)}'`);
    if (!isSmcError(known, "PATH_NOT_FOUND")) throw known;
    throw new SmcError("INDEX_CORRUPT", `LevelDB '${show(path)}' is missing or has no CURRENT file`, {
      cause: error,
    });
  }
}

async function assertNoDamageReported(path: string): Promise<void> {
  const handle = await open(join(path, "LOG"), "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(REPORT_BYTES_MAX), 0, REPORT_BYTES_MAX, 0);
    const lines = buffer.toString("utf8", 0, bytesRead).split("\n");
    const damage = lines.find((line) => /Corruption|ignoring error|dropping/.test(line));
    if (damage === undefined) return;
    throw new SmcError(
      "INDEX_CORRUPT",
      `LevelDB '${show(path)}' skipped damaged records: ${show(damage, 300)}`,
    );
  } finally {
    await handle.close();
  }
}

const ENVIRONMENT: readonly (readonly [
  RegExp,
  "DISK_FULL" | "PERMISSION_DENIED" | "READ_ONLY" | "IO_FAILED",
])[] = [
  [/No space left|quota exceeded/i, "DISK_FULL"],
  [/Permission denied|not permitted/i, "PERMISSION_DENIED"],
  [/Read-only file system/i, "READ_ONLY"],
  [/Too many open files|Input\/output error|Cannot allocate|File too large/i, "IO_FAILED"],
];

/** LevelDB's errors are texts: what the machine lacks is told from what is wrong with the files. */
export function fromLevel(
  error: unknown,
  where: { path: string; doing: "open" | "read" | "write" },
): unknown {
  if (isSmcError(error) || !(error instanceof Error)) return error;
  const cause = error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  const what = `cannot ${where.doing} LevelDB '${show(where.path)}'`;
  const text = show(cause.message, 500);
  if (code === "LEVEL_LOCKED") {
    return new SmcError("STORE_LOCKED", `${what}: another process has it open`, { cause: error });
  }
  const environment = ENVIRONMENT.find(([pattern]) => pattern.test(cause.message))?.[1];
  if (environment !== undefined) return new SmcError(environment, `${what}: ${text}`, { cause: error });
  // EINVAL is what mapping or reading a table past its end gives: it was cut.
  const isCut = /Invalid argument/i.test(cause.message);
  const isDamage = code === "LEVEL_CORRUPTION" || isCut || where.doing === "open";
  if (isDamage) return new SmcError("INDEX_CORRUPT", `${what}: ${text}`, { cause: error });
  return new SmcError("IO_FAILED", `${what}: ${text}`, { cause: error });
}
