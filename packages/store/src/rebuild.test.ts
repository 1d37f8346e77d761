/** Making LevelDB anew while others use the store: nothing that is there is ever missing. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { interceptCalls } from "./fs.ts";
import { SmcError } from "./errors.ts";
import { refName } from "./objects/names.ts";
import type { Digest } from "./objects/digest.ts";
import { openStore, type OwnedStore } from "./open-store.ts";
import { withFolder } from "./testing/folder.ts";
import { QUIET, withStore } from "./testing/testing.ts";
import { fsck } from "./verbs/fsck.ts";

const PACKS = 40;
const BY = { op: "test", reason: "test", actor: "Ada <ada@example.org>" };
const MAIN = refName("refs/heads/", "main");

async function putPack(store: OwnedStore, text: string): Promise<Digest> {
  await using session = store.write("test");
  const { digest } = await session.putBlob(Buffer.from(text));
  await session.finish();
  return digest;
}

/** A pack for each blob, so that a rebuild takes many steps. */
async function filled(store: OwnedStore): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (let pack = 0; pack < PACKS; pack += 1) digests.push(await putPack(store, `blob ${pack}`));
  await store.refs.createRepository("demo", BY);
  await store.refs.update("demo", [{ name: MAIN, from: "any", to: digests[0] ?? "absent" }], BY);
  return digests;
}

/** Reads and writes until `work` has ended; the blobs that were written. */
async function besides(
  store: OwnedStore,
  known: readonly Digest[],
  work: Promise<unknown>,
): Promise<Digest[]> {
  const state = { isDone: false };
  const ended = work.finally(() => {
    state.isDone = true;
  });
  const written: Digest[] = [];
  const write = async (): Promise<void> => {
    for (let round = 0; !state.isDone; round += 1) {
      const digest = await putPack(store, `written meanwhile ${round}`);
      written.push(digest);
      await store.refs.update("demo", [{ name: MAIN, from: "any", to: digest }], BY);
    }
  };
  const read = async (): Promise<void> => {
    for (let round = 0; !state.isDone; round += 1) {
      const digest = known[round % known.length] as Digest;
      expect(await store.objects.stat(digest)).toMatchObject({ kind: "blob" });
      for await (const bytes of store.objects.readBlob(digest, QUIET))
        expect(Buffer.from(bytes).toString()).toBe(`blob ${round % known.length}`);
      expect(await store.refs.listRepositories()).toHaveLength(1);
      expect(await store.refs.read("demo", MAIN)).toBeDefined();
      expect(store.index.packs().length).toBeGreaterThanOrEqual(PACKS);
    }
  };
  await Promise.all([ended, write(), read(), read()]);
  return written;
}

async function nothingIsMissing(anew: (store: OwnedStore) => Promise<unknown>): Promise<void> {
  await withStore(async (store) => {
    const digests = await filled(store);
    const written = await besides(store, digests, anew(store));
    for (const digest of [...digests, ...written]) expect(await store.index.find(digest)).toBeDefined();
    const names = store.index.packs().map((pack) => pack.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toHaveLength(digests.length + written.length);
    expect(await store.refs.read("demo", MAIN)).toBe(written.at(-1) ?? digests[0]);
    expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [], healed: [] });
  });
}

test("during a rebuild everything is found, and what is written meanwhile stays", async () => {
  await nothingIsMissing((store) => store.rebuild());
});

test("while a damaged LevelDB is made anew everything is found, and what is written meanwhile stays", async () => {
  await nothingIsMissing((store) => store.heal("the test says so"));
});

test("a rebuild that fails leaves nothing that could be taken for all there is, and the next one ends it", async () => {
  await withStore(async (store) => {
    const [digest] = await filled(store);
    if (digest === undefined) throw new Error("nothing was stored");
    interceptCalls(() => {
      throw new SmcError("IO_FAILED", "stopped by the test");
    });
    await expect(store.heal("the test says so")).rejects.toMatchObject({ code: "IO_FAILED" });
    interceptCalls(undefined);
    await expect(store.index.find(digest)).rejects.toMatchObject({ code: "INDEX_CORRUPT", exit: 4 });
    await expect(store.refs.read("demo", MAIN)).rejects.toMatchObject({ code: "INDEX_CORRUPT" });
    expect(store.db.isDamaged).toBe(true);
    await store.heal();
    expect(await store.index.find(digest)).toBeDefined();
    expect(await store.refs.read("demo", MAIN)).toBe(digest);
  });
});

test("a store that is closed while its index is rebuilt is whole when it is opened again", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const store = await openStore(path, { create: true });
    const digests = await filled(store);
    const rebuilt = store.rebuild().then(
      () => "done",
      (error: { code?: string }) => error.code,
    );
    await store[Symbol.asyncDispose]();
    expect(["done", "DAEMON_STOPPING", "INDEX_CORRUPT"]).toContain(await rebuilt);
    await using again = await openStore(path);
    for (const digest of digests) expect(await again.index.find(digest)).toBeDefined();
    expect(await fsck(again, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
  });
});
