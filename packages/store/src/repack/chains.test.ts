import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes, type Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { type Model, model, nudge, safetensors } from "../testing/models.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { fsck } from "../verbs/fsck.ts";

const NAME = "m.safetensors";
const SIZES = { "a.weight": 200_000, "b.weight": 200_000 };

interface Stored {
  readonly digest: Digest;
  readonly bytes: Buffer;
}

/** Writes the file and stores it in a session of its own, against these parents. */
async function put(store: OwnedStore, folder: string, weights: Model, ...parents: Stored[]): Promise<Stored> {
  await using session = store.writePacks("test");
  const stored = await putInto(session, folder, weights, ...parents);
  await session.finish();
  return stored;
}

async function putInto(
  session: ReturnType<OwnedStore["writePacks"]>,
  folder: string,
  weights: Model,
  ...parents: Stored[]
): Promise<Stored> {
  const bytes = safetensors(weights);
  const path = join(folder, NAME);
  writeFileSync(path, bytes);
  await session.addFiles([{ path, sizeBytes: bytes.length, parents: parents.map(named) }], QUIET);
  return { digest: hashBytes(bytes), bytes };
}

function named({ digest }: Stored): { digest: Digest; fileName: string } {
  return { digest, fileName: NAME };
}

/** As repack does with one file; how many of its chunks became differences. */
async function recode(store: OwnedStore, file: Stored, ...parents: Stored[]): Promise<number> {
  await using session = store.writePacks("test");
  const { shorter } = await session.recode({ ...named(file), parents: parents.map(named) }, QUIET);
  if (shorter > 0) await session.finish({ replace: true });
  return shorter;
}

async function assertReadable(store: OwnedStore, files: readonly Stored[]): Promise<void> {
  for (const { digest, bytes } of files) {
    const parts: Uint8Array[] = [];
    for await (const part of store.objects.readBlob(digest, QUIET)) parts.push(Buffer.from(part));
    expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0);
  }
  expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
}

test("tensors that change places between versions do not come to need each other", async () => {
  await withStore(async (store, folder) => {
    const a = model(SIZES, 1);
    const b = nudge(a, 1);
    const one = await put(store, folder, { ...a, "b.weight": b["a.weight"] as Uint16Array });
    const two = await put(store, folder, {
      "a.weight": b["a.weight"] as Uint16Array,
      "b.weight": a["a.weight"] as Uint16Array,
    });
    await recode(store, two, one);
    await assertReadable(store, [one, two]);
    await store.rebuild();
    await assertReadable(store, [one, two]);
  });
});

test("a chunk with a full chain of differences above it stays as it is", async () => {
  await withStore(async (store, folder) => {
    const older = await put(store, folder, nudge(model(SIZES, 1), 9));
    let weights = model(SIZES, 1);
    const line = [await put(store, folder, weights)];
    for (let step = 0; step < 4; step += 1) {
      weights = nudge(weights, step);
      line.push(await put(store, folder, weights, line.at(-1) as Stored));
    }
    expect(await recode(store, line[0] as Stored, older)).toBe(0);
    await assertReadable(store, [older, ...line]);
  });
});

test("a chunk that is stored anew while a command builds upon it does not spoil what that command stores", async () => {
  await withStore(async (store, folder) => {
    const base = model(SIZES, 1);
    const first = await put(store, folder, base);
    let weights = nudge(base, 20);
    const line = [await put(store, folder, weights)];
    for (let step = 0; step < 3; step += 1) {
      weights = nudge(weights, step);
      line.push(await put(store, folder, weights, line.at(-1) as Stored));
    }
    await using session = store.writePacks("test");
    const late = await putInto(session, folder, nudge(base, 40), first);
    expect(await recode(store, first, line.at(-1) as Stored)).toBeGreaterThan(0);
    await session.finish();
    await assertReadable(store, [first, ...line, late]);
    const next = await put(store, folder, nudge(base, 41), late);
    await assertReadable(store, [next, late]);
    await store.rebuild();
    await assertReadable(store, [first, ...line, late, next]);
  });
});
