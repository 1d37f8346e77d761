import { randomFillSync } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { encodeChunklist } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import { verifyPackSync } from "../pack/reader.ts";
import { flip } from "../testing/damage.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { openBench } from "../testing/worktree.ts";
import { fsck } from "../verbs/fsck.ts";
import { proveBlobs, type Proven } from "./prove-blobs.ts";

const SIZE_BYTES = 20 * 1024 * 1024 + 12_345;
const ALL = { onBytes: () => undefined, parentOf: () => undefined };

async function commitRandom(store: OwnedStore, folder: string, names: readonly string[]): Promise<Buffer[]> {
  const bench = await openBench(store, join(folder, "model"));
  const files = names.map((name) => [name, randomFillSync(Buffer.alloc(SIZE_BYTES))] as const);
  await bench.commit(Object.fromEntries(files));
  return files.map(([, bytes]) => bytes);
}

function prove(store: OwnedStore): Promise<Proven> {
  return proveBlobs(store, { call: QUIET, onBytes: () => undefined });
}

function offsetsIn({ records }: Proven): string[] {
  return [...records].flatMap(([pack, offsets]) => [...offsets].map((offset) => `${pack} ${offset}`));
}

test("large files are proven whole with all of their records, and progress comes to the bytes of the packs", async () => {
  await withStore(async (store, folder) => {
    const files = await commitRandom(store, folder, ["a.bin", "b.bin", "c.bin"]);
    const proven = await prove(store);
    for (const bytes of files) {
      const digest = hashBytes(bytes);
      expect(proven.blobs.has(digest)).toBe(true);
      const { pieces } = await store.objects.blob(digest);
      for (const { pack, span } of pieces.slice(0, -1))
        expect(proven.records.get(pack)?.has(span.offset)).toBe(true);
    }
    let done = 0;
    const onProgress = (progress: { phase: string; unit: string; done: number; total?: number }): void => {
      if (progress.unit !== "bytes") return;
      expect(progress.done).toBeGreaterThanOrEqual(done);
      expect(progress.total).toBeGreaterThanOrEqual(progress.done);
      done = progress.done;
    };
    const { ok, checked } = await fsck(store, { full: true }, { ...QUIET, onProgress });
    const sizeBytes = store.index.packs().reduce((sum, pack) => sum + pack.sizeBytes, 0);
    expect({ ok, bytes: checked.bytes }).toEqual({ ok: true, bytes: done });
    // Footers are read without being counted.
    expect(sizeBytes - done).toBeLessThan(store.index.packs().length * 4096);
  });
});

test("a damaged chunk proves neither itself nor its file; the other files are proven", async () => {
  await withStore(async (store, folder) => {
    const [first, second] = (await commitRandom(store, folder, ["a.bin", "b.bin"])).map((bytes) =>
      hashBytes(bytes),
    );
    if (first === undefined || second === undefined) throw new Error("two files were committed");
    const [, bad] = (await store.objects.blob(first)).pieces;
    if (bad === undefined) throw new Error("one chunk only");
    flip(bad.pack, bad.span.offset + 64 + 1000);
    const proven = await prove(store);
    expect([proven.blobs.has(first), proven.blobs.has(second)]).toEqual([false, true]);
    expect(offsetsIn(proven)).not.toContain(`${bad.pack} ${bad.span.offset}`);
    const { problems } = await fsck(store, { full: true }, QUIET);
    expect(problems[0]).toMatchObject({
      digest: bad.span.digest,
      message: `at offset ${bad.span.offset}: the stored bytes do not match their CRC`,
    });
  });
});

test("a chunk of a proven file whose copy in another pack is damaged: the copy is told, and nothing else", async () => {
  await withStore(async (store, folder) => {
    const [bytes] = await commitRandom(store, folder, ["a.bin"]);
    const digest = hashBytes(bytes ?? Buffer.alloc(0));
    const [, piece] = (await store.objects.blob(digest)).pieces;
    if (piece === undefined) throw new Error("one chunk only");
    const wanted = piece.span.digest;
    await using session = store.writePacks("test", new Set([wanted]));
    await session.putRecord(
      "chunk",
      (bytes ?? Buffer.alloc(0)).subarray(piece.at, piece.at + piece.span.rawBytes),
    );
    await session.finish();
    const [copy] = await store.index.findCopies(wanted);
    if (copy === undefined) throw new Error("no copy");
    flip(packPath(store.path, store.index.packName(copy.pack)), copy.offset + 64 + 1000);
    const { ok, notes } = await fsck(store, { full: true }, QUIET);
    expect(ok).toBe(true);
    expect(notes).toEqual([expect.stringContaining(`a copy of ${wanted}`)]);
    expect((await prove(store)).blobs.has(digest)).toBe(true);
  });
});

test("a list of whole chunks that do not give the blob is found", async () => {
  await withStore(async (store, folder) => {
    const [bytes] = await commitRandom(store, folder, ["a.bin"]);
    const whole = hashBytes(bytes ?? Buffer.alloc(0));
    const { digest: list } = (await store.index.findChunklist(whole)) ?? {};
    if (list === undefined) throw new Error("no list");
    const described = await store.objects.chunklist(whole, list);
    const blob = hashBytes(Buffer.from("something else"));
    await using session = store.writePacks("test");
    await session.putRecord("chunklist", encodeChunklist({ ...described, blob }));
    await session.finish();
    const proven = await prove(store);
    expect([proven.blobs.has(whole), proven.blobs.has(blob)]).toEqual([true, false]);
    const { problems } = await fsck(store, { full: true }, QUIET);
    expect(problems).toMatchObject([{ digest: blob, message: `its chunks give ${whole}` }]);
  });
});

test("of a record that was read already only header and padding are read again", async () => {
  await withStore(async (store, folder) => {
    await commitRandom(store, folder, ["a.bin"]);
    for (const [pack, whole] of (await prove(store)).records) {
      const [offset = 0] = whole;
      const rows = [...(await store.index.rowsOf(new Set(store.index.packs().map(({ no }) => no)), QUIET))];
      const row = rows.find(
        ({ place }) => place.offset === offset && pack.includes(store.index.packName(place.pack)),
      );
      if (row === undefined) throw new Error("no such record");
      const { storedBytes } = row.place;
      const check = (at: number): string[] => {
        flip(pack, offset + at);
        const messages = verifyPackSync(pack, { ...ALL, whole }).map(({ message }) => message);
        flip(pack, offset + at);
        return messages;
      };
      expect(check(64)).toEqual([]);
      expect(check(63 + storedBytes)).toEqual([]);
      for (const at of [0, 4, 9, 20, 50, 55, 61]) expect(check(at), `byte ${at}`).toHaveLength(1);
      if (storedBytes % 64 !== 0) expect(check(64 + storedBytes)).toEqual(["the padding is not zero"]);
    }
  });
});

test("a check that is canceled while large files are read ends at once, and the next one is right", async () => {
  await withStore(async (store, folder) => {
    await commitRandom(store, folder, ["a.bin", "b.bin", "c.bin"]);
    const controller = new AbortController();
    const onProgress = (): void => controller.abort();
    const call = { signal: controller.signal, onProgress };
    await expect(fsck(store, { full: true }, call)).rejects.toMatchObject({ code: "CANCELED" });
    expect((await fsck(store, { full: true }, QUIET)).ok).toBe(true);
  });
});
