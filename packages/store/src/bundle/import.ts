/**
 * Brings the records of a bundle into the store. A list of chunks comes last, after they were seen to give its blob.
 */
import { type Call, createPacer } from "../call.ts";
import { Damaged } from "../check/damaged.ts";
import { Walk, walkSource } from "../check/walk.ts";
import { SmcError } from "../errors.ts";
import { readPruned } from "../history/pruned.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import { decodeChunklist } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import type { Piece } from "../pool/tasks.ts";
import { show } from "../show.ts";
import type { BundleBlock, ReadBundle } from "./check.ts";

/** Digests that are looked up at a time. */
const BATCH = 1024;
const TOLD_MAX = 10;
/** Of what is found after chunks were stored. */
const NO_REF = "no ref was moved";

export interface ImportedRecords {
  /** Records that the store did not have. */
  readonly objects: number;
  readonly bytes: number;
  /** New commits without their files. */
  readonly pruned: readonly Digest[];
}

/**
 * Durable when it returns, and whole below these tips. Throws REMOTE_INCOMPLETE for what the bundle builds on and the
 * store does not have, OBJECT_CORRUPT; what was stored by then stays until gc takes it away.
 */
export async function importRecords(
  store: OwnedStore,
  { read, tips }: { read: ReadBundle; tips: readonly Digest[] },
  call: Call,
): Promise<ImportedRecords> {
  await assertBase(store, read);
  const blocks = [...read.blocks];
  const rest = blocks.filter(([, { kind }]) => kind !== "chunklist");
  const lists = await missing(
    store,
    blocks.filter(([, { kind }]) => kind === "chunklist"),
  );
  const fresh = await missing(store, rest);
  const isNew = new Set(fresh.map(([digest]) => digest));
  await put(store, { read, blocks: fresh }, call);
  await verifyLists(store, { read, lists }, call);
  await put(store, { read, blocks: lists }, call);
  await assertWhole(store, { read, tips }, call);
  const bytes = [...fresh, ...lists].reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0);
  return {
    objects: fresh.length + lists.length,
    bytes,
    pruned: read.bundle.pruned.filter((digest) => isNew.has(digest)),
  };
}

type Row = readonly [Digest, BundleBlock];

async function assertBase(store: OwnedStore, { file, bundle }: ReadBundle): Promise<void> {
  const { since } = bundle;
  store.pins.add(since);
  const places = await store.index.findMany(since);
  const lost = since.filter((_, index) => places[index] === undefined);
  if (lost.length === 0) return;
  const named = lost.slice(0, TOLD_MAX).join(", ");
  throw new SmcError(
    "REMOTE_INCOMPLETE",
    `'${show(file.path)}' builds on ${named}, which this store does not have; nothing was imported`,
    { hint: "import the bundle that was made before it first", details: { missing: lost } },
  );
}

/** Those that the store does not have. */
async function missing(store: OwnedStore, rows: readonly Row[]): Promise<Row[]> {
  const found: Row[] = [];
  for (let from = 0; from < rows.length; from += BATCH) {
    const part = rows.slice(from, from + BATCH);
    const digests = part.map(([digest]) => digest);
    store.pins.add(digests);
    const places = await store.index.findMany(digests);
    // What is there as another kind is refused where it would be stored.
    found.push(...part.filter(([, { kind }], index) => places[index]?.kind !== kind));
  }
  return found;
}

async function put(
  store: OwnedStore,
  { read, blocks }: { read: ReadBundle; blocks: readonly Row[] },
  call: Call,
): Promise<void> {
  if (blocks.length === 0) return;
  const total = blocks.reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0);
  let done = 0;
  const pace = createPacer(call);
  await using session = store.writePacks("bundle");
  for (const [digest, block] of blocks) {
    await session.putRecord(block.kind, await read.file.read(block, digest));
    done += block.sizeBytes;
    call.onProgress({ phase: "import", done, total, unit: "bytes" });
    await pace();
  }
  await session.finish();
}

async function verifyLists(
  store: OwnedStore,
  { read, lists }: { read: ReadBundle; lists: readonly Row[] },
  call: Call,
): Promise<void> {
  let done = 0;
  await inLanes(lists, store.pool.size, async ([digest, block]) => {
    await verifyList(store, { read, raw: await read.file.read(block, digest) }, call);
    done += 1;
    call.onProgress({ phase: "verify", done, total: lists.length, unit: "files" });
  });
}

/** The chunks, as they are stored now, must give the blob: before its list is known to anybody. */
async function verifyList(
  store: OwnedStore,
  { read, raw }: { read: ReadBundle; raw: Uint8Array },
  call: Call,
): Promise<void> {
  const { blob, chunks } = decodeChunklist(raw);
  const digests = [...new Set(chunks.map(({ digest }) => digest))];
  store.pins.add(digests);
  using _ = store.objects.readers.enter();
  const places = await store.objects.placesOf(digests);
  const pieces: Piece[] = [];
  let at = 0;
  for (const { digest, sizeBytes } of chunks) {
    const place = places.get(digest);
    if (place === undefined) throw incomplete(read, `chunk ${digest}`, digest);
    if (place.span.rawBytes !== sizeBytes)
      throw read.file.damaged(`chunk ${digest} does not have ${sizeBytes} bytes`, NO_REF);
    pieces.push({ ...place, at });
    at += sizeBytes;
  }
  const found = await store.pool.run("hashPieces", { pieces }, { signal: call.signal });
  if (found !== blob) throw read.file.damaged(`the chunks of blob ${blob} give ${found}`, NO_REF);
}

/** Everything that the tips need is there: in part it may have been before. */
async function assertWhole(
  store: OwnedStore,
  { read, tips }: { read: ReadBundle; tips: readonly Digest[] },
  call: Call,
): Promise<void> {
  const known = await readPruned(store);
  const pruned = new Set([...known.map(({ digest }) => digest), ...read.bundle.pruned]);
  const damaged = new Damaged();
  const walk = new Walk(walkSource(store), { damaged, pruned, phase: "check" }, call);
  store.pins.add(tips);
  for (const digest of tips) await walk.visit({ digest, kind: "unknown", root: "bundle", path: "" });
  const [first] = damaged.objects();
  if (first !== undefined) throw incomplete(read, first.message, first.digest);
}

function incomplete({ file }: ReadBundle, what: string, digest: Digest): SmcError {
  const message = `'${show(file.path)}' needs what is neither in it nor in this store: ${what}; no ref was moved`;
  return new SmcError("REMOTE_INCOMPLETE", message, {
    hint: "make the bundle anew, from a store that is whole",
    details: { missing: [digest] },
  });
}
