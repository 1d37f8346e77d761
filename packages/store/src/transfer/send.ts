/**
 * Brings records to a remote in packs: a pack that it lacks whole goes as it is, of others the records are put together
 * anew.
 */
import { readPack } from "../check/packs.ts";
import { type Call, throwIfCanceled } from "../call.ts";
import { isDamage, SmcError } from "../errors.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import { PACK_BYTES_TARGET, PACK_RECORDS_MAX, recordBytes, type RecordRow } from "../pack/format.ts";
import type { NeededRecord } from "./needed.ts";
import type { PackFile, Remote } from "./remote.ts";

export interface SendOptions {
  /** Packs at a time. */
  readonly jobs: number;
}

export interface Sent {
  readonly packs: number;
  readonly bytes: number;
}

/** Records of several packs that make a new one. */
interface Group {
  readonly parts: ReadonlyMap<Digest, readonly RecordRow[]>;
  readonly storedBytes: number;
}

type Shipment = { readonly whole: Digest; readonly storedBytes: number } | Group;

/**
 * Every record is verified: before it leaves, or by the remote before a ref needs it. The caller is among the readers
 * since it looked the records up. Throws what the remote throws, OBJECT_CORRUPT for damage here.
 */
export async function send(
  store: OwnedStore,
  remote: Remote,
  { records, jobs }: SendOptions & { records: readonly NeededRecord[] },
  call: Call,
): Promise<Sent> {
  const shipments = plan(store, records);
  const blobs = new Map(records.flatMap(({ digest, blob }) => (blob === undefined ? [] : [[digest, blob]])));
  const total = shipments.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const sent = { packs: 0, bytes: 0 };
  let done = 0;
  await inLanes(shipments, jobs, async (shipment) => {
    throwIfCanceled(call);
    let gone = 0;
    const onSent = (bytes: number): void => {
      const now = Math.min(bytes, shipment.storedBytes);
      done += now - gone;
      gone = now;
      call.onProgress({ phase: "send", done, total, unit: "bytes" });
    };
    for (const bytes of await sendOne({ store, remote, blobs, onSent }, shipment, call)) {
      sent.packs += 1;
      sent.bytes += bytes;
    }
    onSent(shipment.storedBytes);
  });
  return sent;
}

/** What describes the data goes together, so that whoever fetches has it with one look. */
function plan(store: OwnedStore, records: readonly NeededRecord[]): Shipment[] {
  const packs = new Map(store.index.packs().map((pack) => [pack.no, pack]));
  const byPack = new Map<number, NeededRecord[]>();
  for (const record of records) {
    const known = byPack.get(record.place.pack);
    if (known === undefined) byPack.set(record.place.pack, [record]);
    else known.push(record);
  }
  const shipments: Shipment[] = [];
  const rest: NeededRecord[] = [];
  for (const [no, part] of byPack) {
    const pack = packs.get(no);
    const isWhole =
      pack !== undefined && pack.count === part.length && pack.sizeBytes >= PACK_BYTES_TARGET / 4;
    if (isWhole) shipments.push({ whole: pack.name, storedBytes: pack.sizeBytes });
    else rest.push(...part);
  }
  const nameOf = (no: number): Digest => store.index.packName(no);
  const isChunk = ({ place }: NeededRecord): boolean => place.kind === "chunk";
  shipments.push(
    ...groups(
      rest.filter((record) => !isChunk(record)),
      nameOf,
    ),
    ...groups(rest.filter(isChunk), nameOf),
  );
  return shipments;
}

function groups(records: readonly NeededRecord[], nameOf: (no: number) => Digest): Group[] {
  const sorted = [...records].sort((a, b) => a.place.pack - b.place.pack || a.place.offset - b.place.offset);
  const made: Group[] = [];
  let parts = new Map<Digest, RecordRow[]>();
  let storedBytes = 0;
  let count = 0;
  const end = (): void => {
    if (count > 0) made.push({ parts, storedBytes });
    parts = new Map();
    storedBytes = 0;
    count = 0;
  };
  for (const { digest, place } of sorted) {
    const name = nameOf(place.pack);
    const rows = parts.get(name) ?? [];
    parts.set(name, rows);
    rows.push({ ...place, digest, flags: 0, headerCrc: 0 });
    storedBytes += recordBytes(place.storedBytes);
    count += 1;
    if (storedBytes >= PACK_BYTES_TARGET || count >= PACK_RECORDS_MAX) end();
  }
  end();
  return made;
}

interface Context {
  readonly store: OwnedStore;
  readonly remote: Remote;
  /** Chunklist → blob. */
  readonly blobs: ReadonlyMap<Digest, Digest>;
  /** Hears how many bytes of the shipment have gone. */
  readonly onSent: (bytes: number) => void;
}

/** Sizes of the packs that were put. */
async function sendOne(context: Context, shipment: Shipment, call: Call): Promise<number[]> {
  const { store, remote, blobs, onSent } = context;
  const named = (rows: readonly RecordRow[], pack: Digest): PackFile["rows"] =>
    rows.map((row) => {
      const blob = blobs.get(row.digest);
      return { ...row, pack, ...(blob === undefined ? {} : { blob }) };
    });
  if ("whole" in shipment) {
    const name = shipment.whole;
    if (!remote.verifiesPacks) await assertWhole(store, [name], call);
    const put = async (): Promise<number> => {
      const path = packPath(store.path, name);
      const { rows, sizeBytes } = await store.pool.run("contents", { pack: path }, { signal: call.signal });
      await remote.putPack({ path, name, sizeBytes, rows: named(rows, name), onSent }, call);
      return sizeBytes;
    };
    return [await blamingOurs(store, [name], put, call)];
  }
  await using session = store.writePacks("push");
  for (const [pack, rows] of shipment.parts) await session.copy(pack, rows, call);
  const made: number[] = [];
  for (const { path, name, sizeBytes, rows } of await session.handOver()) {
    const before = made.reduce((sum, bytes) => sum + bytes, 0);
    const part = { path, name, sizeBytes, rows: named(rows, name) };
    await remote.putPack({ ...part, onSent: (bytes) => onSent(before + bytes) }, call);
    made.push(sizeBytes);
  }
  return made;
}

/**
 * Damage that a remote finds in what we send, now or when it moves refs, may be ours. Then OBJECT_CORRUPT names the
 * pack here.
 */
export async function blamingOurs<T>(
  store: OwnedStore,
  packs: Iterable<Digest>,
  work: () => Promise<T>,
  call: Call,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isDamage(error)) await assertWhole(store, packs, call);
    throw error;
  }
}

/** Throws OBJECT_CORRUPT for the first damaged record of these packs. */
async function assertWhole(store: OwnedStore, packs: Iterable<Digest>, call: Call): Promise<void> {
  for (const pack of packs) {
    const { faults } = await readPack(store, pack, { call });
    const [fault] = faults;
    if (fault === undefined) continue;
    const message = `pack ${pack} of this store is damaged ${fault.message}; no ref was moved`;
    throw new SmcError("OBJECT_CORRUPT", message, {
      hint: 'see "smc fsck --full" and "smc fsck --repair"',
    });
  }
}
