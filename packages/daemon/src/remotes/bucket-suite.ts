/** For tests: what every bucket must do, whatever it is made of. */
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Call } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { createFile } from "@smc/store/fs";
import { QUIET, withFolder } from "@smc/store/testing";
import { describe, expect, test } from "vitest";
import type { Bucket, BucketAbilities } from "./bucket.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 64 * MIB;
/** More than one page of any server. */
const KEY_COUNT = 1100;
const CREATORS = 20;
const AT_ONCE = 16;
/** A second, and what a crowded machine adds. */
const ABORT_MS = 5000;

export interface BucketSuiteOptions {
  /** What the probe must find; default: everything. A bucket that is not exclusive is not asked to be. */
  readonly abilities?: BucketAbilities;
}

/** A bucket of its own, empty. */
type Open = () => Promise<Bucket>;

export async function readWhole(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

export async function keysOf(bucket: Bucket, prefix: string, after?: string): Promise<string[]> {
  const keys: string[] = [];
  const options = after === undefined ? {} : { after };
  for await (const { key } of bucket.list(prefix, QUIET, options)) keys.push(key);
  return keys;
}

export async function codeOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
    return "nothing thrown";
  } catch (error) {
    if (!(error instanceof SmcError)) throw error;
    return error.code;
  }
}

/**
 * Registers the tests of one kind of bucket; `open` gives an empty one, whose disposal ends what it needs.
 */
export function testBucket(name: string, open: Open, options: BucketSuiteOptions = {}): void {
  const abilities = options.abilities ?? { exclusive: true, checksums: true };
  describe(`a bucket in ${name}`, () => {
    testObjects(open);
    testRanges(open);
    testLists(open);
    testLarge(open);
    if (abilities.exclusive) testOnce(open);
    test("probe() finds out what the server does and leaves nothing behind", async () => {
      await using bucket = await open();
      expect(await bucket.probe(QUIET)).toEqual(abilities);
      expect(await keysOf(bucket, "")).toEqual([]);
    });
  });
}

function testObjects(open: Open): void {
  test("an object is what was created, and gone when it was removed", async () => {
    await using bucket = await open();
    const bytes = randomBytes(100_000);
    const startedMs = Date.now();
    expect(await bucket.create("packs/ab/one.pack", { bytes }, QUIET)).toBe(true);
    const entry = await bucket.stat("packs/ab/one.pack", QUIET);
    expect(entry).toMatchObject({ key: "packs/ab/one.pack", sizeBytes: bytes.length });
    // Servers say whole seconds.
    expect(entry?.modifiedMs).toBeGreaterThan(startedMs - 2000);
    expect(bytes.equals(await readWhole(bucket.read("packs/ab/one.pack", QUIET)))).toBe(true);
    await bucket.remove("packs/ab/one.pack", QUIET);
    expect(await bucket.stat("packs/ab/one.pack", QUIET)).toBeUndefined();
    expect(await keysOf(bucket, "")).toEqual([]);
  });

  test("an empty object is there and has no bytes", async () => {
    await using bucket = await open();
    expect(await bucket.create("empty", { bytes: new Uint8Array() }, QUIET)).toBe(true);
    expect(await bucket.stat("empty", QUIET)).toMatchObject({ sizeBytes: 0 });
    expect(await readWhole(bucket.read("empty", QUIET))).toHaveLength(0);
  });

  test("what is absent is undefined, not found or fine", async () => {
    await using bucket = await open();
    expect(await bucket.stat("no/such", QUIET)).toBeUndefined();
    expect(await codeOf(() => readWhole(bucket.read("no/such", QUIET)))).toBe("REMOTE_NOT_FOUND");
    expect(await codeOf(() => readWhole(bucket.read("no/such", QUIET, { from: 0, to: 1 })))).toBe(
      "REMOTE_NOT_FOUND",
    );
    await bucket.remove("no/such", QUIET);
    expect(await keysOf(bucket, "no/")).toEqual([]);
  });

  test("odd keys are refused", async () => {
    await using bucket = await open();
    const parts = ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "a/.tmp", "a b", "ä", "a\u0000b"];
    for (const key of [...parts, "a\\b", "a%2e", "a\nb", "x".repeat(600), `${"x".repeat(201)}/a`]) {
      expect(await codeOf(() => bucket.create(key, { bytes: randomBytes(1) }, QUIET))).toBe("PATH_INVALID");
      expect(await codeOf(() => bucket.stat(key, QUIET))).toBe("PATH_INVALID");
      expect(await codeOf(() => readWhole(bucket.read(key, QUIET)))).toBe("PATH_INVALID");
      expect(await codeOf(() => bucket.remove(key, QUIET))).toBe("PATH_INVALID");
    }
    expect(await codeOf(() => keysOf(bucket, "../"))).toBe("PATH_INVALID");
    expect(await keysOf(bucket, "")).toEqual([]);
  });
}

function testRanges(open: Open): void {
  test("ranges are exactly what was asked for, or fail", async () => {
    await using bucket = await open();
    const bytes = randomBytes(3 * MIB);
    await bucket.create("ranged", { bytes }, QUIET);
    const ranges = [
      { from: 0, to: 1 },
      { from: 0, to: bytes.length },
      { from: 1, to: 2 * MIB },
      { from: bytes.length - 1, to: bytes.length },
      { from: 5, to: 5 },
    ];
    for (const { from, to } of ranges) {
      const got = await readWhole(bucket.read("ranged", QUIET, { from, to }));
      expect(got.equals(bytes.subarray(from, to)), `${from} to ${to}`).toBe(true);
    }
    for (const from of [0, bytes.length, bytes.length + 10]) {
      const range = { from, to: bytes.length + 20 };
      expect(await codeOf(() => readWhole(bucket.read("ranged", QUIET, range)))).toBe("REMOTE_FAILED");
    }
  });
}

function testLists(open: Open): void {
  test(`${KEY_COUNT} keys are listed in byte order, by prefix and behind a key`, async () => {
    await using bucket = await open();
    const names = Array.from({ length: KEY_COUNT }, (_, index) => `many/${index.toString(36)}`);
    const around = ["many-more", "many.a", "many0", "a/b/c", "a-b", "a.b/c", "Z", "_z"];
    const all = [...names, ...around].sort((a, b) => (a < b ? -1 : 1));
    for (let at = 0; at < all.length; at += AT_ONCE) {
      const some = all.slice(at, at + AT_ONCE);
      await Promise.all(some.map((key) => bucket.create(key, { bytes: Buffer.from(key) }, QUIET)));
    }
    expect(await keysOf(bucket, "")).toEqual(all);
    const inMany = all.filter((key) => key.startsWith("many/"));
    expect(await keysOf(bucket, "many/")).toEqual(inMany);
    expect(await keysOf(bucket, "many")).toEqual(all.filter((key) => key.startsWith("many")));
    expect(await keysOf(bucket, "many/", inMany[999])).toEqual(inMany.slice(1000));
    expect(await keysOf(bucket, "many/1", "many/1a")).toEqual(
      inMany.filter((key) => key.startsWith("many/1") && key > "many/1a"),
    );
    expect(await keysOf(bucket, "", "many")).toEqual(all.filter((key) => key > "many"));
    expect(await keysOf(bucket, "many/", inMany.at(-1))).toEqual([]);
  });
}

function testOnce(open: Open): void {
  test("what is there stays as it is", async () => {
    await using bucket = await open();
    const first = randomBytes(1000);
    expect(await bucket.create("refs/log-1", { bytes: first }, QUIET)).toBe(true);
    expect(await bucket.create("refs/log-1", { bytes: randomBytes(1000) }, QUIET)).toBe(false);
    expect(await bucket.create("refs/log-1", { bytes: first }, QUIET)).toBe(false);
    expect(first.equals(await readWhole(bucket.read("refs/log-1", QUIET)))).toBe(true);
  });

  test(`of ${CREATORS} that create one object at once, one wins and its bytes are there`, async () => {
    await using bucket = await open();
    for (const round of [1, 2, 3]) {
      const bodies = Array.from({ length: CREATORS }, () => randomBytes(200_000));
      const key = `race/${round}`;
      const won = await Promise.all(bodies.map((bytes) => bucket.create(key, { bytes }, QUIET)));
      expect(won.filter(Boolean)).toHaveLength(1);
      const winner = bodies[won.indexOf(true)];
      expect(winner?.equals(await readWhole(bucket.read(key, QUIET)))).toBe(true);
    }
  });
}

function testLarge(open: Open): void {
  test("a large file goes in and out in pieces, and not at all when it is another one", async () => {
    await using bucket = await open();
    await withFolder(async (folder) => {
      const path = join(folder, "large");
      const bytes = randomBytes(LARGE_BYTES);
      await createFile(path, bytes);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const body = { path, sizeBytes: LARGE_BYTES, sha256 };
      const wrong = { ...body, sha256: "f".repeat(64) };
      expect(await codeOf(() => bucket.create("wrong", wrong, QUIET))).toBe("REMOTE_FAILED");
      const short = { ...body, sizeBytes: LARGE_BYTES - 1 };
      expect(await codeOf(() => bucket.create("wrong", short, QUIET))).toBe("REMOTE_FAILED");
      const long = { ...body, sizeBytes: LARGE_BYTES + 1 };
      expect(await codeOf(() => bucket.create("wrong", long, QUIET))).toBe("REMOTE_FAILED");
      expect(await bucket.stat("wrong", QUIET)).toBeUndefined();
      expect(await bucket.create("large", body, QUIET)).toBe(true);
      expect(await bucket.create("large", body, QUIET)).toBe(false);
      const hash = createHash("sha256");
      let mostBytes = 0;
      for await (const piece of bucket.read("large", QUIET)) {
        hash.update(piece);
        mostBytes = Math.max(mostBytes, piece.length);
      }
      expect(hash.digest("hex")).toBe(sha256);
      expect(mostBytes).toBeLessThanOrEqual(4 * MIB);
    });
  });

  test("a call that is canceled ends at once and leaves no object", async () => {
    await using bucket = await open();
    const bytes = randomBytes(LARGE_BYTES);
    const create = abortable();
    const creating = codeOf(() => bucket.create("stopped", { bytes }, create.call));
    create.abort();
    expect(await creating).toBe("CANCELED");
    expect(performance.now() - create.abortedMs()).toBeLessThan(ABORT_MS);
    expect(await bucket.stat("stopped", QUIET)).toBeUndefined();
    await bucket.create("there", { bytes }, QUIET);
    const read = abortable();
    const reading = codeOf(async () => {
      for await (const _ of bucket.read("there", read.call)) read.abort();
    });
    expect(await reading).toBe("CANCELED");
    expect(performance.now() - read.abortedMs()).toBeLessThan(ABORT_MS);
    const list = abortable();
    list.abort();
    const listing = async (): Promise<void> => {
      for await (const _ of bucket.list("", list.call)) await bucket.remove("there", QUIET);
    };
    expect(await codeOf(listing)).toBe("CANCELED");
  });
}

function abortable(): { call: Call; abort: () => void; abortedMs: () => number } {
  const controller = new AbortController();
  let at = 0;
  const abort = (): void => {
    if (!controller.signal.aborted) at = performance.now();
    controller.abort();
  };
  return { call: { signal: controller.signal, onProgress: () => undefined }, abort, abortedMs: () => at };
}
