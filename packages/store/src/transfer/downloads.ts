/** Packs of a remote, or some of their records, in files of a folder below `incoming/`. Nothing in it is verified. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Call, throwIfCanceled } from "../call.ts";
import { SmcError } from "../errors.ts";
import { AppendFile, createFolder, removeTree } from "../fs.ts";
import type { Digest } from "../objects/digest.ts";
import type { Store } from "../store.ts";
import {
  FOOTER_ROW_BYTES,
  HEADER_BYTES,
  paddedBytes,
  RECORD_HEADER_BYTES,
  recordBytes,
  type RecordRow,
  TRAILER_BYTES,
} from "../pack/format.ts";
import { inBlocks } from "./blocks.ts";
import type { PackSource, RemoteRow } from "./remote.ts";

/** Bytes between two records that are fetched rather than asked for in two requests. */
const GAP_BYTES_MAX = 256 * 1024;

/** A pack, or some records of one, in a file of ours. */
export interface Arrived {
  readonly pack: Digest;
  readonly path: string;
  readonly isWhole: boolean;
  /** Of a whole one: each record was compared with its SHA-256. */
  readonly isVerified?: boolean;
  /** Offsets are those in the file. */
  readonly rows: readonly RemoteRow[];
}

/** Disposing removes the files. */
export class Downloads implements AsyncDisposable {
  receivedBytes = 0;
  readonly #remote: PackSource;
  readonly #call: Call;
  readonly #folder: string;
  #made: Promise<void> | undefined;
  #totalBytes = 0;

  constructor({ store, remote }: { store: Pick<Store, "path">; remote: PackSource }, call: Call) {
    this.#remote = remote;
    this.#call = call;
    this.#folder = join(store.path, "incoming", `fetch-${randomBytes(8).toString("hex")}`);
  }

  /** Counts a record into the total of the progress. */
  expect({ storedBytes }: RecordRow): void {
    this.#totalBytes += recordBytes(storedBytes);
  }

  /**
   * These records of a pack; the whole pack when they are all of it. Durable only then. Throws as `Remote.readPack`.
   */
  async take(pack: Digest, rows: readonly RemoteRow[]): Promise<Arrived> {
    const sorted = [...rows].sort((a, b) => a.offset - b.offset);
    const sizeBytes = await this.#remote.packBytes(pack, this.#call);
    const recordsBytes = sorted.reduce((sum, row) => sum + recordBytes(row.storedBytes), 0);
    const footerBytes = paddedBytes(sorted.length * FOOTER_ROW_BYTES) + TRAILER_BYTES;
    if (HEADER_BYTES + recordsBytes + footerBytes === sizeBytes)
      return { ...(await this.takeWhole(pack)), rows: sorted };
    const path = await this.#pathOf(`${pack}-${randomBytes(4).toString("hex")}.pack`);
    await using file = await AppendFile.create(path);
    let at = 0;
    const moved: RemoteRow[] = [];
    for (const run of runsOf(sorted)) {
      const from = run[0]?.offset ?? 0;
      const last = run.at(-1);
      const to = last === undefined ? from : last.offset + RECORD_HEADER_BYTES + last.storedBytes;
      await this.#fill(file, pack, { from, to, at });
      for (const row of run) moved.push({ ...row, offset: row.offset - from + at });
      at += to - from;
    }
    return { pack, path, isWhole: false, rows: moved };
  }

  /** Every byte of a pack, durable. */
  async takeWhole(pack: Digest): Promise<Omit<Arrived, "rows">> {
    const sizeBytes = await this.#remote.packBytes(pack, this.#call);
    const path = await this.#pathOf(`${pack}.pack`);
    if ((await this.#remote.movePack?.(pack, path, this.#call)) === true) {
      this.#count(sizeBytes);
      return { pack, path, isWhole: true };
    }
    await using file = await AppendFile.create(path);
    await this.#fill(file, pack, { from: 0, to: sizeBytes, at: 0 });
    await file.sync();
    return { pack, path, isWhole: true };
  }

  async #pathOf(name: string): Promise<string> {
    this.#made ??= createFolder(this.#folder);
    await this.#made;
    return join(this.#folder, name);
  }

  async #fill(
    file: AppendFile,
    pack: Digest,
    { from, to, at }: { from: number; to: number; at: number },
  ): Promise<void> {
    let done = 0;
    for await (const bytes of inBlocks(this.#remote.readPack(pack, { from, to }, this.#call))) {
      throwIfCanceled(this.#call);
      if (done + bytes.length > to - from)
        throw new SmcError("REMOTE_FAILED", `${this.#remote.url}: more bytes of pack ${pack} than asked for`);
      await file.write(bytes, at + done);
      done += bytes.length;
      this.#count(bytes.length);
    }
    if (done < to - from)
      throw new SmcError("REMOTE_FAILED", `${this.#remote.url}: pack ${pack} ends too early`);
  }

  #count(bytes: number): void {
    this.receivedBytes += bytes;
    const { receivedBytes } = this;
    const total = Math.max(this.#totalBytes, receivedBytes);
    this.#call.onProgress({ phase: "receive", done: receivedBytes, total, unit: "bytes" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What led here is what is told, not that the disk does not let us clean up either; opening the store does.
    if (this.#made !== undefined) await removeTree(this.#folder).catch(() => undefined);
  }
}

/** Rows that are fetched with one request, in the order of the file. */
function runsOf(sorted: readonly RemoteRow[]): RemoteRow[][] {
  const runs: RemoteRow[][] = [];
  let end = 0;
  for (const row of sorted) {
    const run = runs.at(-1);
    if (run === undefined || row.offset - end > GAP_BYTES_MAX) runs.push([row]);
    else run.push(row);
    end = row.offset + recordBytes(row.storedBytes);
  }
  return runs;
}
