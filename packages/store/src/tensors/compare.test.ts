import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ReadableFile } from "../pool/tensor-tasks.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import type { OwnedStore } from "../open-store.ts";
import { comparePairs, eachAhead } from "./compare.ts";
import type { ElementRange, RangePair } from "./differences.ts";

const MIB = 1024 * 1024;

async function stored(store: OwnedStore, folder: string, bytes: Uint8Array): Promise<ReadableFile> {
  const path = join(folder, "file");
  await writeFile(path, bytes);
  await using session = store.write("test");
  const [file] = await session.addFiles([{ path }], QUIET);
  await session.finish();
  if (file === undefined) throw new Error("nothing stored");
  return await store.objects.blob(file.digest);
}

function range(dtype: ElementRange["dtype"], offset: number, length: number): ElementRange {
  return { dtype, offset, length };
}

test("comparePairs() measures a long tensor in parts as if it were one", async () => {
  await withStore(async (store, folder) => {
    const count = 20 * MIB;
    const from = new Float32Array(count).fill(1);
    const to = from.slice();
    to[0] = 2;
    to[count - 1] = 4;
    const files = {
      from: await stored(store, folder, new Uint8Array(from.buffer)),
      to: await stored(store, folder, new Uint8Array(to.buffer)),
    };
    const whole = range("f32", 0, count * 4);
    const told: number[] = [];
    const call = { ...QUIET, onProgress: ({ done }: { done: number }) => told.push(done) };
    const [result] = await comparePairs(store, { sides: files, pairs: [{ from: whole, to: whole }] }, call);
    expect(result).toMatchObject({
      isEqual: false,
      distance: { elementCount: count, changedCount: 2, maxAbs: 3, l2: Math.sqrt(10) },
    });
    expect(told.at(-1)).toBe(2 * count * 4);
  });
});

test("comparePairs() says what is equal, by chunks or by bytes, and what is not", async () => {
  await withStore(async (store, folder) => {
    const same = randomBytes(MIB);
    const files = {
      from: await stored(store, folder, Buffer.concat([Buffer.from("head"), same, Buffer.alloc(16, 1)])),
      to: await stored(store, folder, Buffer.concat([Buffer.from("longer"), same, Buffer.alloc(16, 2)])),
    };
    const pairs: RangePair[] = [
      { from: range("u8", 4, MIB), to: range("u8", 6, MIB) },
      { from: range("q4_0", 4 + MIB, 16), to: range("q4_0", 6 + MIB, 16) },
      { from: range("u8", 4 + MIB, 16), to: range("i8", 6 + MIB, 16) },
      { from: range("f32", 0, 0), to: range("f32", 0, 0) },
    ];
    expect(await comparePairs(store, { sides: files, pairs }, QUIET)).toMatchObject([
      { isEqual: true, distance: null },
      { isEqual: false, distance: null },
      { isEqual: false, distance: { changedCount: 16, maxAbs: 1 } },
      { isEqual: true, distance: null },
    ]);
  });
});

test("comparePairs() reads nothing of chunks that are the same", async () => {
  await withStore(async (store, folder) => {
    const file = await stored(store, folder, randomBytes(8 * MIB));
    const whole = range("f16", 0, 8 * MIB);
    const told: number[] = [];
    const call = { ...QUIET, onProgress: ({ done }: { done: number }) => told.push(done) };
    const pairs = [{ from: whole, to: whole }];
    const found = await comparePairs(store, { sides: { from: file, to: file }, pairs }, call);
    expect(found).toEqual([{ isEqual: true, distance: null }]);
    expect(told).toEqual([]);
  });
});

test("comparePairs() compares with a file that is not stored", async () => {
  await withStore(async (store, folder) => {
    const from = await stored(store, folder, new Uint8Array(Float64Array.of(3, 4).buffer));
    const path = join(folder, "local");
    await writeFile(path, new Uint8Array(Float64Array.of(3, 0).buffer));
    const whole = range("f64", 0, 16);
    const pairs = [{ from: whole, to: whole }];
    expect(await comparePairs(store, { sides: { from, to: { path } }, pairs }, QUIET)).toMatchObject([
      { isEqual: false, distance: { l2: 4, relativeL2: 0.8, cosine: 0.6, maxAbs: 4 } },
    ]);
    const gone = { from, to: { path: join(folder, "gone") } };
    await expect(comparePairs(store, { sides: gone, pairs }, QUIET)).rejects.toMatchObject({
      code: "PATH_NOT_FOUND",
    });
  });
});

test("comparePairs() stops when it is canceled", async () => {
  await withStore(async (store, folder) => {
    const file = await stored(store, folder, randomBytes(MIB));
    const call = { ...QUIET, signal: AbortSignal.abort() };
    const pairs = [{ from: range("u8", 0, MIB - 8), to: range("u8", 8, MIB - 8) }];
    await expect(comparePairs(store, { sides: { from: file, to: file }, pairs }, call)).rejects.toMatchObject(
      {
        code: "CANCELED",
      },
    );
  });
});

test("eachAhead() runs a few at a time and waits for them when one fails", async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  const action = async (item: number): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    if (item === 7) throw new Error("seven");
    done.push(item);
  };
  const items = Array.from({ length: 100 }, (_, index) => index);
  await expect(eachAhead(3, items, action)).rejects.toThrow("seven");
  expect(running).toBe(0);
  expect(most).toBe(3);
  expect(done.length).toBeLessThan(12);
});
