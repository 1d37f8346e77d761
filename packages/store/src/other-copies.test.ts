/** A store that has a chunk twice gives its bytes as long as one of the two is whole, whoever asks. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Digest, hashBytes } from "./objects/digest.ts";
import { openStore, type OwnedStore } from "./open-store.ts";
import { encodeTree } from "./objects/objects.ts";
import { packPath } from "./pack/folder.ts";
import { RECORD_HEADER_BYTES } from "./pack/format.ts";
import type { ChunkPlace } from "./pack/open-packs.ts";
import type { DamagedRecord } from "./pack/reader.ts";
import { flip } from "./testing/damage.ts";
import { withFolder } from "./testing/folder.ts";
import { model, nudge, safetensors } from "./testing/models.ts";
import { QUIET } from "./testing/testing.ts";
import { openBench } from "./testing/worktree.ts";
import { cat } from "./verbs/cat.ts";
import { checkout } from "./verbs/checkout.ts";
import { doctor } from "./verbs/doctor.ts";
import { fsck } from "./verbs/fsck.ts";
import { show } from "./verbs/show.ts";

const SLOW = { timeout: 120_000 };
const NAME = "model.safetensors";
const SIZES = { "layer.weight": 3_000_000, "head.weight": 100_000, "norm.weight": 500 };
const EVERY_WAY = ["stream", "export", "tensors", "hash"] as const;
type Way = (typeof EVERY_WAY)[number];

interface Stored {
  readonly store: OwnedStore;
  readonly folder: string;
  readonly digest: Digest;
}

async function put(
  store: OwnedStore,
  folder: string,
  { bytes, parent, again }: { bytes: Buffer; parent?: Digest; again?: ReadonlySet<Digest> },
): Promise<Digest> {
  const path = join(folder, NAME);
  writeFileSync(path, bytes);
  await using session = store.writePacks("test", again);
  const parents = parent === undefined ? [] : [{ digest: parent, fileName: NAME }];
  const [file] = await session.addFiles([{ path, sizeBytes: bytes.length, parents }], QUIET);
  await session.finish();
  rmSync(path);
  return file?.digest ?? ("" as Digest);
}

async function chunksOf(store: OwnedStore, digest: Digest): Promise<readonly ChunkPlace[]> {
  return (await store.objects.blob(digest)).pieces;
}

/** Two versions of a model, the second as differences to the first, and all chunks of the first (or of both) twice. */
async function withModel(
  { twice }: { twice: "first" | "both" },
  run: (stored: Stored) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    await using store = await openStore(join(folder, "store"), { create: true });
    const weights = model(SIZES, 1);
    const first = safetensors(weights);
    const second = safetensors(nudge(weights, 0));
    const parent = await put(store, folder, { bytes: first });
    const digest = await put(store, folder, { bytes: second, parent });
    const chunks = await chunksOf(store, digest);
    expect(chunks.some(({ parents }) => parents !== undefined)).toBe(true);
    for (const bytes of twice === "first" ? [first] : [first, second]) {
      const again = await recordsOf(store, hashBytes(bytes));
      await put(store, folder, { bytes, again });
    }
    await run({ store, folder, digest });
  });
}

/** The chunks of a blob, and its list of them. */
async function recordsOf(store: OwnedStore, blob: Digest): Promise<Set<Digest>> {
  const list = await store.index.findChunklist(blob);
  const chunks = (await chunksOf(store, blob)).map(({ span }) => span.digest);
  return new Set(list === undefined ? chunks : [...chunks, list.digest]);
}

function damage({ pack, span }: ChunkPlace): void {
  flip(pack, span.offset + RECORD_HEADER_BYTES + Math.floor(span.storedBytes / 2));
}

/** Every place of a record, the one that is read first. */
async function copiesOf(store: OwnedStore, digest: Digest): Promise<ChunkPlace[]> {
  const found = [await store.index.find(digest), ...(await store.index.findCopies(digest))];
  return found.flatMap((place) =>
    place === undefined
      ? []
      : [{ pack: packPath(store.path, store.index.packName(place.pack)), span: { digest, ...place } }],
  );
}

/** SHA-256 of what came, or the names of the tensors. */
async function readBy(way: Way, { store, folder, digest }: Stored): Promise<string | undefined> {
  switch (way) {
    case "stream": {
      const hash = createHash("sha256");
      for await (const part of store.objects.readBlob(digest, QUIET)) hash.update(part);
      return hash.digest("hex");
    }
    case "export": {
      const path = join(folder, `out-${randomUUID()}`);
      await store.objects.exportFiles([{ digest, path, executable: false }], QUIET);
      return hashBytes(await readFile(path));
    }
    case "tensors": {
      const table = await store.objects.tensors(digest, NAME, QUIET);
      return table?.tensors.map(({ name }) => name).join();
    }
    case "hash": {
      const { pieces } = await store.objects.blob(digest);
      return store.pool.run("hashPieces", { pieces }, { signal: QUIET.signal });
    }
  }
}

function expected(way: Way, digest: Digest): string {
  return way === "tensors" ? Object.keys(SIZES).join() : digest;
}

async function everyWayIsRight(stored: Stored): Promise<void> {
  for (const way of EVERY_WAY) expect(await readBy(way, stored), way).toBe(expected(way, stored.digest));
}

test("a chunk whose first copy is damaged is read from its second, whoever reads", SLOW, async () => {
  await withModel({ twice: "both" }, async (stored) => {
    for (const chunk of await chunksOf(stored.store, stored.digest)) damage(chunk);
    await everyWayIsRight(stored);
  });
});

test("a difference is read through the second copy of a parent whose first is damaged", SLOW, async () => {
  await withModel({ twice: "first" }, async (stored) => {
    const chunks = await chunksOf(stored.store, stored.digest);
    const parents = new Map(
      chunks.flatMap((chunk) => chunk.parents ?? []).map((each) => [each.span.digest, each]),
    );
    expect(parents.size).toBeGreaterThan(0);
    for (const parent of parents.values()) damage(parent);
    await everyWayIsRight(stored);
  });
});

test("verbs give the right bytes, and status, doctor and fsck tell of the damage", SLOW, async () => {
  await withFolder(async (folder) => {
    const told: DamagedRecord[] = [];
    const onDamage = (record: DamagedRecord): void => void told.push(record);
    await using store = await openStore(join(folder, "store"), { create: true, onDamage });
    const bench = await openBench(store, join(folder, "model"));
    const weights = model(SIZES, 1);
    const versions = [safetensors(weights), safetensors(nudge(weights, 0))];
    for (const bytes of versions) await bench.commit({ [NAME]: bytes });
    for (const bytes of versions) {
      const again = await recordsOf(store, hashBytes(bytes));
      await put(store, folder, { bytes, again });
    }
    const { digest } = await cat(bench.repository, { revision: `HEAD:${NAME}` }, QUIET);
    for (const chunk of await chunksOf(store, digest)) damage(chunk);
    rmSync(join(bench.root, NAME));
    const listed = await show(bench.repository, { revision: `HEAD:${NAME}`, tensors: true }, QUIET);
    expect(JSON.stringify(listed.tensors)).toContain("layer.weight");
    await checkout(bench.repository, { revision: "HEAD", paths: [NAME] }, QUIET);
    expect(hashBytes(await readFile(join(bench.root, NAME)))).toBe(digest);
    // The worktree is a copy too: what repair takes from must be the pack.
    rmSync(join(bench.root, NAME));
    const packs = new Set(told.map(({ pack }) => pack));
    expect(packs.size).toBeGreaterThan(0);
    expect(told).toHaveLength(packs.size);
    expect((await bench.status()).damage).toMatchObject({ packs: packs.size });
    const { checks } = await doctor(store, {}, QUIET);
    expect(checks.find(({ check }) => check === "scrub")).toMatchObject({ state: "fail" });
    const { ok, problems } = await fsck(store, { full: true }, QUIET);
    expect(ok).toBe(false);
    expect(problems.map((problem) => problem.digest)).toContain(told[0]?.digest);
    expect((await fsck(store, { repair: true }, QUIET)).ok).toBe(true);
    expect((await bench.status()).damage).toBeNull();
  });
});

test("a pack that is gone is read around, and a large file is whole after it", SLOW, async () => {
  await withFolder(async (folder) => {
    await using store = await openStore(join(folder, "store"), { create: true });
    // More than one part of an export, so that several workers meet the damage.
    const bytes = randomBytes(40 * 1024 * 1024);
    const digest = await put(store, folder, { bytes });
    const chunks = await chunksOf(store, digest);
    await put(store, folder, { bytes, again: await recordsOf(store, digest) });
    for (const pack of new Set(chunks.map(({ pack }) => pack))) rmSync(pack);
    expect(await readBy("export", { store, folder, digest })).toBe(digest);
    expect(await readBy("stream", { store, folder, digest })).toBe(digest);
  });
});

test("an object of the daemon's own thread is read around damage as well", async () => {
  await withFolder(async (folder) => {
    await using store = await openStore(join(folder, "store"), { create: true });
    const raw = encodeTree([]);
    const tree = hashBytes(raw);
    for (let copy = 1; copy <= 3; copy += 1) {
      await using session = store.writePacks("test", new Set([tree]));
      await session.putObject("tree", raw);
      await session.finish();
    }
    const [first, second, third] = await copiesOf(store, tree);
    if (first === undefined || second === undefined || third === undefined)
      throw new Error("not three copies");
    rmSync(first.pack);
    damage(second);
    expect(Buffer.from(await store.objects.read(tree, "tree"))).toEqual(Buffer.from(raw));
    damage(third);
    await expect(store.objects.read(tree, "tree")).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
      exit: 4,
      details: { digest: tree },
    });
  });
});

test("without a whole copy the object is named, and nothing wrong leaves", SLOW, async () => {
  await withModel({ twice: "first" }, async (stored) => {
    const { store, digest } = stored;
    const chunks = await chunksOf(store, digest);
    const [parent] = chunks.flatMap(({ parents }) => parents ?? []);
    if (parent === undefined) throw new Error("no difference");
    for (const copy of await copiesOf(store, parent.span.digest)) damage(copy);
    for (const way of ["stream", "export", "hash"] as const) {
      await expect(readBy(way, stored), way).rejects.toMatchObject({
        code: "OBJECT_CORRUPT",
        details: { digest: parent.span.digest },
      });
    }
  });
});
