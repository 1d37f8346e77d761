/** Refs where a second writer silently replaces what the first has created. */
import { randomInt, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Call, counted, hashBytes, parseRefName, type RefChange } from "@smc/store";
import type { SmcError } from "@smc/store/errors";
import { QUIET, remoteSuite, withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import type { Bucket, BucketAbilities, BucketBody, BucketEntry } from "./bucket.ts";
import { onSentOf, readBody } from "./bucket-body.ts";
import { readHeads, updateHeads } from "./bucket-heads.ts";
import { listRefs } from "./bucket-refs.ts";
import { BucketRemote } from "./bucket-remote.ts";
import { openBucket } from "./bucket-url.ts";
import { probeBucket } from "./probe.ts";

/** A folder that behaves as a server that ignores `If-None-Match`. */
class Replacing implements Bucket {
  readonly #inner: Bucket;
  readonly #folder: string;
  /** Called before each object is created. */
  before: () => Promise<void> = () => Promise.resolve();

  private constructor(inner: Bucket, folder: string) {
    this.#inner = inner;
    this.#folder = folder;
  }

  static async open(folder: string): Promise<Replacing> {
    return new Replacing(await openBucket(pathToFileURL(folder).href), folder);
  }

  get url(): string {
    return this.#inner.url;
  }

  async create(key: string, body: BucketBody): Promise<boolean> {
    await this.before();
    const path = join(this.#folder, key);
    const temporary = join(path, "..", `.tmp-${randomUUID()}`);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(temporary, counted(readBody(body, QUIET), onSentOf(body) ?? (() => undefined)));
    await rename(temporary, path);
    return true;
  }

  stat(key: string, call: Call): Promise<BucketEntry | undefined> {
    return this.#inner.stat(key, call);
  }

  read(key: string, call: Call, range?: { from: number; to: number }): AsyncIterable<Uint8Array> {
    return this.#inner.read(key, call, range);
  }

  list(prefix: string, call: Call, options?: { after?: string }): AsyncIterable<BucketEntry> {
    return this.#inner.list(prefix, call, options);
  }

  remove(key: string, call: Call): Promise<void> {
    return this.#inner.remove(key, call);
  }

  probe(call: Call): Promise<BucketAbilities> {
    return probeBucket(this, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}

remoteSuite(
  "a bucket that ignores conditions",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "smc heads-"));
    return {
      open: async (store) => new BucketRemote(await Replacing.open(folder), store),
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
    };
  },
  { verifies: false, isExclusive: false },
);

const REASON = { op: "push", reason: "push", actor: "Ada <ada@example.org>" };
const digestOf = (text: string) => hashBytes(Buffer.from(text));

function move(branch: string, from: string | undefined, to: string | undefined): RefChange {
  const digest = (text: string | undefined) => (text === undefined ? "absent" : digestOf(text));
  return { name: parseRefName(`refs/heads/${branch}`), from: digest(from), to: digest(to) };
}

function update(bucket: Bucket, changes: readonly RefChange[]): Promise<SmcError | "done"> {
  return updateHeads(bucket, { changes, reason: REASON }, QUIET).then(
    () => "done" as const,
    (error: SmcError) => error,
  );
}

async function refsOf(bucket: Bucket): Promise<Record<string, string>> {
  const refs = listRefs(await readHeads(bucket, QUIET));
  return Object.fromEntries(refs.map(({ name, digest }) => [name.slice("refs/heads/".length), digest]));
}

/** A bucket, and what another client that looks at it at the same moment does before the first one has written. */
async function withBucket(run: (bucket: Replacing, other: Bucket) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await using bucket = await Replacing.open(folder);
    await using other = await Replacing.open(folder);
    await run(bucket, other);
  });
}

/** Runs `meanwhile` once, after the bucket was read and before it is written. */
function meanwhile(bucket: Replacing, run: () => Promise<unknown>): void {
  bucket.before = async () => {
    bucket.before = () => Promise.resolve();
    await run();
  };
}

test("one after the other is as anywhere: the newest refs, and a wrong 'from' moves nothing", async () => {
  await withBucket(async (bucket) => {
    expect(await update(bucket, [move("main", undefined, "1"), move("b", undefined, "1")])).toBe("done");
    expect(await update(bucket, [move("main", "1", "2"), move("b", "1", undefined)])).toBe("done");
    expect(await update(bucket, [move("main", "1", "3")])).toMatchObject({ code: "REF_CHANGED" });
    expect(await refsOf(bucket)).toEqual({ main: digestOf("2") });
  });
});

test("two who move different branches at the same time both do", async () => {
  await withBucket(async (bucket, other) => {
    await update(bucket, [move("a", undefined, "1"), move("b", undefined, "1"), move("c", undefined, "1")]);
    meanwhile(bucket, () => update(other, [move("b", "1", "2"), move("c", "1", undefined)]));
    expect(await update(bucket, [move("a", "1", "2")])).toBe("done");
    expect(await refsOf(bucket)).toEqual({ a: digestOf("2"), b: digestOf("2") });
  });
});

test("two who move one branch at the same time: both commits stay, and the later one is told", async () => {
  for (let round = 0; round < 8; round += 1) {
    await withBucket(async (bucket, other) => {
      await update(bucket, [move("main", undefined, "1")]);
      meanwhile(bucket, async () => expect(await update(other, [move("main", "1", "theirs")])).toBe("done"));
      const told = await update(bucket, [move("main", "1", "ours")]);
      const refs = await refsOf(bucket);
      const [beside = ""] = Object.keys(refs).filter((name) => name !== "main");
      expect(Object.values(refs).sort()).toEqual([digestOf("ours"), digestOf("theirs")].sort());
      expect(beside).toBe(`main.diverged-${refs[beside]?.slice(0, 8)}`);
      expect(told).toMatchObject({ code: "REF_CHANGED", details: { beside: `refs/heads/${beside}` } });
      // What a merge is pushed as, and what is no longer needed.
      const now = refs["main"] === digestOf("ours") ? "ours" : "theirs";
      const rest = now === "ours" ? "theirs" : "ours";
      expect(await update(other, [move("main", now, "merged"), move(beside, rest, undefined)])).toBe("done");
      expect(await refsOf(bucket)).toEqual({ main: digestOf("merged") });
    });
  }
});

test("a branch that one moves and another removes is there", async () => {
  await withBucket(async (bucket, other) => {
    await update(bucket, [move("main", undefined, "1")]);
    meanwhile(bucket, () => update(other, [move("main", "1", undefined)]));
    expect(await update(bucket, [move("main", "1", "2")])).toBe("done");
    expect(await refsOf(bucket)).toEqual({ main: digestOf("2") });
    meanwhile(bucket, () => update(other, [move("main", "2", "3")]));
    expect(await update(bucket, [move("main", "2", undefined)])).toMatchObject({ code: "REF_CHANGED" });
    expect(await refsOf(bucket)).toEqual({ main: digestOf("3") });
  });
});

test("a writer who is later by hundreds of pushes loses nothing of anybody's", async () => {
  await withBucket(async (bucket, other) => {
    await update(other, [move("a", undefined, "0"), move("b", undefined, "0")]);
    meanwhile(bucket, async () => {
      for (let index = 0; index < 210; index += 1)
        await update(other, [move("a", String(index), String(index + 1))]);
    });
    // What both knew is gone by then: every difference is a change.
    const told = await update(bucket, [move("b", "0", "late")]);
    const values = Object.values(await refsOf(bucket));
    expect(values).toContain(digestOf("late"));
    expect(values).toContain(digestOf("210"));
    if ((await refsOf(bucket))["b"] !== digestOf("late")) expect(told).toMatchObject({ code: "REF_CHANGED" });
    let count = 0;
    for await (const _ of bucket.list("heads/", QUIET)) count += 1;
    expect(count).toBeLessThan(210);
  });
});

test("of 24 writers at random, on few branches, no commit that was pushed is out of reach", async () => {
  const seed = Number(process.env["HEADS_SEED"] ?? randomInt(2 ** 31));
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  await withFolder(async (folder) => {
    await using bucket = await Replacing.open(folder);
    // Commit → the one that it followed.
    const parents = new Map<string, string | undefined>();
    const names = new Map<string, string>();
    const writers = Array.from({ length: 24 }, async (_, writer) => {
      await using own = await Replacing.open(folder);
      for (let turn = 0; turn < 3; turn += 1) {
        const branch = `b${next(3)}`;
        const now = (await refsOf(own))[branch];
        const from = now === undefined ? undefined : names.get(now);
        const text = `${writer} ${turn}`;
        names.set(digestOf(text), text);
        const told = await update(own, [move(branch, from, text)]);
        if (told === "done" || told.details["beside"] !== undefined) parents.set(text, from);
        else expect(told.code).toBe("REF_CHANGED");
      }
    });
    await Promise.all(writers);
    const reached = new Set<string>();
    for (const digest of Object.values(await refsOf(bucket)))
      for (let text = names.get(digest); text !== undefined; text = parents.get(text)) reached.add(text);
    const lost = [...parents.keys()].filter((text) => !reached.has(text));
    expect(lost, `HEADS_SEED=${seed}`).toEqual([]);
    expect(parents.size).toBeGreaterThan(0);
  });
});

test.each([
  ["not JSON", "{"],
  ["of another version", '{"version":2,"known":[],"refs":{}}'],
  ["without what it knew", '{"version":1,"refs":{}}'],
  ["that knew what is none", '{"version":1,"known":["../x"],"refs":{}}'],
  ["with a digest that is none", '{"version":1,"known":[],"refs":{"refs/heads/a":"x"}}'],
])("a head that is %s is refused, and nothing moves", async (_, text) => {
  await withBucket(async (bucket) => {
    const key = `heads/999999999998-${"0".repeat(32)}.json`;
    await bucket.create(key, { bytes: Buffer.from(text) });
    await expect(readHeads(bucket, QUIET)).rejects.toMatchObject({
      code: expect.stringMatching(/REMOTE_FAILED|FORMAT_UNSUPPORTED/),
    });
    expect(await update(bucket, [move("main", undefined, "x")])).not.toBe("done");
  });
});
