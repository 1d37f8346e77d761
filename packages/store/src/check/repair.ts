/**
 * Stores damaged and missing records again, from wherever a whole copy is, and sets packs aside that cannot say any
 * more what they hold. Nothing is removed. New packs are durable, read back and indexed before anything else changes,
 * so a kill at any moment loses nothing.
 */
import { dirname, join } from "node:path";
import { type Call, throwIfCanceled } from "../call.ts";
import { createFolder, renamePath, syncFolder } from "../fs.ts";
import { isSmcError } from "../errors.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import type { RecordRow } from "../pack/format.ts";
import { writeTree } from "../trees/tree-write.ts";
import { isStoreFormatWhole, type StoreReport } from "./check-store.ts";
import { type ChunkSource, damagedFolder, readRow, scanned } from "./sources.ts";
import { knownStages } from "./stages.ts";

/** Readers of a pack get so long to leave it before it is set aside; else it stays until the next time. */
const READERS_MS_MAX = 60_000;

export interface Repaired {
  /** The record that is whole again, or null for a file of the store and for all of a pack. */
  readonly digest: Digest | null;
  /** Where its bytes were taken from. */
  readonly from: string;
}

export interface RepairReport {
  readonly repaired: readonly Repaired[];
  /** Packs that were moved to `damaged/`: everything in them that can be read is elsewhere now. */
  readonly setAside: readonly Digest[];
}

/** `sources` are asked in order. Throws READ_ONLY, DISK_FULL, CANCELED; what is done by then stays done. */
export function repair(
  store: OwnedStore,
  { report, sources }: { report: StoreReport; sources: readonly ChunkSource[] },
  call: Call,
): Promise<RepairReport> {
  return store.alone(async () => {
    const repair = new Repair(store, report, call);
    await repair.format();
    await repair.packs();
    await repair.records(sources);
    await repair.trees();
    await repair.files();
    return { repaired: repair.repaired, setAside: await repair.setAside() };
  });
}

class Repair {
  readonly repaired: Repaired[] = [];
  readonly #store: OwnedStore;
  readonly #report: StoreReport;
  readonly #call: Call;
  /** Records that are still damaged or missing, and the objects they are a part of. */
  readonly #wanted: Set<Digest>;
  readonly #blobs: ReadonlySet<Digest>;

  constructor(store: OwnedStore, report: StoreReport, call: Call) {
    this.#store = store;
    this.#report = report;
    this.#call = call;
    this.#wanted = new Set(report.damaged.records());
    this.#blobs = new Set([...this.#wanted, ...report.damaged.objects().map(({ digest }) => digest)]);
  }

  async format(): Promise<void> {
    if (await isStoreFormatWhole(this.#store)) return;
    await this.#store.restoreFormat();
    this.repaired.push({ digest: null, from: "format.json: what was read when the store was opened" });
  }

  /** Packs whose own header, footer or name is damaged: what can be read of them is written into new packs. */
  async packs(): Promise<void> {
    const left = new Map<Digest, readonly RecordRow[]>();
    for (const name of this.#brokenPacks()) {
      const path = packPath(this.#store.path, name);
      const indexed = this.#store.index.packs().find((pack) => pack.name === name);
      left.set(name, indexed === undefined ? await this.#unknownRows(path) : await this.#rowsOf(indexed.no));
    }
    // A difference can be read when what it is a difference to can, and that may be in another of these packs.
    for (let isBetter = true; isBetter;) {
      isBetter = false;
      for (const [name, rows] of left) {
        const rest = await this.#copy(name, rows);
        isBetter ||= rest.length < rows.length;
        left.set(name, rest);
      }
    }
  }

  #brokenPacks(): Set<Digest> {
    const broken = this.#report.packFaults.filter(({ digest }) => digest === undefined);
    return new Set(broken.map(({ pack }) => pack));
  }

  /** Records of a pack that the index does not know; those that it has elsewhere are not needed. */
  async #unknownRows(path: string): Promise<RecordRow[]> {
    const rows = await scanned(this.#store, path, this.#call);
    const places = await this.#store.index.findMany(rows.map(({ digest }) => digest));
    return rows.filter(({ digest }, index) => places[index] === undefined || this.#wanted.has(digest));
  }

  async #rowsOf(no: number): Promise<RecordRow[]> {
    const rows = await this.#store.index.rowsOf(new Set([no]), this.#call);
    return rows
      .filter(({ isCopy }) => !isCopy)
      .map(({ digest, place }) => ({ ...place, digest, flags: 0, headerCrc: 0 }));
  }

  /** The rows that cannot be read. */
  async #copy(pack: Digest, rows: readonly RecordRow[]): Promise<RecordRow[]> {
    const path = packPath(this.#store.path, pack);
    const whole: RecordRow[] = [];
    const rest: RecordRow[] = [];
    for (const row of rows) {
      throwIfCanceled(this.#call);
      const raw = await readRow(this.#store, { path, row }, this.#call);
      (raw === undefined ? rest : whole).push(row);
    }
    if (whole.length === 0) return rest;
    await using session = this.#store.writePacks("repair");
    await session.copy(pack, whole, this.#call);
    await session.finish({ replace: true });
    for (const { digest } of whole) this.#wanted.delete(digest);
    this.repaired.push({ digest: null, from: `${whole.length} records of the damaged pack ${pack}` });
    return rest;
  }

  /** Once more for each step of a chain: a difference can be read when what it is a difference to can. */
  async records(sources: readonly ChunkSource[]): Promise<void> {
    for (let before = -1; before !== this.#wanted.size && this.#wanted.size > 0;) {
      before = this.#wanted.size;
      for (const source of sources) await this.#takeFrom(source);
    }
  }

  async #takeFrom(source: ChunkSource): Promise<void> {
    await using session = this.#store.writePacks("repair", new Set(this.#wanted));
    const wanted = { records: this.#wanted, blobs: this.#blobs };
    const found: Repaired[] = [];
    for await (const { digest, kind, raw, from, isNeeded, instead } of source.find(wanted, this.#call)) {
      throwIfCanceled(this.#call);
      if (hashBytes(raw) !== digest || !(this.#wanted.delete(digest) || isNeeded === true)) continue;
      if (instead !== undefined) this.#wanted.delete(instead);
      await session.putRecord(kind, raw);
      found.push({ digest, from });
    }
    await session.finish({ replace: true });
    this.repaired.push(...found);
  }

  /** Folders that a stage still describes file by file. */
  async trees(): Promise<void> {
    if (this.#wanted.size === 0) return;
    await using session = this.#store.writePacks("repair", new Set(this.#wanted));
    const found: Repaired[] = [];
    for await (const { root, stage } of knownStages(this.#store, () => undefined)) {
      const putObject = async (kind: "tree" | "commit" | "tag", bytes: Uint8Array): Promise<Digest> => {
        const digest = hashBytes(bytes);
        if (!this.#wanted.delete(digest)) return digest;
        found.push({ digest, from: `the stage of '${root}'` });
        return session.putRecord(kind, bytes);
      };
      await writeTree({ putObject }, stage.entries, this.#call);
    }
    await session.finish({ replace: true });
    this.repaired.push(...found);
  }

  /** Files of worktrees that are whole, for blobs whose list of chunks is lost: they are cut anew. */
  async files(): Promise<void> {
    if (this.#wanted.size === 0) return;
    for await (const { root, stage } of knownStages(this.#store, () => undefined)) {
      for (const [path, { digest, mode }] of stage.entries) {
        if (!this.#blobs.has(digest) || mode === "120000" || (await this.#isWhole(digest))) continue;
        await this.#addAgain(join(root, path), digest);
      }
    }
  }

  /** True when nothing of the blob is damaged any more. */
  async #isWhole(blob: Digest): Promise<boolean> {
    const list = await this.#store.index.findChunklist(blob);
    const parts = this.#report.damaged.objects().find(({ digest }) => digest === blob)?.records ?? [];
    const records = list === undefined ? parts : parts.filter((digest) => digest !== blob);
    return (list !== undefined || parts.length > 0) && !records.some((digest) => this.#wanted.has(digest));
  }

  async #addAgain(path: string, blob: Digest): Promise<void> {
    try {
      const [file] = await this.#store.objects.hashFiles([path], this.#call);
      if (file?.digest !== blob) return;
      await using session = this.#store.writePacks("repair", new Set(this.#wanted));
      const [added] = await session.addFiles([{ path }], this.#call);
      if (added?.digest !== blob) return;
      await session.finish({ replace: true });
      this.repaired.push({ digest: blob, from: `the file '${path}'` });
    } catch (error) {
      // A file that is gone or cannot be read is no copy.
      if (!isSmcError(error) || !NO_COPY.has(error.code)) throw error;
    }
  }

  /** Packs that the index reads nothing from any more go to `damaged/`. */
  async setAside(): Promise<Digest[]> {
    const moved: Digest[] = [];
    const broken = [...this.#brokenPacks()];
    if (broken.length === 0) return moved;
    if (!(await this.#store.objects.readers.drain(this.#call.signal, READERS_MS_MAX))) return moved;
    for (const name of broken) {
      const indexed = this.#store.index.packs().find((pack) => pack.name === name);
      if (indexed !== undefined) {
        const rows = await this.#store.index.rowsOf(new Set([indexed.no]), this.#call);
        if (rows.some(({ isCopy }) => !isCopy)) continue;
        const records = rows.map(({ digest, place }) => ({ ...place, digest, flags: 0, headerCrc: 0 }));
        await this.#store.index.removePack(indexed.no, records);
      }
      await this.#moveAside(name);
      moved.push(name);
    }
    this.#store.recovery = {
      ...this.#store.recovery,
      damaged: this.#store.recovery.damaged.filter(({ name }) => !moved.includes(name)),
    };
    return moved;
  }

  async #moveAside(name: Digest): Promise<void> {
    const folder = damagedFolder(this.#store);
    await createFolder(folder);
    const path = packPath(this.#store.path, name);
    try {
      await renamePath(path, join(folder, `${name}.pack`));
      await syncFolder(folder);
      await syncFolder(dirname(path));
    } catch (error) {
      // A pack that is gone has nothing to be moved.
      if (!isSmcError(error, "PATH_NOT_FOUND")) throw error;
    }
    await syncFolder(this.#store.path);
  }
}

const NO_COPY: ReadonlySet<string> = new Set([
  "PATH_NOT_FOUND",
  "PERMISSION_DENIED",
  "FILE_CHANGED",
  "FILE_UNSUPPORTED",
  "UNSAFE_PATH",
]);
