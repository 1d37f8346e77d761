/**
 * Reads tar files that somebody else may have written. Every header is looked at before one byte of content is used:
 * regular files only, names that stay below one folder, each once, and nothing beyond the end of the file.
 */
import type { FileHandle } from "node:fs/promises";
import { type Call, createPacer } from "../call.ts";
import { isSmcError } from "../errors.ts";
import { assertPath, foldName } from "../objects/names.ts";
import { show } from "../show.ts";

const BLOCK_BYTES = 512;
export const ENTRIES_MAX = 100_001;
/** A pax header holds one path. */
const PAX_BYTES_MAX = 16 * 1024;
/** Zeros after the last entry: GNU tar fills its blocks. */
const END_BYTES_MAX = 1024 * 1024;

export interface TarEntry {
  readonly name: string;
  /** Of the content in the file. */
  readonly at: number;
  readonly sizeBytes: number;
}

export interface TarSource {
  readonly handle: Pick<FileHandle, "read">;
  readonly sizeBytes: number;
  /** The error for what is wrong with the file. */
  readonly damaged: (why: string) => Error;
}

/** True for what begins as a tar file does. */
export function isTar(first: Uint8Array): boolean {
  return Buffer.from(first.subarray(257, 262)).toString("latin1") === "ustar";
}

/** All entries in their order. Throws what `damaged` makes. */
export async function readTarEntries(source: TarSource, call: Call): Promise<TarEntry[]> {
  const pace = createPacer(call);
  const entries: TarEntry[] = [];
  const names = new Names(source);
  let longName: string | undefined;
  for (let at = 0; ;) {
    const block = await readAt(source, at, BLOCK_BYTES);
    if (isZero(block)) {
      if (longName !== undefined) throw source.damaged("it ends after a long name");
      await assertEnd(source, at);
      return entries;
    }
    const { name, type, sizeBytes } = parseHeader(source, block, at);
    const start = at + BLOCK_BYTES;
    if (start + sizeBytes > source.sizeBytes) throw source.damaged(`it ends inside of '${show(name, 80)}'`);
    at = start + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
    if (type === "x") {
      if (longName !== undefined) throw source.damaged("two long names follow each other");
      if (sizeBytes > PAX_BYTES_MAX)
        throw source.damaged(`a long name takes more than ${PAX_BYTES_MAX} bytes`);
      longName = parsePax(source, await readAt(source, start, sizeBytes));
      continue;
    }
    if (type !== "0" && type !== "\0")
      throw source.damaged(`'${show(longName ?? name, 80)}' is no regular file (type '${show(type)}')`);
    if (entries.length >= ENTRIES_MAX) throw source.damaged(`it holds more than ${ENTRIES_MAX} files`);
    entries.push({ name: names.take(longName ?? name), at: start, sizeBytes });
    longName = undefined;
    await pace();
  }
}

/** Exactly that many bytes. Throws what `damaged` makes when the file ends before. */
export async function readAt(source: TarSource, at: number, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes);
  let done = 0;
  while (done < sizeBytes) {
    const { bytesRead } = await source.handle.read(bytes, done, sizeBytes - done, at + done);
    if (bytesRead === 0) throw source.damaged("it ends too early");
    done += bytesRead;
  }
  return bytes;
}

/** Names that were taken, as the least able file system tells them apart. */
class Names {
  readonly #source: TarSource;
  readonly #files = new Set<string>();
  readonly #folders = new Set<string>();

  constructor(source: TarSource) {
    this.#source = source;
  }

  take(name: string): string {
    try {
      assertPath(name, { allowNonportable: true });
    } catch (error) {
      if (!isSmcError(error)) throw error;
      throw this.#source.damaged(error.message);
    }
    const folded = foldName(name);
    const parts = folded.split("/");
    const folders = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
    const isTaken = this.#files.has(folded) || this.#folders.has(folded);
    if (isTaken || folders.some((folder) => this.#files.has(folder)))
      throw this.#source.damaged(`'${show(name, 200)}' is in it twice`);
    this.#files.add(folded);
    for (const folder of folders) this.#folders.add(folder);
    return name;
  }
}

function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Zeros to the end: what stood behind it would be read by nobody. */
async function assertEnd(source: TarSource, at: number): Promise<void> {
  const rest = source.sizeBytes - at;
  if (rest < 2 * BLOCK_BYTES) throw source.damaged("it ends too early");
  if (rest > END_BYTES_MAX || !isZero(await readAt(source, at, rest)))
    throw source.damaged("something stands behind its end");
}

function parseHeader(
  source: TarSource,
  block: Buffer,
  at: number,
): { name: string; type: string; sizeBytes: number } {
  const fail = (why: string): never => {
    throw source.damaged(`the header at byte ${at}: ${why}`);
  };
  if (!isTar(block)) fail("is none of a tar file");
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  if (parseOctal(block.subarray(148, 156)) !== sum) fail("its checksum does not fit");
  const sizeBytes = parseSize(block.subarray(124, 136)) ?? fail("it has no size");
  const isPosix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isPosix ? text(block.subarray(345, 500)) : "";
  const name = text(block.subarray(0, 100));
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    type: block.toString("latin1", 156, 157),
    sizeBytes,
  };
}

function text(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? field.length : end);
}

function parseOctal(field: Buffer): number | undefined {
  const found = /^ *([0-7]+)[ \0]*$/.exec(field.toString("latin1"));
  return found === null ? undefined : Number.parseInt(found[1] ?? "", 8);
}

/** Octal digits, or a number of eleven bytes where those do not suffice. */
function parseSize(field: Buffer): number | undefined {
  const isBinary = field[0] === 0x80;
  const value = isBinary ? Number(BigInt(`0x${field.subarray(1).toString("hex")}`)) : parseOctal(field);
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

/** One record `<length> path=<name>\n`, as the writer makes it. */
function parsePax(source: TarSource, bytes: Buffer): string {
  const record = /^(\d{1,5}) path=([^\n]*)\n$/.exec(bytes.toString("utf8"));
  if (record === null || Number(record[1]) !== bytes.length)
    throw source.damaged("a header of pax holds more than a path");
  return record[2] ?? "";
}
