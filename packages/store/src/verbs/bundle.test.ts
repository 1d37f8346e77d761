import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { CarIndexer } from "@ipld/car/indexer";
import { CarBlockIterator } from "@ipld/car/iterator";
import { MultihashIndexSortedReader } from "cardex/multihash-index-sorted";
import { expect, test } from "vitest";
import { parseRefName } from "../objects/names.ts";
import { encodeTag } from "../objects/objects.ts";
import { openStore, type OwnedStore } from "../open-store.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";
import type { OwnedRepository } from "../repository.ts";
import { interceptCalls } from "../fs.ts";
import { SmcError } from "../errors.ts";
import { ADA, digestOf, START_MS } from "../testing/history.ts";
import { commitSeries, type Version } from "../testing/series.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { bundle, type BundleOptions } from "./bundle.ts";
import { fsck } from "./fsck.ts";
import { repack } from "./repack.ts";

const REASON = { op: "init", reason: "init", actor: "Ada <ada@example.org>" };

interface Bench {
  readonly store: OwnedStore;
  readonly folder: string;
  readonly file: string;
  readonly versions: Version[];
  readonly point: (ref: string, digest: string) => Promise<unknown>;
  readonly run: (
    options: Partial<BundleOptions> & Pick<BundleOptions, "action">,
  ) => ReturnType<typeof bundle>;
}

function repositoryOf(store: OwnedStore): OwnedRepository {
  return { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
}

function runner(store: OwnedStore, folder: string): Bench["run"] {
  const place = { store, folder, openRepository: async () => repositoryOf(store) };
  return (options) => bundle(place, { file: "b.car", ...options }, QUIET);
}

/** A store with `count` versions on main. */
async function withBench(count: number, run: (bench: Bench) => Promise<void>): Promise<void> {
  await withStore(async (store, folder) => {
    const { versions, history } = await commitSeries(store, folder, count);
    const point: Bench["point"] = (ref, digest) => history.point(ref, digest as Version["commit"]);
    await run({ store, folder, file: join(folder, "b.car"), versions, point, run: runner(store, folder) });
  });
}

async function withOther(
  folder: string,
  run: (theirs: OwnedStore, verb: Bench["run"]) => Promise<void>,
): Promise<void> {
  await using store = await openStore(join(folder, "other"), { create: true });
  await store.refs.createRepository("demo", REASON);
  await run(store, runner(store, folder));
}

async function expectVersion(store: OwnedStore, { blob, bytes }: Version): Promise<void> {
  const parts: Uint8Array[] = [];
  for await (const part of store.objects.readBlob(blob, QUIET)) parts.push(Buffer.from(part));
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
}

async function expectSound(store: OwnedStore): Promise<void> {
  expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
}

test("a bundle brings refs and all that they need, byte by byte, and once more nothing", async () => {
  await withBench(2, async ({ store, folder, versions, point, run }) => {
    await repack(store, {}, QUIET);
    await using session = store.write("test");
    const moment = { ms: START_MS, offsetMinutes: 0 };
    const target = versions[0]?.commit ?? digestOf("");
    const parts = { target, targetKind: "commit", name: "v1.0.0", tagger: ADA, tagged: moment } as const;
    const tag = await session.putObject("tag", encodeTag({ ...parts, message: "one" }));
    await session.finish();
    await point("refs/tags/v1.0.0", tag);
    const made = await run({ action: "create", all: true });
    expect(made.refs).toEqual([
      { name: "refs/heads/main", digest: versions[1]?.commit },
      { name: "refs/tags/v1.0.0", digest: tag },
    ]);
    expect(await run({ action: "list" })).toMatchObject({ refs: made.refs, since: [], repository: "demo" });
    const checked = { commits: 2, trees: 2, tags: 1, files: 2, partialFiles: 0 };
    expect(await run({ action: "verify" })).toMatchObject({ checked });
    await withOther(folder, async (theirs, verb) => {
      const { imported } = await verb({ action: "import" });
      expect(imported).toMatchObject({ objects: made.records, skipped: [] });
      expect(imported?.refs).toMatchObject([
        { name: "refs/remotes/bundle/main", to: versions[1]?.commit },
        { name: "refs/tags/v1.0.0", to: tag },
      ]);
      for (const version of versions) await expectVersion(theirs, version);
      await expectSound(theirs);
      expect((await verb({ action: "import" })).imported).toMatchObject({ refs: [], objects: 0 });
    });
  });
});

test("the reader of IPFS finds every block, and each is what its CID says", async () => {
  await withBench(1, async ({ file, run }) => {
    const { records } = await run({ action: "create", refs: ["main"] });
    const reader = await CarBlockIterator.fromIterable(createReadStream(file));
    const [root] = await reader.getRoots();
    const seen: string[] = [];
    for await (const { cid, bytes } of reader) {
      expect(createHash("sha256").update(bytes).digest().equals(cid.multihash.digest)).toBe(true);
      seen.push(cid.toString());
    }
    expect(seen).toHaveLength(records + 1);
    expect(seen[0]).toBe(root?.toString());
  });
});

/** What other tools make of a CARv1 file to add an index to it. */
function wrapped(data: Buffer, { from = 51, length = data.length, index = 0 } = {}): Buffer {
  const head = Buffer.alloc(51);
  head.write("0aa16776657273696f6e02", "hex");
  for (const [number, value] of [from, length, index].entries())
    head.writeBigUInt64LE(BigInt(value), 27 + number * 8);
  return Buffer.concat([head, Buffer.alloc(Math.max(0, Math.min(from, 1000) - 51)), data]);
}

test("a bundle in a CARv2 file, with padding and an index, is taken as the one in it", async () => {
  await withBench(1, async ({ file, folder, run, versions }) => {
    await run({ action: "create", refs: ["main"] });
    const data = readFileSync(file);
    const index = Buffer.from("81088000", "hex");
    for (const bytes of [
      wrapped(data),
      Buffer.concat([wrapped(data, { from: 512, index: 512 + data.length + 8 }), Buffer.alloc(8), index]),
    ]) {
      writeFileSync(file, bytes);
      // What the reader of IPFS makes of it.
      const reader = await CarBlockIterator.fromIterable(createReadStream(file));
      expect(reader.version).toBe(2);
      let blocks = 0;
      for await (const _ of reader) blocks += 1;
      expect(blocks).toBeGreaterThan(3);
      await withOther(folder, async (theirs, verb) => {
        expect((await verb({ action: "list" })).refs).toHaveLength(1);
        await verb({ action: "verify" });
        await verb({ action: "import" });
        await expectVersion(theirs, versions[0] as Version);
        await expectSound(theirs);
      });
      rmSync(join(folder, "other"), { recursive: true });
    }
  });
});

test("a bundle with an index is read by it, block by block, and the index is checked", async () => {
  await withBench(2, async ({ file, run, versions }) => {
    const made = await run({ action: "create", refs: ["main"], format: "carv2" });
    expect(made).toMatchObject({ format: "carv2", sizeBytes: statSync(file).size });
    const whole = readFileSync(file);
    const [version, from, indexAt] = [
      whole[10],
      whole.readBigUInt64LE(27),
      Number(whole.readBigUInt64LE(43)),
    ];
    expect([version, from]).toEqual([2, 51n]);
    const named: [digest: string, offset: number][] = [];
    const bytes = new Blob([whole.subarray(indexAt)]).stream().getReader();
    const index = MultihashIndexSortedReader.createReader({ reader: bytes });
    for (let next = await index.read(); !next.done; next = await index.read())
      named.push([Buffer.from(next.value.digest).toString("hex"), 51 + next.value.offset]);
    const found: typeof named = [];
    for await (const { cid, offset } of await CarIndexer.fromBytes(whole))
      found.push([Buffer.from(cid.multihash.digest).toString("hex"), offset]);
    expect(named).toHaveLength(made.records + 1);
    expect(named).toEqual(found.sort(([a], [b]) => (a < b ? -1 : 1)));
    expect(new Map(named).has(versions[1]?.commit ?? "")).toBe(true);
    expect(await run({ action: "verify" })).toMatchObject({ format: "carv2", checked: { commits: 2 } });
    for (const at of [indexAt + 20, indexAt + 40, whole.length - 1]) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(file, damaged);
      await expect(run({ action: "import" }), `byte ${at}`).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    }
    writeFileSync(file, whole.subarray(0, -1));
    await expect(run({ action: "verify" })).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
  });
});

test("a CARv2 file that names a place that cannot be is no bundle", async () => {
  await withBench(1, async ({ file, run }) => {
    await run({ action: "create", refs: ["main"] });
    const data = readFileSync(file);
    const end = 51 + data.length;
    for (const wrong of [
      { from: 50 },
      { from: 0 },
      { from: 52 },
      { length: data.length + 1 },
      { length: 0 },
      { from: 2 ** 60 },
      { length: 2 ** 60 },
      { index: 60 },
      { index: end - 1 },
      { index: end },
      { index: 2 ** 60 },
    ]) {
      writeFileSync(file, wrapped(data, wrong).subarray(0, end));
      await expect(run({ action: "verify" }), JSON.stringify(wrong)).rejects.toMatchObject({
        code: "FILE_MALFORMED",
      });
    }
    // Less than all blocks, and half a head.
    writeFileSync(file, wrapped(data, { length: data.length - 1 }));
    await expect(run({ action: "verify" })).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    writeFileSync(file, wrapped(data).subarray(0, 40));
    await expect(run({ action: "verify" })).rejects.toMatchObject({ code: "FILE_MALFORMED" });
    writeFileSync(file, wrapped(wrapped(data)));
    await expect(run({ action: "verify" })).rejects.toMatchObject({ code: "FILE_MALFORMED" });
  });
});

test("--since leaves out what those revisions reach, and import tells who must be there first", async () => {
  await withBench(3, async ({ folder, versions, run, point }) => {
    const [, second] = versions;
    await point("refs/tags/second", second?.commit ?? "");
    const whole = await run({ action: "create", refs: ["second"], file: "whole.car" });
    const news = await run({ action: "create", refs: ["main"], since: ["second"], file: "news.car" });
    expect(news).toMatchObject({ since: [second?.commit] });
    expect(news.sizeBytes).toBeLessThan(whole.sizeBytes);
    expect((await run({ action: "verify", file: "news.car" })).checked).toMatchObject({ commits: 1 });
    await withOther(folder, async (theirs, verb) => {
      await expect(verb({ action: "import", file: "news.car" })).rejects.toMatchObject({
        code: "REMOTE_INCOMPLETE",
        details: { missing: [second?.commit] },
      });
      expect(theirs.index.packs()).toEqual([]);
      await verb({ action: "import", file: "whole.car" });
      const { imported } = await verb({ action: "import", file: "news.car", name: "stick" });
      expect(imported?.refs).toMatchObject([{ name: "refs/remotes/stick/main" }]);
      for (const version of versions) await expectVersion(theirs, version);
      await expectSound(theirs);
    });
  });
});

test("a version that gave up its files stays one", async () => {
  await withBench(2, async ({ folder, versions, run, point }) => {
    const [old, recent] = versions;
    await point(PRUNED_PREFIX + (old?.commit ?? ""), old?.commit ?? "");
    expect((await run({ action: "create" })).refs).toMatchObject([{ name: "refs/heads/main" }]);
    expect((await run({ action: "verify" })).checked).toMatchObject({ commits: 2, files: 1 });
    await withOther(folder, async (theirs, verb) => {
      await verb({ action: "import" });
      const pruned = parseRefName(PRUNED_PREFIX + (old?.commit ?? ""));
      expect(await theirs.refs.read("demo", pruned)).toBe(old?.commit);
      if (recent !== undefined) await expectVersion(theirs, recent);
      await expectSound(theirs);
    });
  });
});

test("bundle import takes only the refs that are named, and leaves a differing tag as it is", async () => {
  await withBench(2, async ({ folder, versions, run, point }) => {
    const [old, recent] = versions;
    await point("refs/tags/v1", old?.commit ?? "");
    await point("refs/heads/side", old?.commit ?? "");
    await run({ action: "create", all: true });
    await withOther(folder, async (_, verb) => {
      const { imported } = await verb({ action: "import", refs: ["side"] });
      expect(imported?.refs).toMatchObject([{ name: "refs/remotes/bundle/side" }]);
      await expect(verb({ action: "import", refs: ["nope"] })).rejects.toMatchObject({
        code: "REVISION_NOT_FOUND",
      });
    });
    await point("refs/tags/v1", recent?.commit ?? "");
    expect((await run({ action: "import" })).imported?.skipped).toMatchObject([{ name: "refs/tags/v1" }]);
  });
});

test("bundle create overwrites only with force, and leaves nothing when it fails", async () => {
  await withBench(1, async ({ folder, file, run }) => {
    writeFileSync(file, "mine");
    await expect(run({ action: "create" })).rejects.toMatchObject({ code: "WOULD_OVERWRITE" });
    expect(readFileSync(file, "utf8")).toBe("mine");
    await run({ action: "create", force: true });
    await run({ action: "verify" });
    mkdirSync(join(folder, "sub"));
    await expect(run({ action: "create", file: "sub", force: true })).rejects.toMatchObject({
      code: "WOULD_OVERWRITE",
    });
    for (const call of ["create", "write", "sync", "link"]) {
      interceptCalls((what, path) => {
        if (what === call && path.startsWith(join(folder, "sub/"))) throw new SmcError("DISK_FULL", "full");
      });
      try {
        await expect(run({ action: "create", file: "sub/x.car" })).rejects.toMatchObject({
          code: "DISK_FULL",
        });
      } finally {
        interceptCalls(undefined);
      }
      expect(readdirSync(join(folder, "sub"))).toEqual([]);
    }
  });
});

test("bundle create refuses what is no branch and no tag", async () => {
  await withBench(1, async ({ file, versions, run }) => {
    const refused = { code: "REVISION_NOT_FOUND" };
    await expect(run({ action: "create", refs: ["nope"] })).rejects.toMatchObject(refused);
    const commit = versions[0]?.commit ?? "";
    await expect(run({ action: "create", refs: [commit] })).rejects.toMatchObject(refused);
    await expect(run({ action: "create", since: ["nope"] })).rejects.toMatchObject(refused);
    const both = run({ action: "create", refs: ["main"], all: true });
    await expect(both).rejects.toMatchObject({ code: "USAGE" });
    expect(existsSync(file)).toBe(false);
    await run({ action: "create" });
    await expect(run({ action: "import", name: ".." })).rejects.toMatchObject({ code: "REF_NAME_INVALID" });
  });
});
