/** Writes a bundle: below another name first, so that a bundle of that name is whole. */
import { CarWriter } from "@ipld/car/writer";
import { CID } from "multiformats/cid";
import { type Call, createPacer, throwIfCanceled } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { AppendFile } from "../fs.ts";
import { writeNewFile } from "../new-file.ts";
import { type Digest, formatCid, hashBytes } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { RecordKind } from "../pack/format.ts";
import type { NeededRecord } from "../transfer/needed.ts";
import { BlockIndex } from "./block-index.ts";
import {
  blockHeadBytes,
  type Bundle,
  encodeBundle,
  encodeOuter,
  HEADER_BYTES,
  OUTER_BYTES,
} from "./format.ts";

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
  /** Of CAR; 2 is one of 1 with an index behind it. */
  readonly version: 1 | 2;
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
  { file, version, ...contents }: BundleContents & { file: AppendFile },
  call: Call,
): Promise<number> {
  if (version === 1) return fillBlocks(store, { file, from: 0, note: () => undefined, ...contents }, call);
  const index = new BlockIndex(1 + contents.records.length);
  let next = HEADER_BYTES;
  const note = (digest: Digest, sizeBytes: number): void => {
    index.add(digest, next);
    next += blockHeadBytes(sizeBytes) + sizeBytes;
  };
  const end = await fillBlocks(store, { file, from: OUTER_BYTES, note, ...contents }, call);
  if (end !== OUTER_BYTES + next)
    throw new Error(`the blocks of a bundle end at byte ${end}, not at ${OUTER_BYTES + next}`);
  let at = end;
  for await (const bytes of index.encode(createPacer(call))) {
    await file.write(bytes, at);
    at += bytes.length;
  }
  await file.write(encodeOuter(next), 0);
  return at;
}

interface Blocks extends Omit<BundleContents, "version"> {
  readonly file: AppendFile;
  /** Where in the file the CARv1 begins. */
  readonly from: number;
  /** Told of each block before it is written. */
  readonly note: (digest: Digest, sizeBytes: number) => void;
}

/** Writes the CARv1; returns where it ends in the file. */
async function fillBlocks(
  store: OwnedStore,
  { file, from, note, bundle, records }: Blocks,
  call: Call,
): Promise<number> {
  const root = encodeBundle(bundle);
  const rootDigest = hashBytes(root);
  const rootCid = cidOf(rootDigest, "bundle");
  const { writer, out } = CarWriter.create(rootCid);
  const sink = drain(out, { file, from });
  try {
    note(rootDigest, root.length);
    await writer.put({ cid: rootCid, bytes: root });
    for await (const { digest, kind, raw } of readRecords(store, records, call)) {
      note(digest, raw.length);
      await writer.put({ cid: cidOf(digest, kind), bytes: raw });
      sink.assertWritten();
      throwIfCanceled(call);
    }
  } finally {
    await writer.close();
    await sink.ended;
  }
  return sink.end();
}

function cidOf(digest: Digest, kind: string): CID {
  return CID.parse(formatCid(digest, kind));
}

interface Sink {
  /** When all that was put is in the file, or after a failure thrown away: whoever puts never waits for ever. */
  readonly ended: Promise<void>;
  /** Throws what failed. */
  assertWritten(): void;
  /** Where in the file the last byte ends. */
  end(): number;
}

function drain(
  out: AsyncIterable<Uint8Array>,
  { file, from }: { readonly file: AppendFile; readonly from: number },
): Sink {
  let failure: { readonly error: unknown } | undefined;
  let end = from;
  const write = async (pieces: readonly Uint8Array[]): Promise<void> => {
    if (failure !== undefined || pieces.length === 0) return;
    const bytes = Buffer.concat(pieces);
    await file.write(bytes, end).catch((error: unknown) => {
      failure = { error };
    });
    end += bytes.length;
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
    end: () => {
      assertWritten();
      return end;
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
