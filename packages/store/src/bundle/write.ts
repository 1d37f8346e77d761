/** Writes a bundle: below another name first, so that a bundle of that name is whole. */
import { randomBytes } from "node:crypto";
import { lstat } from "node:fs/promises";
import { dirname } from "node:path";
import { CarWriter } from "@ipld/car/writer";
import { CID } from "multiformats/cid";
import { type Call, throwIfCanceled } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { AppendFile, createFile, removeFile, renamePath, syncFolder } from "../fs.ts";
import { type Digest, formatCid, hashBytes } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { RecordKind } from "../pack/format.ts";
import { show } from "../show.ts";
import type { NeededRecord } from "../transfer/needed.ts";
import { type Bundle, encodeBundle } from "./format.ts";

/** Small pieces are written together. */
const WRITE_BYTES = 1024 * 1024;
/** Records that are read ahead, as long as they are small together. */
const AHEAD_MAX = 8;
const AHEAD_BYTES_MAX = 32 * 1024 * 1024;
const FILE_MODE = 0o666;

/** What describes comes before what it describes, chunks last. */
const ORDER: readonly RecordKind[] = ["tag", "commit", "tree", "chunklist", "chunk"];

export interface BundleContents {
  readonly bundle: Bundle;
  readonly records: readonly NeededRecord[];
}

/**
 * The file is there, whole and durable, when it returns; else nothing is left. Throws WOULD_OVERWRITE unless `force`,
 * PATH_NOT_FOUND, DISK_FULL, OBJECT_MISSING, OBJECT_CORRUPT.
 */
export async function writeBundle(
  store: OwnedStore,
  { path, force, ...contents }: BundleContents & { path: string; force: boolean },
  call: Call,
): Promise<{ sizeBytes: number }> {
  await assertFree(path, force);
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  let sizeBytes = 0;
  {
    await using file = await AppendFile.create(temporary, { mode: FILE_MODE });
    try {
      sizeBytes = await fill(store, { file, ...contents }, call);
      await file.sync();
      await place(temporary, path, force);
    } catch (error) {
      // What failed first is what is told.
      await removeFile(temporary).catch(() => undefined);
      throw error;
    }
  }
  await syncFolder(dirname(path));
  return { sizeBytes };
}

/** Before anything is read: nobody waits for an hour to be told. */
async function assertFree(path: string, force: boolean): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await lstat(path)).isDirectory();
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known) && known.details.errno === "ENOENT") return;
    throw known;
  }
  if (isFolder || !force) throw inTheWay(path, isFolder);
}

function inTheWay(path: string, isFolder: boolean): SmcError {
  const what = isFolder ? "is a folder" : "is there already";
  return new SmcError("WOULD_OVERWRITE", `'${show(path)}' ${what}; nothing was written`, {
    hint: isFolder ? "name a file" : 'choose another name, or use "--force"',
  });
}

/** Not by a link, which file systems of sticks do not have: the name is taken, then replaced. */
async function place(temporary: string, path: string, force: boolean): Promise<void> {
  if (force) return renamePath(temporary, path);
  try {
    await createFile(path, "", { durable: false });
  } catch (error) {
    if (isSmcError(error) && error.details.errno === "EEXIST") throw inTheWay(path, false);
    throw error;
  }
  try {
    await renamePath(temporary, path);
  } catch (error) {
    await removeFile(path).catch(() => undefined);
    throw error;
  }
}

async function fill(
  store: OwnedStore,
  { file, bundle, records }: BundleContents & { file: AppendFile },
  call: Call,
): Promise<number> {
  const root = encodeBundle(bundle);
  const rootCid = cidOf(hashBytes(root), "bundle");
  const { writer, out } = CarWriter.create(rootCid);
  const sink = drain(out, file);
  try {
    await writer.put({ cid: rootCid, bytes: root });
    for await (const { digest, kind, raw } of readRecords(store, records, call)) {
      await writer.put({ cid: cidOf(digest, kind), bytes: raw });
      sink.assertWritten();
      throwIfCanceled(call);
    }
  } finally {
    await writer.close();
    await sink.ended;
  }
  return sink.sizeBytes();
}

function cidOf(digest: Digest, kind: string): CID {
  return CID.parse(formatCid(digest, kind));
}

interface Sink {
  /** When all that was put is in the file, or after a failure thrown away: whoever puts never waits for ever. */
  readonly ended: Promise<void>;
  /** Throws what failed. */
  assertWritten(): void;
  sizeBytes(): number;
}

function drain(out: AsyncIterable<Uint8Array>, file: AppendFile): Sink {
  let failure: { readonly error: unknown } | undefined;
  let sizeBytes = 0;
  const write = async (pieces: readonly Uint8Array[]): Promise<void> => {
    if (failure !== undefined || pieces.length === 0) return;
    const bytes = Buffer.concat(pieces);
    await file.write(bytes, sizeBytes).catch((error: unknown) => {
      failure = { error };
    });
    sizeBytes += bytes.length;
  };
  const run = async (): Promise<void> => {
    let waiting: Uint8Array[] = [];
    let waitingBytes = 0;
    for await (const bytes of out) {
      waiting.push(bytes);
      waitingBytes += bytes.length;
      if (waitingBytes < WRITE_BYTES) continue;
      await write(waiting);
      waiting = [];
      waitingBytes = 0;
    }
    await write(waiting);
  };
  const assertWritten = (): void => {
    if (failure !== undefined) throw failure.error;
  };
  return {
    ended: run(),
    assertWritten,
    sizeBytes: () => {
      assertWritten();
      return sizeBytes;
    },
  };
}

interface RawRecord {
  readonly digest: Digest;
  readonly kind: RecordKind;
  readonly raw: Uint8Array;
}

/** Verified bytes of all records, in the order of the file; some are read ahead. */
async function* readRecords(
  store: OwnedStore,
  records: readonly NeededRecord[],
  call: Call,
): AsyncIterable<RawRecord> {
  const sorted = ORDER.flatMap((kind) => records.filter(({ place }) => place.kind === kind));
  const total = sorted.reduce((sum, { place }) => sum + place.rawBytes, 0);
  const ahead: { bytes: number; record: Promise<RawRecord> }[] = [];
  let aheadBytes = 0;
  let done = 0;
  for (let next = 0; next < sorted.length || ahead.length > 0;) {
    const wanted = sorted[next];
    const bytes = wanted?.place.rawBytes ?? 0;
    const fits = ahead.length === 0 || (ahead.length < AHEAD_MAX && aheadBytes + bytes <= AHEAD_BYTES_MAX);
    if (wanted !== undefined && fits) {
      const record = readRecord(store, wanted.digest, call);
      // Met when its turn comes.
      record.catch(() => undefined);
      ahead.push({ bytes, record });
      aheadBytes += bytes;
      next += 1;
      continue;
    }
    const first = ahead.shift();
    if (first === undefined) return;
    aheadBytes -= first.bytes;
    yield await first.record;
    done += first.bytes;
    call.onProgress({ phase: "write", done, total, unit: "bytes" });
  }
}

async function readRecord(store: OwnedStore, digest: Digest, call: Call): Promise<RawRecord> {
  using _ = store.objects.readers.enter();
  const place = await store.index.find(digest);
  if (place === undefined)
    throw new SmcError("OBJECT_MISSING", `the store lacks ${digest}; nothing was written`);
  return { digest, kind: place.kind, raw: await store.objects.readPlace(digest, place, call.signal) };
}
