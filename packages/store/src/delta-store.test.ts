/** Chunks that are stored against other chunks: written, read back, damaged, lost. */
import { openSync, readdirSync, statSync, writeFileSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Digest, hashBytes } from "./objects/digest.ts";
import { openStore, type OwnedStore } from "./open-store.ts";
import { fsck } from "./verbs/fsck.ts";
import { model, nudge, safetensors } from "./testing/models.ts";
import { QUIET, withStore } from "./testing/testing.ts";
import { encodeTree } from "./objects/objects.ts";
import { refName } from "./objects/names.ts";

const SIZES = { "layer.weight": 3_000_000, "head.weight": 100_000, "norm.weight": 500, "norm.bias": 500 };
const BY = { op: "test", reason: "test", actor: "Ada <ada@example.org>" };

/** Stores the file against its parents and points the branch `name` at it. */
async function put(
  store: OwnedStore,
  input: { folder: string; bytes: Buffer; parents: readonly (Digest | undefined)[]; name: string },
): Promise<Digest> {
  const { folder, bytes, name } = input;
  const path = join(folder, "model.safetensors");
  writeFileSync(path, bytes);
  await using session = store.write("test");
  const parents = input.parents.flatMap((digest) =>
    digest === undefined ? [] : [{ digest, fileName: "model.safetensors" }],
  );
  const [file] = await session.addFiles([{ path, sizeBytes: bytes.length, parents }], QUIET);
  if (file === undefined) throw new Error("nothing was added");
  const entry = {
    name: "model.safetensors",
    mode: "100644" as const,
    digest: file.digest,
    sizeBytes: bytes.length,
  };
  const tree = await session.putObject("tree", encodeTree([entry]));
  await session.finish();
  await store.refs.createRepository("demo", BY, { reuse: true });
  await store.refs.update("demo", [{ name: refName("refs/heads/", name), from: "any", to: tree }], BY);
  return file.digest;
}

async function exported(store: OwnedStore, digest: Digest, path: string): Promise<Buffer> {
  await store.objects.exportFiles([{ digest, path, executable: false }], QUIET);
  return readFile(path);
}

/** Versions v0 … of one model, each stored against the one before. */
async function series(
  store: OwnedStore,
  folder: string,
  count: number,
): Promise<{ digest: Digest; bytes: Buffer }[]> {
  const versions: { digest: Digest; bytes: Buffer }[] = [];
  let weights = model(SIZES, 1);
  for (let index = 0; index < count; index += 1) {
    const bytes = safetensors(weights);
    const digest = await put(store, { folder, bytes, parents: [versions.at(-1)?.digest], name: `v${index}` });
    expect(digest).toBe(hashBytes(bytes));
    versions.push({ digest, bytes });
    weights = nudge(weights, index);
  }
  return versions;
}

test("a later version takes a fraction of the first, and comes back byte by byte", async () => {
  await withStore(async (store, folder) => {
    const versions = await series(store, folder, 7);
    const stored = await Promise.all(
      versions.map(async ({ digest }) => {
        const { pieces } = await store.objects.blob(digest);
        return pieces.reduce((sum, { span }) => sum + span.storedBytes, 0);
      }),
    );
    for (const bytes of stored.slice(1)) expect(bytes).toBeLessThan((stored[0] ?? 0) * 0.6);
    for (const [index, { digest, bytes }] of versions.entries()) {
      const out = await exported(store, digest, join(folder, `out${index}`));
      expect(Buffer.compare(out, bytes), `v${index}`).toBe(0);
    }
    const depth = (place: { parents?: readonly unknown[] }): number =>
      Math.max(0, ...((place.parents ?? []) as (typeof place)[]).map((parent) => depth(parent) + 1));
    for (const { digest } of versions) {
      const { pieces } = await store.objects.blob(digest);
      expect(Math.max(...pieces.map(depth))).toBeLessThanOrEqual(4);
    }
    expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true });
  });
});

test("ranges and tensors of a stored difference", async () => {
  await withStore(async (store, folder) => {
    const [, last] = await series(store, folder, 2);
    if (last === undefined) throw new Error("no version");
    const range = { from: 4_000_001, to: 4_300_000 };
    const parts: Uint8Array[] = [];
    for await (const part of store.objects.readBlob(last.digest, QUIET, range)) parts.push(part);
    expect(Buffer.compare(Buffer.concat(parts), last.bytes.subarray(range.from, range.to))).toBe(0);
    const table = await store.objects.tensors(last.digest, "model.safetensors", QUIET);
    expect(table?.tensors.map(({ name }) => name)).toEqual(Object.keys(SIZES));
  });
});

test("the index of differences is rebuilt from the packs alone", async () => {
  await withStore(async (store, folder) => {
    const versions = await series(store, folder, 3);
    await store.rebuild();
    for (const [index, { digest, bytes }] of versions.entries()) {
      expect(Buffer.compare(await exported(store, digest, join(folder, `out${index}`)), bytes)).toBe(0);
    }
  });
});

function packs(store: OwnedStore): string[] {
  const root = join(store.path, "packs");
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".pack"))
    .map((name) => join(root, name));
}

test("a damaged parent is named with its dependents, and never becomes wrong bytes", async () => {
  await withStore(async (store, folder) => {
    const [first] = await series(store, folder, 1);
    if (first === undefined) throw new Error("no version");
    const before = new Set(packs(store));
    const bytes = safetensors(nudge(model(SIZES, 1), 0));
    const second = await put(store, { folder, bytes, parents: [first.digest], name: "v1" });
    const largest = [...before].sort((a, b) => statSync(b).size - statSync(a).size)[0] ?? "";
    const fd = openSync(largest, "r+");
    writeSync(fd, Buffer.from("damage"), 0, 6, Math.floor(statSync(largest).size / 2));
    await expect(exported(store, second, join(folder, "out"))).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
      exit: 4,
    });
    const { ok, problems } = await fsck(store, { full: true }, QUIET);
    expect(ok).toBe(false);
    const affected = problems.flatMap(({ affects }) => affects).join("\n");
    expect(affected).toContain("refs/heads/v0");
    expect(affected).toContain("refs/heads/v1");
  });
});

test("a parent that is gone is OBJECT_MISSING for its dependents; a new version is stored whole", async () => {
  await withStore(async (store, folder) => {
    const [first, last] = await series(store, folder, 2);
    if (first === undefined || last === undefined) throw new Error("no version");
    const { pieces } = await store.objects.blob(last.digest);
    const parents = pieces.flatMap((piece) => piece.parents ?? []);
    expect(parents.length).toBeGreaterThan(0);
    await store[Symbol.asyncDispose]();
    const { rmSync } = await import("node:fs");
    for (const pack of new Set(parents.map(({ pack }) => pack))) rmSync(pack);
    await using reopened = await openStore(store.path, {});
    await expect(exported(reopened, last.digest, join(folder, "out"))).rejects.toMatchObject({
      code: "OBJECT_MISSING",
    });
    const bytes = safetensors(nudge(model(SIZES, 1), 5));
    const third = await put(reopened, { folder, bytes, parents: [last.digest], name: "v2" });
    expect(Buffer.compare(await exported(reopened, third, join(folder, "out3")), bytes)).toBe(0);
  });
});

test("an unrelated parent and one that is damaged leave the file whole", async () => {
  await withStore(async (store, folder) => {
    const unrelated = safetensors(model(SIZES, 9));
    const stranger = await put(store, { folder, bytes: unrelated, parents: [], name: "stranger" });
    const base = await put(store, { folder, bytes: safetensors(model(SIZES, 1)), parents: [], name: "base" });
    const before = new Set(packs(store));
    // Reading it decodes its own parent before the damage is met.
    const next = safetensors(nudge(model(SIZES, 1), 2));
    const damaged = await put(store, { folder, bytes: next, parents: [base], name: "damaged" });
    for (const pack of packs(store).filter((path) => !before.has(path))) {
      const bytes = await readFile(pack);
      // Not the header chunk, which comes first: the parser must still find the tensors.
      for (let at = 100_000; at < bytes.length - 10_000; at += 50_000) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      writeFileSync(pack, bytes);
    }
    const bytes = safetensors(nudge(model(SIZES, 1), 3));
    const digest = await put(store, { folder, bytes, parents: [stranger, damaged], name: "new" });
    expect(Buffer.compare(await exported(store, digest, join(folder, "out")), bytes)).toBe(0);
    const { pieces } = await store.objects.blob(digest);
    expect(pieces.every(({ parents }) => parents === undefined)).toBe(true);
  });
});
