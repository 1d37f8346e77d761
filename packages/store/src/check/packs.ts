/** Reads packs and says which of their bytes are not as they were written. */
import { stat } from "node:fs/promises";
import type { Call } from "../call.ts";
import type { IndexedPack } from "../db/object-index.ts";
import { fromErrno, isDamage, isSmcError, type SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { DigestSet } from "../objects/digest-set.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import type { RecordRow } from "../pack/format.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import { damagedRecord } from "../pack/reader.ts";
import type { Piece } from "../pool/tasks.ts";
import type { Damaged } from "./damaged.ts";
import { piecesOf, type Proven, proveBlobs } from "./prove-blobs.ts";

export interface PackFault {
  readonly pack: Digest;
  /** Undefined for the pack's own header, footer or name: what it holds must be written anew. */
  readonly digest: Digest | undefined;
  readonly message: string;
}

export interface PackReport {
  readonly faults: readonly PackFault[];
  /** Damaged bytes that nothing is read from. */
  readonly notes: readonly string[];
  readonly bytes: number;
  /** Blobs of several chunks that are whole; of the others nothing is said. */
  readonly wholeBlobs: DigestSet;
}

/** Sizes and presence only: packs that the index names and that are not as long as they were. Marks what is gone. */
export async function comparePacks(
  store: OwnedStore,
  names: readonly Digest[],
  { damaged, call }: { damaged: Damaged; call: Call },
): Promise<PackFault[]> {
  const faults: PackFault[] = store.recovery.damaged.map(({ name, message }) => ({
    pack: name,
    digest: undefined,
    message,
  }));
  const onDisk = new Set(names);
  const gone = new Map<number, Digest>();
  for (const { no, name, sizeBytes } of store.index.packs()) {
    const found = onDisk.has(name) ? await packBytes(packPath(store.path, name)) : undefined;
    if (found === sizeBytes) continue;
    const message = found === undefined ? "the pack is gone" : `${found} bytes instead of ${sizeBytes}`;
    faults.push({ pack: name, digest: undefined, message });
    if (found === undefined) gone.set(no, name);
  }
  const lost = gone.size === 0 ? [] : await store.index.rowsOf(new Set(gone.keys()), call);
  for (const { digest, place, isCopy } of lost) {
    if (!isCopy) damaged.mark(digest, `pack ${gone.get(place.pack) ?? ""}, which holds it, is gone`);
  }
  return faults;
}

async function packBytes(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    const known = fromErrno(error, `cannot read '${path}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}

/** One is read while the daemon looks up what the next one needs. */
const PACKS_PER_WORKER = 2;

/** Reads every byte of these packs with all workers. */
export async function readPacks(
  store: OwnedStore,
  names: readonly Digest[],
  call: Call,
): Promise<PackReport> {
  const sizes = await Promise.all(names.map((name) => packBytes(packPath(store.path, name))));
  const total = sizes.reduce((sum: number, size) => sum + (size ?? 0), 0);
  const report = { faults: [] as PackFault[], notes: [] as string[], bytes: 0 };
  const onBytes = (bytes: number): void => {
    report.bytes += bytes;
    call.onProgress({ phase: "check", done: report.bytes, total, unit: "bytes" });
  };
  const proven = await proveBlobs(store, { call, onBytes });
  const waiting = [...names];
  const lanes = Array.from({ length: store.pool.size * PACKS_PER_WORKER }, async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const { records } = proven;
      const { faults, notes } = await readPack(store, name, { call, onBytes, records }).catch(
        (error: unknown) => {
          // The others begin nothing more for a check that has failed.
          waiting.length = 0;
          throw error;
        },
      );
      report.faults.push(...faults);
      report.notes.push(...notes);
    }
  });
  await Promise.all(lanes);
  return { ...report, wholeBlobs: proven.blobs };
}

interface ReadPackOptions {
  readonly call: Call;
  readonly onBytes?: (bytes: number) => void;
  readonly records?: Proven["records"];
}

/** Reads every byte of one pack but what is proven already. */
export async function readPack(
  store: OwnedStore,
  name: Digest,
  { call, onBytes, records }: ReadPackOptions,
): Promise<{ faults: PackFault[]; notes: string[] }> {
  const path = packPath(store.path, name);
  const task = { signal: call.signal, ...(onBytes === undefined ? {} : { onProgress: onBytes }) };
  const parents = await parentsIn(store, path, call);
  const whole = records?.get(path);
  const problems = await store.pool.run(
    "verifyPack",
    { pack: path, parents, ...(whole === undefined ? {} : { whole }) },
    task,
  );
  const indexed = store.index.packs().find((pack) => pack.name === name);
  const faults: PackFault[] = [];
  const notes: string[] = [];
  for (const { digest, offset, message } of problems) {
    const text = `at offset ${offset}: ${message}`;
    if (digest === undefined || (await isReadFrom(store, digest, indexed))) {
      faults.push({ pack: name, digest, message: text });
    } else {
      notes.push(`a copy of ${digest} in pack ${name} is damaged ${text}; nothing is read from there`);
    }
  }
  const cannotTell = problems.length > 0 && problems.every(({ digest }) => digest === undefined);
  if (cannotTell && indexed !== undefined) faults.push(...(await readThroughIndex(store, indexed, call)));
  return { faults, notes };
}

/** False when the record is read from another pack. */
async function isReadFrom(
  store: OwnedStore,
  digest: Digest,
  pack: IndexedPack | undefined,
): Promise<boolean> {
  const place = await store.index.find(digest);
  return place === undefined || place.pack === pack?.no;
}

/** Records of a pack whose footer is damaged: the index knows where each one is. */
async function readThroughIndex(store: OwnedStore, pack: IndexedPack, call: Call): Promise<PackFault[]> {
  const faults: PackFault[] = [];
  for (const { digest, isCopy } of await store.index.rowsOf(new Set([pack.no]), call)) {
    if (isCopy) continue;
    try {
      await store.objects.verify([digest], call);
    } catch (error) {
      if (!isDamage(error)) throw error;
      faults.push({ pack: pack.name, digest, message: error.message });
    }
  }
  return faults;
}

/** Where the parents of a pack's differences are; none when the pack cannot say what it holds. */
async function parentsIn(
  store: OwnedStore,
  pack: string,
  call: Call,
): Promise<ReadonlyMap<Digest, readonly ChunkPlace[]>> {
  const rows = await unlessDamaged(store.pool.run("differences", { pack }, { signal: call.signal }));
  return rows === undefined ? new Map() : store.objects.parentsOf(rows);
}

/** What a pack says that it holds; undefined when it cannot. */
export async function rowsIn(
  store: OwnedStore,
  pack: string,
  call: Call,
): Promise<readonly RecordRow[] | undefined> {
  return (await unlessDamaged(store.pool.run("contents", { pack }, { signal: call.signal })))?.rows;
}

async function unlessDamaged<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** The chunks of a blob must give the blob's own digest: nothing else checks the list as a whole. */
export async function readBlobs(
  store: OwnedStore,
  { damaged, whole }: { damaged: Damaged; whole: DigestSet },
  call: Call,
): Promise<void> {
  for await (const { blob: digest } of store.index.chunkedBlobs()) {
    if (whole.has(digest)) continue;
    const pieces = await piecesOf(store, digest);
    if (pieces === undefined || pieces.some(({ span }) => damaged.whyOf(span.digest) !== undefined)) continue;
    const found = await hashOf(store, pieces, call);
    if (found === digest) continue;
    const list = await store.index.findChunklist(digest);
    const records = list === undefined ? [digest] : [list.digest];
    const told = isSmcError(found)
      ? { message: found.message, records: [damagedRecord(found)?.digest ?? digest] }
      : { message: `its chunks give ${found}`, records };
    damaged.report(digest, { ...told, needer: () => "the store" });
  }
}

/** Or why there is none: a chunk that could be read before cannot be read any more. */
async function hashOf(store: OwnedStore, pieces: readonly Piece[], call: Call): Promise<Digest | SmcError> {
  try {
    return await store.pool.run("hashPieces", { pieces }, { signal: call.signal });
  } catch (error) {
    if (isDamage(error)) return error;
    throw error;
  }
}
