/** Files that almost are bundles: each is refused, and nothing of it is imported. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CarWriter } from "@ipld/car/writer";
import { CID } from "multiformats/cid";
import { create as createMultihash } from "multiformats/hashes/digest";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { encodeCanonical } from "../objects/cbor.ts";
import { type Digest, digestToBytes, formatCid, hashBytes } from "../objects/digest.ts";
import { encodeChunklist, encodeCommit, encodeTree } from "../objects/objects.ts";
import { openStore, type OwnedStore } from "../open-store.ts";
import { ADA } from "../testing/history.ts";
import { Mutator, SEED } from "../testing/mutations.ts";
import { commitSeries } from "../testing/series.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { bundle, type BundleOptions } from "../verbs/bundle.ts";
import { type Bundle, encodeBundle } from "./format.ts";

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 300);
const REASON = { op: "init", reason: "init", actor: "Ada <ada@example.org>" };
const MOMENT = { ms: 0, offsetMinutes: 0 };

interface Block {
  readonly kind: "chunk" | "object";
  readonly bytes: Uint8Array;
  readonly cid?: CID;
}

const chunk = (text: string): Block => ({ kind: "chunk", bytes: Buffer.from(text, "latin1") });
const object = (bytes: Uint8Array): Block => ({ kind: "object", bytes });

function treeOf(blob: Digest, sizeBytes: number): Uint8Array {
  return encodeTree([{ name: "f", mode: "100644", digest: blob, sizeBytes }]);
}

function commitOf(tree: Digest): Uint8Array {
  const people = { author: ADA, authored: MOMENT, committer: ADA, committed: MOMENT };
  return encodeCommit({ tree, parents: [], ...people, message: "m", meta: {} });
}

/** One commit with one file of these chunks; its list may lie. */
function contents(texts: readonly string[], blob = hashBytes(Buffer.from(texts.join(""), "latin1"))) {
  const chunks = texts.map((text) => ({
    digest: hashBytes(Buffer.from(text, "latin1")),
    sizeBytes: text.length,
  }));
  const sizeBytes = texts.join("").length;
  const tree = treeOf(blob, sizeBytes);
  const commit = commitOf(hashBytes(tree));
  const list = encodeChunklist({ blob, sizeBytes, plan: 1, chunks });
  return {
    tip: hashBytes(commit),
    blocks: [object(commit), object(tree), object(list), ...texts.map(chunk)],
  };
}

async function craft(
  path: string,
  { tip, blocks, root = {} }: { tip: Digest; blocks: readonly Block[]; root?: Partial<Bundle> },
): Promise<void> {
  const made = { repository: "demo", createdMs: 0, since: [], pruned: [], records: blocks.length };
  const refs = [{ name: "refs/heads/main", digest: tip }];
  await writeCar(path, [object(encodeBundle({ ...made, refs, ...root })), ...blocks]);
}

async function writeCar(path: string, blocks: readonly Block[]): Promise<void> {
  const cids = blocks.map(({ cid, kind, bytes }) => cid ?? CID.parse(formatCid(hashBytes(bytes), kind)));
  const { writer, out } = CarWriter.create(cids.slice(0, 1));
  const parts: Uint8Array[] = [];
  const read = (async () => {
    for await (const part of out) parts.push(part);
  })();
  for (const [index, { bytes }] of blocks.entries()) await writer.put({ cid: cids[index] as CID, bytes });
  await writer.close();
  await read;
  writeFileSync(path, Buffer.concat(parts));
}

interface Bench {
  readonly store: OwnedStore;
  readonly path: string;
  readonly run: (
    action: BundleOptions["action"],
    options?: Partial<BundleOptions>,
  ) => ReturnType<typeof bundle>;
}

async function withBench(run: (bench: Bench) => Promise<void>): Promise<void> {
  await withStore(async (store, folder) => {
    await store.refs.createRepository("demo", REASON, { reuse: true });
    const repository = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
    const place = { store, folder, openRepository: async () => repository };
    const verb: Bench["run"] = (action, options) =>
      bundle(place, { action, file: "b.car", ...options }, QUIET);
    await run({ store, path: join(folder, "b.car"), run: verb });
  });
}

/** Both say so, and the store is as it was. */
async function expectRefused({ store, run }: Bench, code: string): Promise<void> {
  const packs = store.index.packs().length;
  const refs = await store.refs.list("demo");
  await expect(run("verify")).rejects.toMatchObject({ code });
  await expect(run("import")).rejects.toMatchObject({ code });
  expect(store.index.packs()).toHaveLength(packs);
  expect(await store.refs.list("demo")).toEqual(refs);
}

test("what the tests below craft is a bundle when nothing is wrong with it", () =>
  withBench(async (bench) => {
    await craft(bench.path, contents(["one", "two"]));
    expect((await bench.run("verify")).checked).toMatchObject({ commits: 1, files: 1, partialFiles: 0 });
    expect((await bench.run("import")).imported).toMatchObject({ objects: 5 });
  }));

const good = contents(["one", "two"]);
const DAMAGED: readonly (readonly [string, Parameters<typeof craft>[1]])[] = [
  ["lacks a block", { ...good, blocks: good.blocks.slice(0, -1) }],
  ["lacks the commit", { ...good, blocks: good.blocks.slice(1) }],
  ["holds a block twice", { ...good, blocks: [...good.blocks, chunk("one")] }],
  ["holds a block that nothing needs", { ...good, blocks: [...good.blocks, chunk("three")] }],
  ["holds fewer records than it says", { ...good, root: { records: 9 } }],
  ["holds more records than it says", { ...good, root: { records: 4 } }],
  ["has a ref that names a list", { ...good, tip: hashBytes(good.blocks[2]?.bytes ?? Buffer.alloc(0)) }],
  ["holds an object of no kind", { ...good, blocks: [...good.blocks, object(encodeCanonical({ a: 1 }))] }],
  [
    "has two lists of one blob",
    (() => {
      const other = contents(["on", "etwo"]);
      return { ...good, blocks: [...good.blocks, ...other.blocks.slice(2)] };
    })(),
  ],
  [
    "has a block of another hash",
    (() => {
      const cid = CID.createV1(0x55, createMultihash(0x1b, digestToBytes(good.tip)));
      return { ...good, blocks: [...good.blocks, { ...chunk("x"), cid }] };
    })(),
  ],
  [
    "has a block of another codec",
    (() => {
      const cid = CID.createV1(0x70, createMultihash(0x12, digestToBytes(hashBytes(Buffer.from("x")))));
      return { ...good, blocks: [...good.blocks, { ...chunk("x"), cid }] };
    })(),
  ],
  [
    "has a chunk of more than 4 MiB",
    (() => {
      return { ...good, blocks: [...good.blocks, chunk("x".repeat(4 * 1024 * 1024 + 1))] };
    })(),
  ],
];

test.for(DAMAGED)("a bundle that %s is refused", ([, parts]) =>
  withBench(async (bench) => {
    await craft(bench.path, parts);
    await expectRefused(bench, "OBJECT_CORRUPT");
  }),
);

test("a list of chunks that lies about a file that is here changes nothing of it", () =>
  withBench(async (bench) => {
    await craft(bench.path, good);
    await bench.run("import");
    const truth = hashBytes(Buffer.from("onetwo"));
    const before = await bench.store.index.findChunklist(truth);
    await craft(bench.path, contents(["bad", "bad!"], truth));
    await expect(bench.run("verify")).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    await expect(bench.run("import")).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(await bench.store.index.findChunklist(truth)).toEqual(before);
  }));

test("a file that has the bytes of a folder's record that is here is refused", () =>
  withBench(async (bench) => {
    await craft(bench.path, good);
    await bench.run("import");
    const [, tree] = good.blocks;
    await craft(bench.path, contents([Buffer.from(tree?.bytes ?? []).toString("latin1")]));
    await expect(bench.run("import")).rejects.toMatchObject({ code: "FILE_UNSUPPORTED" });
    const digest = hashBytes(tree?.bytes ?? Buffer.alloc(0));
    expect((await bench.store.index.find(digest))?.kind).toBe("tree");
  }));

test("a bundle that builds on a commit whose files are not here is refused", () =>
  withBench(async (bench) => {
    const other = contents(["three", "four"]);
    await craft(bench.path, good);
    await bench.run("import");
    await craft(bench.path, { ...other, blocks: other.blocks.slice(0, 3), root: { since: [good.tip] } });
    expect((await bench.run("verify")).checked).toMatchObject({ partialFiles: 1 });
    await expect(bench.run("import")).rejects.toMatchObject({ code: "REMOTE_INCOMPLETE" });
    await craft(bench.path, { ...other, blocks: other.blocks.slice(0, 2), root: { since: [good.tip] } });
    await expect(bench.run("import")).rejects.toMatchObject({ code: "REMOTE_INCOMPLETE" });
    expect(await bench.store.refs.list("demo")).toHaveLength(1);
  }));

test("what is no bundle is called that, and a newer one too", () =>
  withBench(async (bench) => {
    const files: readonly Uint8Array[] = [
      Buffer.alloc(0),
      Buffer.from("no"),
      Buffer.alloc(1000, 0xff),
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f, ...Buffer.alloc(100)]),
    ];
    for (const bytes of files) {
      writeFileSync(bench.path, bytes);
      await expectRefused(bench, "FILE_MALFORMED");
    }
    await writeCar(bench.path, [object(encodeCanonical({ type: "other" }))]);
    await expectRefused(bench, "FILE_MALFORMED");
    await writeCar(bench.path, [chunk("raw root")]);
    await expectRefused(bench, "FILE_MALFORMED");
    await writeCar(bench.path, [object(encodeCanonical({ type: "bundle", version: 2 }))]);
    await expectRefused(bench, "FORMAT_UNSUPPORTED");
    await expect(bench.run("verify", { file: "/dev/zero" })).rejects.toMatchObject({
      code: "FILE_UNSUPPORTED",
    });
    await expect(bench.run("list", { file: "absent" })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  }));

test(`${ROUNDS} changed bundles are refused, and nothing of them is imported (FUZZ_SEED=${SEED})`, () =>
  withStore(async (store, folder) => {
    await commitSeries(store, folder, 1);
    const repository = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
    const mine = { store, folder, openRepository: async () => repository };
    await bundle(mine, { action: "create", file: "whole.car" }, QUIET);
    const small = join(folder, "small.car");
    await craft(small, good);
    await using theirs = await openStore(join(folder, "other"), { create: true });
    await theirs.refs.createRepository("demo", REASON);
    const other = { store: theirs, folder, openRepository: async () => ({ ...repository, store: theirs }) };
    const mutator = new Mutator(SEED);
    const [big, tiny] = [readFileSync(join(folder, "whole.car")), readFileSync(small)];
    for (let round = 0; round < ROUNDS; round += 1) {
      const whole = round % 20 === 0 ? big : tiny;
      const bytes = mutator.mutate(whole);
      if (bytes.equals(whole)) continue;
      writeFileSync(join(folder, "b.car"), bytes);
      for (const action of ["verify", "import"] as const) {
        const error: unknown = await bundle(other, { action, file: "b.car" }, QUIET).then(
          () => `round ${round}: ${action} took it`,
          (failure: unknown) => failure,
        );
        const isExpected =
          isSmcError(error) &&
          ["FILE_MALFORMED", "OBJECT_CORRUPT", "FORMAT_UNSUPPORTED"].includes(error.code);
        expect(isExpected, `round ${round}: ${String(error)}`).toBe(true);
      }
      expect(theirs.index.packs()).toEqual([]);
    }
    expect(await theirs.refs.list("demo")).toEqual([]);
  }));
