/** Checks every byte of a journal that is in use against what its writer knows. Changes nothing. */
import { basename } from "node:path";
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { decodePayload, encodeHeader, HEADER_BYTES, journalCorrupt } from "./journal-format.ts";
import {
  damagedAt,
  type JournalFile,
  type JournalPosition,
  journalFileName,
  listFiles,
  openForReading,
  readRecord,
  Window,
} from "./journal-read.ts";

export interface JournalSummary {
  readonly records: number;
  readonly files: number;
  readonly sizeBytes: number;
  /** Undefined when there is no record. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
  /** The chain hash after the last record: it stands for all of them. */
  readonly head: Uint8Array;
}

interface Known {
  readonly files: readonly JournalFile[];
  readonly position: JournalPosition;
  readonly signal: AbortSignal;
}

interface Times {
  first: number | undefined;
  last: number | undefined;
}

/** Throws JOURNAL_CORRUPT with file and byte, CANCELED. */
export async function verifyFiles(folder: string, known: Known): Promise<JournalSummary> {
  const names = (await listFiles(folder)).map((path) => basename(path));
  const missing = known.files.find(({ number }) => !names.includes(journalFileName(number)));
  if (missing !== undefined) throw journalCorrupt(`the journal lacks '${journalFileName(missing.number)}'`);
  const times: Times = { first: undefined, last: undefined };
  let sizeBytes = 0;
  let head: Uint8Array = new Uint8Array(0);
  for (const [index, file] of known.files.entries()) {
    if (file.previousHash.length === head.length && Buffer.compare(file.previousHash, head) !== 0) {
      throw journalCorrupt(`the journal '${show(file.path)}' does not follow the file before it`);
    }
    // Of the last file more may be there by now: the record that is just being written.
    const isLast = index === known.files.length - 1;
    head = await verifyFile(file, { times, isLast, signal: known.signal });
    sizeBytes += file.sizeBytes;
  }
  if (Buffer.compare(head, known.position.hash) !== 0) {
    throw journalCorrupt(`the journal does not end with record ${known.position.seq} as it was written`);
  }
  const { seq: records } = known.position;
  return {
    records,
    files: known.files.length,
    sizeBytes,
    firstMs: times.first,
    lastMs: times.last,
    head,
  };
}

/** The chain hash after its last record. */
async function verifyFile(
  file: JournalFile,
  { times, isLast, signal }: { times: Times; isLast: boolean; signal: AbortSignal },
): Promise<Uint8Array> {
  const handle = await openForReading(file.path);
  try {
    const { size } = await handle.stat();
    if (!isLast && size !== file.sizeBytes) throw damagedAt(file.path, Math.min(size, file.sizeBytes));
    const window = new Window(handle, file.path);
    if (Buffer.compare(await window.read(0, HEADER_BYTES), encodeHeader(file)) !== 0) {
      throw journalCorrupt(`the journal '${show(file.path)}': the header is damaged`);
    }
    let { previousHash: previous, firstSeq: seq } = file;
    for (let offset = HEADER_BYTES; offset < file.sizeBytes; seq += 1) {
      if (signal.aborted) throw new SmcError("CANCELED", "stopped on request");
      const raw = await readRecord(window, { offset, endBytes: file.sizeBytes, previous, seq });
      if (raw === undefined) throw damagedAt(file.path, offset);
      const record = decodePayload(raw.payload, `the journal '${show(file.path)}'`);
      if (record.seq !== seq) throw damagedAt(file.path, offset);
      times.first ??= record.ms;
      times.last = record.ms;
      offset = raw.endOffset;
      previous = raw.hash;
    }
    return previous;
  } finally {
    await handle.close();
  }
}
