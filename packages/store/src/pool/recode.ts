/** Storing chunks again in a shorter form, and records again in another pack. For storers. */
import { closeSync, readSync } from "node:fs";
import { encodeBest } from "../codecs/registry.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { decodeDeltaPrefix, isDeltaCodec } from "../pack/delta.ts";
import { decodeRecordHeader, RECORD_HEADER_BYTES, type RecordRow } from "../pack/format.ts";
import { type ChunkPlace, type FindElsewhere, OpenPacks } from "../pack/open-packs.ts";
import { openPack, openRecord } from "../pack/reader.ts";
import type { EncodedRecord, NewRecord } from "../pack/writer.ts";
import { BlobSource } from "./blob-source.ts";
import { FileCuts } from "./file-cuts.ts";
import type { ChunkHints, RecodeInput, Recoded } from "./tasks.ts";

/** A new form has to save this share of the stored bytes. */
const SAVED_SHARE_MIN = 0.05;

export interface Recoder {
  /** Reads around damage. */
  readonly elsewhere: FindElsewhere;
  /** Encodes with what is known about the chunk. */
  encode(raw: Uint8Array, hints: ChunkHints): EncodedRecord;
  append(record: NewRecord, encoded: EncodedRecord): Promise<void>;
  /** Throws CANCELED when the command was stopped. */
  onBytes(bytes: number): void;
}

/** Chunks of a stored file that stand alone, encoded against the file's parents where that is shorter. */
export async function recodeBlob(
  { blob, fileName, parents, wanted }: RecodeInput,
  recoder: Recoder,
): Promise<Recoded> {
  using packs = new OpenPacks({ elsewhere: recoder.elsewhere });
  using cuts = new FileCuts(new BlobSource(packs, blob), { fileName, parents });
  let tried = 0;
  let shorter = 0;
  let savedBytes = 0;
  for (const number of wanted) {
    const piece = blob.pieces[number];
    const hints = piece === undefined ? undefined : cuts.at(piece.at, piece.span.rawBytes);
    if (piece === undefined || hints === undefined || hints.parents.length === 0) continue;
    const { digest, rawBytes, storedBytes } = piece.span;
    const encoded = recoder.encode(packs.read(piece).slice(), hints);
    tried += 1;
    recoder.onBytes(rawBytes);
    if (encoded.delta === undefined || encoded.stored.length > storedBytes * (1 - SAVED_SHARE_MIN)) continue;
    await recoder.append({ kind: "chunk", digest, rawBytes }, encoded);
    shorter += 1;
    savedBytes += storedBytes - encoded.stored.length;
  }
  return { tried, shorter, savedBytes };
}

interface CopyInput {
  readonly pack: string;
  /** The records are content as it is, and are stored in a shorter form where there is one. */
  readonly encode?: boolean;
  readonly rows: readonly RecordRow[];
  readonly parents: ReadonlyMap<Digest, readonly ChunkPlace[]>;
}

/** Records as they are, or encoded anew, each decoded and verified first. Throws OBJECT_CORRUPT, PACK_CORRUPT. */
export async function copyRecords(
  { pack, rows, parents, encode = false }: CopyInput,
  recoder: Pick<Recoder, "elsewhere" | "append" | "onBytes">,
): Promise<void> {
  using packs = new OpenPacks({ elsewhere: recoder.elsewhere });
  const fd = openPack(pack);
  try {
    for (const { digest, offset, storedBytes, kind, rawBytes } of rows) {
      const bytes = Buffer.alloc(RECORD_HEADER_BYTES + storedBytes);
      const read = readSync(fd, bytes, 0, bytes.length, offset);
      if (read !== bytes.length) throw new SmcError("PACK_CORRUPT", "the pack ends too early");
      const places = parents.get(digest);
      const raw = openRecord(bytes, digest, {
        parent: places === undefined ? undefined : packs.readAll(places),
      });
      const form = storedForm(bytes);
      assertRow(bytes, { kind, digest, rawBytes }, { form, places });
      await recoder.append({ kind, digest, rawBytes }, encode ? encodeBest(raw) : form);
      recoder.onBytes(rawBytes);
    }
  } finally {
    closeSync(fd);
  }
}

/** The record must be what was asked for: a remote may have said anything about it. */
function assertRow(
  bytes: Buffer,
  row: NewRecord,
  { form, places }: { form: EncodedRecord; places: readonly ChunkPlace[] | undefined },
): void {
  const header = decodeRecordHeader(bytes);
  const needs = form.delta?.parents ?? [];
  const given = places?.map(({ span }) => span.digest) ?? [];
  const fits = header.kind === row.kind && header.rawBytes === row.rawBytes;
  if (fits && needs.length === given.length && needs.every((digest, index) => digest === given[index]))
    return;
  throw new SmcError("OBJECT_CORRUPT", `the record of ${row.digest} is not what was said about it`);
}

function storedForm(bytes: Buffer): EncodedRecord {
  const { codec } = decodeRecordHeader(bytes);
  const stored = bytes.subarray(RECORD_HEADER_BYTES);
  if (!isDeltaCodec(codec)) return { codec, stored };
  const { prefix, sizeBytes } = decodeDeltaPrefix(stored);
  return { codec, stored: stored.subarray(sizeBytes), delta: prefix };
}
