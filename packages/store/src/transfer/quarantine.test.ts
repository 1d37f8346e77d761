import { randomBytes } from "node:crypto";
import { mkdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import { codeOf, moving, packsOf, pushTo } from "../testing/remote-scene.ts";
import { CLIENT, incoming, inPieces, putAll, update, withServed } from "../testing/served.ts";
import { QUIET } from "../testing/testing.ts";
import { openBench } from "../testing/worktree.ts";
import { fsck } from "../verbs/fsck.ts";
import { Quarantine } from "./quarantine.ts";
import { QuarantineRoom } from "./quarantine-room.ts";
import { sweepQuarantine } from "./quarantines.ts";
import type { PackFile } from "./remote.ts";

const OTHER = "f".repeat(32);
const MIB = 1024 * 1024;
const DAY_S = 86_400;

function digestsOf(packs: readonly PackFile[]): Digest[] {
  return packs.flatMap(({ rows }) => rows.map(({ digest }) => digest));
}

function countOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte, 0);
}

test("what one client has put is found by nobody else, and their refs cannot name it", async () => {
  await withServed(async ({ a, remote, as }) => {
    const { digest } = await a.commit({ "m.bin": randomBytes(6 * MIB), "a.txt": "1" });
    const packs = await putAll(remote, a);
    const digests = digestsOf(packs);
    expect(countOf(await remote.missing(digests, QUIET))).toBe(0);
    const other = as(OTHER);
    expect(countOf(await other.missing(digests, QUIET))).toBe(digests.length);
    expect(await other.locate(digests, QUIET)).toEqual([]);
    for (const { name } of packs) expect(await other.statPack(name, QUIET)).toBeUndefined();
    expect(await codeOf(() => update(other, [moving(digest, "absent")]))).toBe("REMOTE_INCOMPLETE");
    expect(await other.refs(QUIET)).toEqual([]);
    await update(remote, [moving(digest, "absent")]);
    expect(countOf(await other.missing(digests, QUIET))).toBe(0);
  });
});

test("what was put is found again after a restart; what was cut off or is no pack is removed", async () => {
  await withServed(async (served) => {
    const { a, restart, waiting, folder } = served;
    const { digest } = await a.commit({ "m.bin": randomBytes(6 * MIB), "a.txt": "1" });
    const packs = await putAll(served.remote, a);
    const quarantine = join(folder, "server", "quarantine", CLIENT);
    const [first] = packs;
    writeFileSync(join(quarantine, `${"0".repeat(64)}.pack`), "no pack");
    writeFileSync(join(quarantine, `${first?.name}-00ff00ff00ff.tmp`), "half a pack");
    await restart();
    expect(countOf(await served.remote.missing(digestsOf(packs), QUIET))).toBe(0);
    expect(waiting().sort()).toEqual(packs.map(({ name }) => `${name}.pack`).sort());
    await update(served.remote, [moving(digest, "absent")]);
    expect(waiting()).toEqual([]);
    expect(await served.remote.refs(QUIET)).toEqual([{ name: "refs/heads/main", digest }]);
  });
});

test("a body that is not what was announced is refused, and nothing of it is kept", async () => {
  await withServed(async ({ a, remote, waiting, folder }) => {
    await a.commit({ "m.bin": randomBytes(MIB) });
    const [large, small] = (await packsOf(a)).sort((x, y) => y.sizeBytes - x.sizeBytes);
    const pack = await incoming(large as PackFile);
    let read = 0;
    async function* counted(): AsyncIterable<Uint8Array> {
      for await (const piece of inPieces(pack.bytes)) {
        read += piece.length;
        yield piece;
      }
    }
    const flipped = Buffer.from(pack.bytes);
    flipped[pack.sizeBytes / 2] = (flipped[pack.sizeBytes / 2] ?? 0) ^ 1;
    const announced = pack.sizeBytes - 5 * 64 * 1024;
    for (const wrong of [
      { ...pack, body: inPieces(flipped) },
      { ...pack, body: inPieces(pack.bytes.subarray(0, -1)) },
      { ...pack, sizeBytes: announced, body: counted() },
      { ...pack, sizeBytes: 0, body: inPieces(pack.bytes) },
      { ...pack, sizeBytes: 2 ** 40, body: inPieces(pack.bytes) },
      { ...pack, name: (small as PackFile).name, body: inPieces(pack.bytes) },
    ]) {
      const error = await remote.receivePack(wrong, QUIET).then(
        () => undefined,
        (thrown: Error) => thrown,
      );
      expect(error).toMatchObject({ code: "OBJECT_INVALID" });
      expect(JSON.stringify(error)).not.toContain(folder);
      expect(waiting()).toEqual([]);
      expect(countOf(await remote.missing(digestsOf([large as PackFile]), QUIET))).toBe(large?.rows.length);
    }
    expect(read, "it stops at the first piece too many").toBeLessThanOrEqual(announced + 64 * 1024);
    expect(await remote.receivePack({ ...pack, body: inPieces(pack.bytes) }, QUIET)).toBe(true);
  });
});

test("what the disk says is told without the place of the store", async () => {
  await withServed(async ({ a, remote, folder }) => {
    await a.commit({ "a.txt": "1" });
    const [pack] = await packsOf(a);
    const place = join(folder, "server", "quarantine");
    mkdirSync(place);
    writeFileSync(join(place, CLIENT), "in the way");
    const error = await remote.putPack(pack as PackFile, QUIET).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: "PATH_NOT_FOUND" });
    expect(JSON.stringify(error)).toContain(`quarantine/${CLIENT}`);
    expect(JSON.stringify(error)).not.toContain(folder);
  });
});

test("the body of a pack that is there already is not read", async () => {
  await withServed(async ({ a, remote }) => {
    const { digest } = await a.commit({ "a.txt": "1" });
    const packs = await putAll(remote, a);
    const pack = await incoming(packs[0] as PackFile);
    let isRead = false;
    const body = {
      [Symbol.asyncIterator]: () => {
        isRead = true;
        return inPieces(pack.bytes)[Symbol.asyncIterator]();
      },
    };
    expect(await remote.receivePack({ ...pack, body }, QUIET)).toBe(false);
    await update(remote, [moving(digest, "absent")]);
    expect(isRead).toBe(false);
  });
});

test("a pack that would leave too little of the disk or the quota is refused before its body is read", async () => {
  await withServed(async ({ a, as, waiting }) => {
    await a.commit({ "m.bin": randomBytes(MIB) });
    const [large] = (await packsOf(a)).sort((x, y) => y.sizeBytes - x.sizeBytes);
    const pack = await incoming(large as PackFile);
    let isRead = false;
    const body = {
      [Symbol.asyncIterator]: () => {
        isRead = true;
        return inPieces(pack.bytes)[Symbol.asyncIterator]();
      },
    };
    for (const rules of [{ quotaBytes: pack.sizeBytes - 1 }, { freeBytesMin: 2 ** 52 }]) {
      const put = (): Promise<unknown> => as(CLIENT, rules).receivePack({ ...pack, body }, QUIET);
      expect(await codeOf(put)).toBe("QUOTA_EXCEEDED");
    }
    expect(isRead).toBe(false);
    expect(waiting()).toEqual([]);
    const rules = { quotaBytes: pack.sizeBytes };
    // The same pack by two clients at once takes room twice.
    const both = [CLIENT, OTHER].map((client) =>
      codeOf(() => as(client, rules).receivePack({ ...pack, body: inPieces(pack.bytes) }, QUIET)),
    );
    expect((await Promise.all(both)).sort()).toEqual(["QUOTA_EXCEEDED", "nothing thrown"]);
  });
});

test("a quota that others use up while a pack comes in ends it; what it took is given back", async () => {
  await withServed(async ({ a, as, server, folder, waiting }) => {
    await a.commit({ "m.bin": randomBytes(40 * MIB) });
    const [large] = (await packsOf(a)).sort((x, y) => y.sizeBytes - x.sizeBytes);
    const pack = await incoming(large as PackFile);
    expect(pack.sizeBytes).toBeGreaterThan(17 * MIB);
    const local = await openBench(server, join(folder, "local"));
    async function* body(): AsyncIterable<Uint8Array> {
      yield pack.bytes.subarray(0, MIB);
      await local.commit({ "theirs.bin": randomBytes(2 * MIB) });
      yield* inPieces(pack.bytes.subarray(MIB));
    }
    const rules = { quotaBytes: pack.sizeBytes + MIB };
    expect(await codeOf(() => as(CLIENT, rules).receivePack({ ...pack, body: body() }, QUIET))).toBe(
      "QUOTA_EXCEEDED",
    );
    expect(waiting()).toEqual([]);
    const more = { quotaBytes: pack.sizeBytes + 4 * MIB };
    expect(await as(CLIENT, more).receivePack({ ...pack, body: inPieces(pack.bytes) }, QUIET)).toBe(true);
  });
});

test("sweepQuarantine() removes what was put more than 7 days ago, of all clients, and gives back its room", async () => {
  await withServed(async (served) => {
    const { a, as, waiting, folder, restart } = served;
    await a.commit({ "m.bin": randomBytes(MIB), "a.txt": "1" });
    const packs = await putAll(served.remote, a);
    await putAll(as(OTHER), a);
    await restart();
    expect(await sweepQuarantine(served.server, QUIET)).toBe(0);
    expect(countOf(await served.remote.missing(digestsOf(packs), QUIET))).toBe(0);
    const [old, ...young] = packs as [PackFile, ...PackFile[]];
    const past = Date.now() / 1000 - 7 * DAY_S - 60;
    for (const client of [CLIENT, OTHER]) {
      const path = join(folder, "server", "quarantine", client, `${old.name}.pack`);
      utimesSync(path, past, past);
    }
    expect(await sweepQuarantine(served.server, QUIET)).toBe(2);
    expect(waiting()).not.toContain(`${old.name}.pack`);
    expect(countOf(await served.remote.missing(digestsOf([old]), QUIET))).toBe(old.rows.length);
    expect(countOf(await served.remote.missing(digestsOf(young), QUIET))).toBe(0);
    const lying = 2 * young.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const put = async (quotaBytes: number): Promise<unknown> =>
      as(CLIENT, { quotaBytes }).receivePack(await incoming(old), QUIET);
    expect(await codeOf(() => put(lying + old.sizeBytes - 1))).toBe("QUOTA_EXCEEDED");
    expect(await put(lying + old.sizeBytes)).toBe(true);
  });
});

test("a whole pack is moved into the store, not written again", async () => {
  await withServed(async ({ a, remote, server, folder }) => {
    await a.commit({ "m.bin": randomBytes(40 * MIB) });
    const { digest } = await a.commit({ "a.txt": "1" });
    const packs = await putAll(remote, a);
    const [large] = packs.sort((x, y) => y.sizeBytes - x.sizeBytes) as [PackFile];
    const { ino } = statSync(join(folder, "server", "quarantine", CLIENT, `${large.name}.pack`));
    await update(remote, [moving(digest, "absent")]);
    const place = join(server.path, "packs", large.name.slice(0, 2), `${large.name}.pack`);
    expect(statSync(place).ino).toBe(ino);
    await pushTo(remote, a);
  });
});

/** A file of weights: 64 KiB and more are cut as tensors. */
function weights(change: number): Buffer {
  const values = new Float32Array(64 * 1024);
  for (const index of values.keys()) values[index] = Math.sin(index) / 10 + (index % 7) * change;
  const head = JSON.stringify({
    w: { dtype: "F32", shape: [values.length], data_offsets: [0, values.byteLength] },
  });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  return Buffer.concat([length, Buffer.from(head), Buffer.from(values.buffer)]);
}

test("of two that put one pack at the same time, the damaged one does not take the place of the other", async () => {
  await withServed(async (served) => {
    const { a, remote, waiting } = served;
    await a.commit({ "m.safetensors": weights(0) });
    await pushTo(remote, a);
    const before = new Set((await packsOf(a)).map(({ name }) => name));
    const { digest, parents } = await a.commit({ "m.safetensors": weights(1e-6) });
    const fresh = (await packsOf(a)).filter(({ name }) => !before.has(name));
    const pack = fresh.find(({ rows }) => rows.some((row) => row.parents !== undefined)) as PackFile;
    const difference = pack.rows.find((row) => row.parents !== undefined);
    const good = await incoming(pack);
    const damaged = Buffer.from(good.bytes);
    const at = (difference?.offset ?? 0) + 64 + (difference?.storedBytes ?? 0) - 1;
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    let goOn = (): void => undefined;
    const isPut = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    async function* late(): AsyncIterable<Uint8Array> {
      yield damaged.subarray(0, 1000);
      await isPut;
      yield damaged.subarray(1000);
    }
    const other = remote.receivePack({ ...good, body: late() }, QUIET);
    expect(await remote.receivePack(good, QUIET)).toBe(true);
    goOn();
    await other;
    for (const each of fresh) if (each !== pack) await remote.putPack(each, QUIET);
    expect(waiting()).toHaveLength(fresh.length);
    await update(remote, [moving(digest, parents[0] ?? "absent")]);
    expect(await fsck(served.server, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
  });
});

test.for([
  ["has no patience left: unverified", AbortSignal.abort(), false],
  ["waits: verified", new AbortController().signal, true],
] as const)("a pack of who %s", async ([, patience, isVerified]) => {
  await withServed(async ({ a, server, folder }) => {
    await a.commit({ "m.bin": randomBytes(MIB) });
    const [large] = (await packsOf(a)).sort((x, y) => y.sizeBytes - x.sizeBytes) as [PackFile];
    const place = join(folder, "apart");
    const room = await QuarantineRoom.open(server, place);
    const quarantine = new Quarantine({ store: server, room, folder: place, patience: () => patience });
    const rules = { quotaBytes: 0, freeBytesMin: 0 };
    expect(await quarantine.put(await incoming(large), rules, QUIET)).toBe(true);
    expect(quarantine.pack(large.name)?.isVerified).toBe(isVerified);
    expect(quarantine.unverified().size).toBe(isVerified ? 0 : 1);
  });
});
