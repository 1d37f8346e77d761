import { expect, test } from "vitest";
import { encodeCanonical } from "../objects/cbor.ts";
import { type Digest, digestToBytes, hashBytes } from "../objects/digest.ts";
import { aheadBehind, isAncestor, mergeBases, walk, type WalkOptions } from "./graph.ts";
import { type History, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";

async function collect({ store }: History, options: WalkOptions): Promise<Digest[]> {
  const digests: Digest[] = [];
  for await (const node of walk(store, options, QUIET)) digests.push(node.digest);
  return digests;
}

/** r ── a ── x, r ── b ── y, where x also has b and y also has a as a parent. */
async function crissCross(history: History) {
  const r = await history.commit();
  const a = await history.commit({ parents: [r], message: "a" });
  const b = await history.commit({ parents: [r], message: "b" });
  const x = await history.commit({ parents: [a, b], message: "x" });
  const y = await history.commit({ parents: [b, a], message: "y" });
  return { r, a, b, x, y };
}

test("walk() gives every commit once, newest first", async () => {
  await withHistory(async (history) => {
    const { r, a, b, x, y } = await crissCross(history);
    expect(await collect(history, { from: [x, y] })).toEqual([y, x, b, a, r]);
    expect(await collect(history, { from: [x], exclude: [y] })).toEqual([x]);
    expect(await collect(history, { from: [x], exclude: [x] })).toEqual([]);
    expect(await collect(history, { from: [x], firstParent: true })).toEqual([x, a, r]);
  });
});

test("walk() in topological order tells a merged branch before the line it left", async () => {
  await withHistory(async (history) => {
    const r = await history.commit();
    const a1 = await history.commit({ parents: [r] });
    const b1 = await history.commit({ parents: [r] });
    const a2 = await history.commit({ parents: [a1] });
    const b2 = await history.commit({ parents: [b1] });
    const m = await history.commit({ parents: [a2, b2] });
    expect(await collect(history, { from: [m], order: "topo" })).toEqual([m, b2, b1, a2, a1, r]);
    expect(await collect(history, { from: [m, b1], order: "topo" })).toEqual([m, b2, b1, a2, a1, r]);
  });
});

test("walk() leaves out excluded commits though clocks run backwards", async () => {
  await withHistory(async (history) => {
    const hour = 3_600_000;
    const base = await history.commit({ ms: 20 * hour });
    const early = await history.commit({ parents: [base], ms: 2 * hour });
    const left = await history.commit({ parents: [early], ms: 3 * hour });
    const right = await history.commit({ parents: [base], ms: 24 * hour });
    expect(await collect(history, { from: [right], exclude: [left] })).toEqual([right]);
    expect(await collect(history, { from: [left], exclude: [right] })).toEqual([left, early]);
  });
});

test("mergeBases() finds both bases of a criss-cross", async () => {
  await withHistory(async (history) => {
    const { r, a, b, x, y } = await crissCross(history);
    expect(await mergeBases(history.store, x, y, QUIET)).toEqual([b, a]);
    expect(await mergeBases(history.store, a, b, QUIET)).toEqual([r]);
    expect(await mergeBases(history.store, a, x, QUIET)).toEqual([a]);
    expect(await mergeBases(history.store, x, x, QUIET)).toEqual([x]);
  });
});

test("mergeBases() does not give an ancestor of a base, whatever the dates say", async () => {
  await withHistory(async (history) => {
    const old = await history.commit({ ms: 9_000_000 });
    const base = await history.commit({ parents: [old], ms: 1_000 });
    const a = await history.commit({ parents: [base, old], ms: 8_000_000 });
    const b = await history.commit({ parents: [base, old], ms: 8_000_001 });
    expect(await mergeBases(history.store, a, b, QUIET)).toEqual([base]);
  });
});

test("mergeBases() of unrelated histories is empty", async () => {
  await withHistory(async (history) => {
    const [a, b] = [await history.commit(), await history.commit()];
    expect(await mergeBases(history.store, a, b, QUIET)).toEqual([]);
    expect(await isAncestor(history.store, { ancestor: a, descendant: b }, QUIET)).toBe(false);
  });
});

test("aheadBehind() counts what each side has alone", async () => {
  await withHistory(async (history) => {
    const base = (await history.chain(3)).at(-1) as Digest;
    const a = (await history.chain(4, base)).at(-1) as Digest;
    const b = (await history.chain(2, base)).at(-1) as Digest;
    expect(await aheadBehind(history.store, { a, b }, QUIET)).toEqual({ ahead: 4, behind: 2 });
    expect(await aheadBehind(history.store, { a, b: base }, QUIET)).toEqual({ ahead: 4, behind: 0 });
    expect(await aheadBehind(history.store, { a, b: a }, QUIET)).toEqual({ ahead: 0, behind: 0 });
    await expect(aheadBehind(history.store, { a, b, commitsMax: 3 }, QUIET)).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
  });
});

test("walks agree with sets of ancestors on random graphs", { timeout: 240_000 }, async () => {
  const seed = Date.now() % 2 ** 31;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 2 ** 31) * below);
  };
  await withHistory(async (history) => {
    const commits: Digest[] = [];
    const ancestors = new Map<Digest, Set<Digest>>();
    for (let index = 0; index < 60; index += 1) {
      const count = index === 0 ? 0 : random(4);
      const parents = [
        ...new Set(
          Array.from({ length: count }, () => commits[Math.max(0, index - 1 - random(12))] as Digest),
        ),
      ];
      const digest = await history.commit({
        parents,
        message: `${index}`,
        ms: 1_000_000_000 + random(50_000),
      });
      commits.push(digest);
      ancestors.set(
        digest,
        new Set([digest, ...parents.flatMap((parent) => [...(ancestors.get(parent) ?? [])])]),
      );
    }
    const reach = (digest: Digest): Set<Digest> => ancestors.get(digest) ?? new Set();
    for (let round = 0; round < 60; round += 1) {
      const [a, b] = [commits[random(60)] as Digest, commits[random(60)] as Digest];
      const common = [...reach(a)].filter((digest) => reach(b).has(digest));
      const best = common.filter(
        (digest) => !common.some((other) => other !== digest && reach(other).has(digest)),
      );
      expect(new Set(await mergeBases(history.store, a, b, QUIET)), `seed ${seed}`).toEqual(new Set(best));
      const only = [...reach(a)].filter((digest) => !reach(b).has(digest));
      for (const order of ["date", "topo"] as const) {
        const walked = await collect(history, { from: [a], exclude: [b], order });
        expect(new Set(walked), `seed ${seed}`).toEqual(new Set(only));
        expect(walked).toHaveLength(only.length);
      }
      const ancestor = await isAncestor(history.store, { ancestor: a, descendant: b }, QUIET);
      expect(ancestor, `seed ${seed}`).toBe(reach(b).has(a));
    }
  });
});

test(
  "a history of 100,000 commits is walked without deep calls and without holding up others",
  { timeout: 240_000 },
  async () => {
    const commits = new Map<Digest, Uint8Array>();
    const person = { name: "Ada", email: "ada@example.org" };
    const zero = digestToBytes(hashBytes(Buffer.from("tree")));
    let tip: Digest | undefined;
    for (let index = 0; index < 100_000; index += 1) {
      const parents = tip === undefined ? [] : [digestToBytes(tip)];
      const time = [index, 0];
      const fields = {
        tree: zero,
        parents,
        author: person,
        authored: time,
        committer: person,
        committed: time,
      };
      const bytes = encodeCanonical({ type: "commit", ...fields, message: "x", meta: {} });
      tip = hashBytes(bytes);
      commits.set(tip, bytes);
    }
    const [oldest] = commits.keys();
    const last = tip as Digest;
    const source = { objects: { read: async (digest: Digest) => commits.get(digest) ?? new Uint8Array() } };
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    let count = 0;
    for await (const node of walk(source, { from: [last], order: "topo" }, QUIET))
      count += node.parents.length;
    clearInterval(timer);
    expect(count).toBe(99_999);
    expect(turns).toBeGreaterThan(20);
    expect(await isAncestor(source, { ancestor: oldest as Digest, descendant: last }, QUIET)).toBe(true);
    expect(await mergeBases(source, oldest as Digest, last, QUIET)).toEqual([oldest]);
    expect(await aheadBehind(source, { a: last, b: oldest as Digest }, QUIET)).toEqual({
      ahead: 99_999,
      behind: 0,
    });
    const canceled = { signal: AbortSignal.abort(), onProgress: () => undefined };
    await expect(mergeBases(source, oldest as Digest, last, canceled)).rejects.toMatchObject({
      code: "CANCELED",
    });
  },
);
