import { randomBytes } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { interceptCalls } from "../fs.ts";
import { SmcError } from "../errors.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { openStore, type OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import { flip } from "../testing/damage.ts";
import { withFolder } from "../testing/folder.ts";
import { model, nudge, safetensors } from "../testing/models.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { Bench, openBench } from "../testing/worktree.ts";
import { cat } from "../verbs/cat.ts";
import { fsck, type FsckResult } from "../verbs/fsck.ts";

const SLOW = { timeout: 120_000 };

/** A commit of a file of several chunks, a small one in a folder, and the bytes of the large one. */
async function filled(store: OwnedStore, folder: string): Promise<{ bench: Bench; weights: Buffer }> {
  const bench = await openBench(store, join(folder, "model"));
  const weights = randomBytes(9 * 1024 * 1024);
  await bench.commit({ "w.bin": weights, "a/notes.txt": "one" });
  return { bench, weights };
}

/** The pack with the most bytes: the one with the chunks of the large file. */
function largest(store: OwnedStore): string {
  const [pack] = store.index.packs().sort((a, b) => b.sizeBytes - a.sizeBytes);
  return packPath(store.path, pack?.name ?? ("" as Digest));
}

function mend(store: OwnedStore): Promise<FsckResult> {
  return fsck(store, { repair: true }, QUIET);
}

async function read(store: OwnedStore, digest: Digest): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of store.objects.readBlob(digest, QUIET)) parts.push(part);
  return Buffer.concat(parts);
}

async function isMended(
  store: OwnedStore,
  { bench, weights }: { bench: Bench; weights: Buffer },
): Promise<boolean> {
  const { ok } = await fsck(store, { full: true }, QUIET);
  const { digest } = await cat(bench.repository, { revision: "HEAD:w.bin" }, QUIET);
  return ok && (await read(store, digest)).equals(weights);
}

test("repair takes a damaged chunk from a pack in the trash", SLOW, async () => {
  await withStore(async (store, folder) => {
    const made = await filled(store, folder);
    const pack = largest(store);
    const trash = join(store.path, "trash", "20260101T000000Z");
    mkdirSync(trash, { recursive: true });
    copyFileSync(pack, join(trash, pack.slice(pack.lastIndexOf("/") + 1)));
    rmSync(join(made.bench.root, "w.bin"));
    flip(pack, 3_000_000);
    const { ok, repair } = await mend(store);
    expect(ok).toBe(true);
    expect(repair?.repaired).toHaveLength(1);
    expect(repair?.repaired[0]?.from).toContain(trash);
    expect(existsSync(pack)).toBe(true);
    expect(await isMended(store, made)).toBe(true);
  });
});

test(
  "repair takes damaged chunks from a worktree's file, also when other parts of it were changed",
  SLOW,
  async () => {
    await withStore(async (store, folder) => {
      const made = await filled(store, folder);
      const file = join(made.bench.root, "w.bin");
      for (const offset of [100, 5_000_000]) flip(largest(store), offset);
      flip(file, -1);
      const { ok, repair, problems } = await mend(store);
      expect({ ok, problems }).toEqual({ ok: true, problems: [] });
      expect(repair?.repaired.length).toBeGreaterThan(1);
      expect(repair?.repaired.every(({ from }) => from.includes(file))).toBe(true);
      flip(file, -1);
      expect(await isMended(store, made)).toBe(true);
      const { notes } = await fsck(store, { full: true }, QUIET);
      expect(notes.join()).toContain("nothing is read from there");
    });
  },
);

test("what has no other copy is named with the refs and paths that need it", SLOW, async () => {
  await withStore(async (store, folder) => {
    const { bench } = await filled(store, folder);
    rmSync(join(bench.root, "w.bin"));
    flip(largest(store), 3_000_000);
    const { ok, repair, problems } = await mend(store);
    expect(ok).toBe(false);
    expect(repair?.repaired).toEqual([]);
    const affects = problems.flatMap((problem) => problem.affects).join("\n");
    expect(affects).toMatch(/model refs\/heads\/main commit [0-9a-f]{12} \/w\.bin/);
  });
});

test("a pack without its end is emptied into a new one and set aside", SLOW, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const store = await openStore(path, { create: true });
    const made = await filled(store, folder);
    rmSync(join(made.bench.root, "w.bin"));
    const pack = largest(store);
    truncateSync(pack, readFileSync(pack).length - 64);
    expect((await fsck(store, { full: true }, QUIET)).ok).toBe(false);
    const { ok, repair } = await mend(store);
    expect(ok).toBe(true);
    expect(repair?.setAside).toHaveLength(1);
    expect(existsSync(pack)).toBe(false);
    expect(readdirSync(join(path, "damaged"))).toEqual(repair?.setAside.map((name) => `${name}.pack`));
    expect(await isMended(store, made)).toBe(true);
    await store[Symbol.asyncDispose]();
    await using again = await openStore(path, { rebuild: true });
    expect(await fsck(again, { full: true }, QUIET)).toMatchObject({ ok: true, notes: [] });
  });
});

test(
  "packs without an end that need each other give back everything, in whatever order they come",
  SLOW,
  async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "store");
      const store = await openStore(path, { create: true });
      const bench = await openBench(store, join(folder, "model"));
      const weights = model({ a: 200_000, b: 100_000 }, 1);
      const trained = [weights];
      for (let step = 1; step < 6; step += 1) trained.push(nudge(trained.at(-1) ?? weights, step));
      const versions = trained.map(safetensors);
      for (const bytes of versions) await bench.commit({ "w.safetensors": bytes });
      const chunked = store.index.packs().sort((a, b) => b.sizeBytes - a.sizeBytes);
      const packs = chunked.slice(0, versions.length).map(({ name }) => packPath(path, name));
      await store[Symbol.asyncDispose]();
      for (const pack of packs) truncateSync(pack, readFileSync(pack).length - 64);
      rmSync(join(path, "db"), { recursive: true });
      rmSync(join(bench.root, "w.safetensors"));
      await using again = await openStore(path);
      expect((await mend(again)).ok).toBe(true);
      for (const bytes of versions) expect((await read(again, hashBytes(bytes))).equals(bytes)).toBe(true);
      expect((await fsck(again, { full: true }, QUIET)).problems).toEqual([]);
    });
  },
);

test("a repair finds records in packs that an earlier one set aside", SLOW, async () => {
  await withStore(async (store, folder) => {
    const made = await filled(store, folder);
    const pack = largest(store);
    mkdirSync(join(store.path, "damaged"));
    copyFileSync(pack, join(store.path, "damaged", pack.slice(pack.lastIndexOf("/") + 1)));
    rmSync(join(made.bench.root, "w.bin"));
    flip(pack, 3_000_000);
    const { ok, repair } = await mend(store);
    expect(ok).toBe(true);
    expect(repair?.repaired[0]?.from).toContain(join(store.path, "damaged"));
    expect(await isMended(store, made)).toBe(true);
  });
});

test("a pack that was damaged when the store was opened gives back what it holds", SLOW, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const store = await openStore(path, { create: true });
    const made = await filled(store, folder);
    rmSync(join(made.bench.root, "w.bin"));
    const pack = largest(store);
    await store[Symbol.asyncDispose]();
    flip(pack, -1);
    rmSync(join(path, "db"), { recursive: true });
    await using again = await openStore(path);
    expect(again.recovery.damaged).toHaveLength(1);
    const { ok, repair } = await mend(again);
    expect(ok).toBe(true);
    expect(repair?.repaired[0]?.from).toMatch(/^\d+ records of the damaged pack/);
    expect(
      await isMended(again, {
        ...made,
        bench: new Bench(again, made.bench.root, { ...made.bench.repository, store: again }),
      }),
    ).toBe(true);
  });
});

test("lost packs come back from the worktree: chunks, list of chunks and folders", SLOW, async () => {
  await withStore(async (store, folder) => {
    const made = await filled(store, folder);
    const packs = store.index.packs();
    const commit = await cat(made.bench.repository, { revision: "HEAD:w.bin" }, QUIET);
    for (const { name } of packs) {
      const { rows } = await store.pool.run(
        "contents",
        { pack: packPath(store.path, name) },
        { signal: QUIET.signal },
      );
      if (!rows.some(({ kind }) => kind === "commit")) rmSync(packPath(store.path, name));
    }
    const { ok, problems, repair } = await mend(store);
    expect({ ok, problems }).toEqual({ ok: true, problems: [] });
    expect(repair?.repaired.length).toBeGreaterThan(1);
    expect((await read(store, commit.digest)).equals(made.weights)).toBe(true);
  });
});

test("a damaged format.json is written again", async () => {
  await withStore(async (store) => {
    const path = join(store.path, "format.json");
    const before = readFileSync(path, "utf8");
    writeFileSync(path, before.replace("createdMs", "createdMS"));
    expect((await fsck(store, { full: true }, QUIET)).ok).toBe(false);
    expect((await mend(store)).ok).toBe(true);
    expect(readFileSync(path, "utf8")).toBe(before);
  });
});

test(
  "a repair that any call of fs.ts stops has lost nothing, and the next one ends it",
  { timeout: 240_000 },
  async () => {
    await withStore(async (store, folder) => {
      const made = await filled(store, folder);
      const pack = largest(store);
      flip(pack, 3_000_000);
      truncateSync(pack, readFileSync(pack).length - 64);
      let stops = 0;
      for (let at = 1; ; at += 1) {
        let calls = 0;
        interceptCalls(() => {
          calls += 1;
          if (calls === at) throw new SmcError("IO_FAILED", "stopped by the test");
        });
        const outcome = await mend(store).then(
          ({ ok }) => ok,
          () => undefined,
        );
        interceptCalls(undefined);
        if (calls < at) break;
        if (outcome === undefined) stops += 1;
        // The file is one of the copies: without it a lost record would show.
        expect((await fsck(store, {}, QUIET)).problems.every(({ digest }) => digest === null)).toBe(true);
      }
      expect(stops).toBeGreaterThan(3);
      expect((await mend(store)).ok).toBe(true);
      expect(await isMended(store, made)).toBe(true);
    });
  },
);
