/** Writes a bundle: below another name first, so that a bundle of that name is whole. */
import { CarWriter } from "@ipld/car/writer";
import { CID } from "multiformats/cid";
import { type Call, throwIfCanceled } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { AppendFile } from "../fs.ts";
import { writeNewFile } from "../new-file.ts";
import { type Digest, formatCid, hashBytes } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { RecordKind } from "../pack/format.ts";
import type { NeededRecord } from "../transfer/needed.ts";
import { type Bundle, encodeBundle } from "./format.ts";

/** Small pieces are written together. */
const WRITE_BYTES = 1024 * 1024;
/** Records that are read ahead, as long as they are small together. */
const AHEAD_MAX = 8;
const AHEAD_BYTES_MAX = 32 * 1024 * 1024;

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
  const sizeBytes = await writeNewFile(path, { force }, (file) => fill(store, { file, ...contents }, call));
  return { sizeBytes };
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
