/** For tests: what every kind of remote must do, whatever is behind it. */
import { randomBytes } from "node:crypto";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Progress } from "../call.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { parseRefName } from "../objects/names.ts";
import type { PackFile } from "../transfer/remote.ts";
import { fetch } from "../verbs/fetch.ts";
import { push } from "../verbs/push.ts";
import { flip } from "./damage.ts";
import {
  abortable,
  codeOf,
  moving,
  type OpenPlace as Open,
  packsOf,
  pushTo,
  readBlob,
  refsOf,
  withScene,
} from "./remote-scene.ts";
import { cancelReading, NOWHERE, REASON, testReading } from "./read-only-suite.ts";
import { QUIET } from "./testing.ts";
import { owned } from "./two-stores.ts";

const MIB = 1024 * 1024;
const PUSHERS = 8;
/** A second, and what a crowded machine adds. */
const ABORT_MS = 5000;
const MAIN = parseRefName("refs/heads/main");

export interface RemoteSuiteOptions {
  /** It looks at what is put, and for what the refs need, before it moves them. */
  readonly verifies: boolean;
  /** Of two who create the same name one is refused; true by default. Elsewhere both may be told of the other. */
  readonly isExclusive?: boolean;
}

/** Registers the tests of one kind of remote. */
export function remoteSuite(name: string, open: Open, options: RemoteSuiteOptions): void {
  describe(`a remote in ${name}`, () => {
    testTransfer(open);
    testPacks(open, options);
    testSent(open);
    testReading(open);
    testRefs(open);
    testTogether(open, options.isExclusive ?? true);
    testCancel(open);
    if (options.verifies) testVerifying(open);
  });
}

function testTransfer(open: Open): void {
  test("what was pushed is fetched byte by byte, and pushed again moves nothing", async () => {
    await withScene(open, async ({ a, remote, b, remoteB }) => {
      expect(await remote.refs(QUIET)).toEqual([]);
      const bytes = randomBytes(9 * MIB);
      const { digest } = await a.commit({ "model.bin": bytes, "notes/readme.md": "one", empty: "" });
      const pushed = await pushTo(remote, a);
      expect(pushed.refs).toMatchObject([{ name: MAIN, from: null, to: digest }]);
      expect(await refsOf(remote)).toEqual({ [MAIN]: digest });
      expect(await pushTo(remote, a)).toMatchObject({ refs: [], sentBytes: 0, packs: 0 });
      const again = await pushTo(remote, a, ["main:refs/heads/copy"]);
      expect(again).toMatchObject({ sentBytes: 0, packs: 0, objects: 0 });
      const fetched = await fetch(owned(b), { remote: remoteB, remoteName: "origin" }, QUIET);
      expect(fetched.verifiedBlobs).toBe(3);
      expect(bytes.equals(await readBlob(b, hashBytes(bytes)))).toBe(true);
      expect((await readBlob(b, hashBytes(Buffer.from("one")))).toString()).toBe("one");
      expect(await fetch(owned(b), { remote: remoteB, remoteName: "origin" }, QUIET)).toMatchObject({
        objects: 0,
        receivedBytes: 0,
      });
    });
  });

  test("a new version moves what is new in it", async () => {
    await withScene(open, async ({ place, a, remote, b, remoteB }) => {
      const bytes = randomBytes(16 * MIB);
      await a.commit({ "model.bin": bytes });
      const first = await pushTo(remote, a);
      await fetch(owned(b), { remote: remoteB, remoteName: "origin" }, QUIET);
      bytes.write("another header", 100);
      const { digest } = await a.commit({ "model.bin": bytes });
      const second = await pushTo(remote, a);
      expect(second.sentBytes).toBeLessThan(first.sentBytes / 3);
      expect(await refsOf(remote)).toEqual({ [MAIN]: digest });
      await using later = await place.open(b.store);
      const fetched = await fetch(owned(b), { remote: later, remoteName: "origin" }, QUIET);
      expect(fetched.receivedBytes).toBeLessThan(first.sentBytes / 3);
      expect(bytes.equals(await readBlob(b, hashBytes(bytes)))).toBe(true);
    });
  });
}

function testPacks(open: Open, { verifies }: RemoteSuiteOptions): void {
  test("a pack may be put again, also by two at once and by somebody else", async () => {
    await withScene(open, async ({ a, remote, remoteB }) => {
      const { digest } = await a.commit({ "model.bin": randomBytes(2 * MIB), "a.txt": "1" });
      const packs = await packsOf(a);
      const digests = packs.flatMap(({ rows }) => rows.map((row) => row.digest));
      expect(await remote.missing(digests, QUIET)).toEqual(new Uint8Array(digests.length).fill(1));
      for (const pack of packs) {
        await Promise.all([remote, remote, remoteB].map((each) => each.putPack(pack, QUIET)));
        await remote.putPack(pack, QUIET);
      }
      expect(await remote.missing(digests, QUIET)).toEqual(new Uint8Array(digests.length));
      await remote.update([moving(digest, "absent")], REASON, QUIET);
      for (const pack of packs) await remoteB.putPack(pack, QUIET);
      expect(await remoteB.missing([NOWHERE, ...digests], QUIET)).toEqual(
        Uint8Array.from([NOWHERE, ...digests], (each) => (each === NOWHERE ? 1 : 0)),
      );
    });
  });

  test("a push of what is damaged here names the pack here, and moves nothing", async () => {
    await withScene(open, async ({ a, remote }) => {
      expect(remote.verifiesPacks).toBe(verifies);
      await a.commit({ "model.bin": randomBytes(17 * MIB) });
      const [whole] = (await packsOf(a)).filter(({ sizeBytes }) => sizeBytes > 16 * MIB);
      if (whole === undefined) throw new Error("no pack that is sent whole");
      flip(whole.path, Math.floor(whole.sizeBytes / 2));
      const pushing = pushTo(remote, a);
      await expect(pushing).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
      await expect(pushing).rejects.toThrow(`pack ${whole.name} of this store is damaged at offset`);
      expect(await refsOf(remote)).toEqual({});
      flip(whole.path, Math.floor(whole.sizeBytes / 2));
      await pushTo(remote, a);
      expect(Object.keys(await refsOf(remote))).toEqual([MAIN]);
    });
  });

  test("a pack that is not what its name says is refused, or never taken over by anybody", async () => {
    await withScene(open, async ({ folder, a, remote, b, remoteB }) => {
      const { digest } = await a.commit({ "model.bin": randomBytes(2 * MIB), "a.txt": "1" });
      const broken: PackFile[] = [];
      for (const pack of await packsOf(a)) {
        const path = join(folder, `${pack.name}.pack`);
        await copyFile(pack.path, path);
        flip(path, pack.rows[0]?.offset === undefined ? 100 : pack.rows[0].offset + 60);
        broken.push({ ...pack, path });
      }
      const pushing = async (): Promise<void> => {
        for (const pack of broken) await remote.putPack(pack, QUIET);
        await remote.update([moving(digest, "absent")], REASON, QUIET);
      };
      const code = await codeOf(pushing);
      if (verifies) expect(["OBJECT_INVALID", "OBJECT_CORRUPT"]).toContain(code);
      if (code !== "nothing thrown") expect(await refsOf(remote)).toEqual({});
      else
        expect(await codeOf(() => fetch(owned(b), { remote: remoteB, remoteName: "origin" }, QUIET))).toBe(
          "OBJECT_CORRUPT",
        );
      expect(await b.store.objects.stat(digest)).toBeUndefined();
      expect(await b.store.refs.list(b.repository.name, "refs/remotes/")).toEqual([]);
    });
  });
}

/** Between two tellings. */
const SENT_BYTES_MAX = 2 * MIB;

function testSent(open: Open): void {
  test("a push tells how many bytes have gone while a pack is on its way", async () => {
    await withScene(open, async ({ a, remote }) => {
      await a.commit({ "model.bin": randomBytes(24 * MIB) });
      const heard = [0];
      let totalBytes = 0;
      const onProgress = ({ phase, done, total = 0 }: Progress): void => {
        if (phase !== "send") return;
        heard.push(done);
        totalBytes = total;
      };
      await push(owned(a), { remote, remoteName: "origin", refs: ["main"] }, { ...QUIET, onProgress });
      expect(heard.at(-1)).toBe(totalBytes);
      expect(totalBytes).toBeGreaterThan(24 * MIB);
      const steps = heard.slice(1).map((bytes, at) => bytes - (heard[at] as number));
      expect(steps.filter((bytes) => bytes < 0 || bytes > SENT_BYTES_MAX)).toEqual([]);
    });
  });
}

function testRefs(open: Open): void {
  test("refs move only from what they are said to be, all or none", async () => {
    await withScene(open, async ({ a, remote, remoteB }) => {
      const first = await a.commit({ "a.txt": "1" });
      await pushTo(remote, a);
      const second = await a.commit({ "a.txt": "2" });
      await pushTo(remote, a, ["main:refs/heads/next"]);
      const before = await refsOf(remote);
      expect(before).toEqual({ [MAIN]: first.digest, "refs/heads/next": second.digest });
      for (const change of [
        moving(second.digest, "absent"),
        moving(second.digest, second.digest),
        moving("absent", second.digest),
        moving(second.digest, first.digest, "none"),
      ]) {
        const changes = [
          moving(first.digest, "absent", "aaa"),
          change,
          moving(first.digest, "absent", "zzz"),
        ];
        expect(await codeOf(() => remote.update(changes, REASON, QUIET))).toBe("REF_CHANGED");
        expect(await refsOf(remoteB)).toEqual(before);
      }
      await remoteB.update(
        [
          moving(second.digest, first.digest),
          moving("absent", "any", "next"),
          moving(first.digest, "any", "old"),
        ],
        REASON,
        QUIET,
      );
      expect(await refsOf(remote)).toEqual({ [MAIN]: second.digest, "refs/heads/old": first.digest });
    });
  });
}

function testTogether(open: Open, isExclusive: boolean): void {
  test(`${PUSHERS} that push to branches of their own at once all get through`, async () => {
    await withScene(open, async ({ place, a, b, remoteB }) => {
      const pushes: string[] = [];
      const expected: Record<string, Digest> = {};
      for (let index = 0; index < PUSHERS; index += 1) {
        const { digest } = await a.commit({ "a.txt": String(index), [`${index}.bin`]: randomBytes(100_000) });
        pushes.push(`${digest}:refs/heads/b${index}`);
        expected[`refs/heads/b${index}`] = digest;
      }
      await Promise.all(
        pushes.map(async (spec) => {
          await using remote = await place.open(a.store);
          await pushTo(remote, a, [spec]);
        }),
      );
      expect(await refsOf(remoteB)).toEqual(expected);
      const fetched = await fetch(owned(b), { remote: remoteB, remoteName: "origin" }, QUIET);
      expect(fetched.refs).toHaveLength(PUSHERS);
    });
  });

  const outcome = isExclusive ? "one wins, and the other is told" : "one at most is done, and both are there";
  test(`of two that move one branch at once ${outcome}`, async () => {
    await withScene(open, async ({ a, remote, remoteB }) => {
      const { digest: base } = await a.commit({ "a.txt": "1" });
      await pushTo(remote, a);
      const { digest: one } = await a.commit({ "a.txt": "2" });
      const { digest: two } = await a.commit({ "a.txt": "3" });
      await pushTo(remote, a, [`${two}:refs/heads/side`, `${one}:refs/heads/other`]);
      const ended = await Promise.allSettled([
        remote.update([moving(one, base)], REASON, QUIET),
        remoteB.update([moving(two, base)], REASON, QUIET),
      ]);
      const lost = ended.filter((each) => each.status === "rejected");
      for (const { reason } of lost) expect(reason).toMatchObject({ code: "REF_CHANGED" });
      const refs = await refsOf(remote);
      if (isExclusive) {
        expect(lost).toHaveLength(1);
        expect(refs[MAIN]).toBe(ended[0]?.status === "fulfilled" ? one : two);
      } else {
        expect(lost.length).toBeGreaterThan(0);
        delete refs["refs/heads/side"];
        delete refs["refs/heads/other"];
        // Who only began when the other had ended is refused as anywhere, and nothing of it is there.
        const isTogether = lost.some(({ reason }) => reason.details.beside !== undefined);
        const winner = ended[0]?.status === "fulfilled" ? one : two;
        expect(Object.values(refs)).toEqual(expect.arrayContaining(isTogether ? [one, two] : [winner]));
      }
    });
  });
}

function testCancel(open: Open): void {
  test("a call that is canceled ends quickly, and nothing moved", async () => {
    await withScene(open, async ({ a, remote }) => {
      const { digest } = await a.commit({ "model.bin": randomBytes(32 * MIB) });
      const [large] = (await packsOf(a)).sort((x, y) => y.sizeBytes - x.sizeBytes);
      const { call, abort } = abortable();
      const putting = codeOf(() => remote.putPack(large as PackFile, call));
      abort();
      const abortedMs = performance.now();
      expect(await putting).toBe("CANCELED");
      expect(await codeOf(() => remote.missing([digest], call))).toBe("CANCELED");
      expect(await codeOf(() => remote.locate([digest], call))).toBe("CANCELED");
      expect(await codeOf(() => remote.refs(call))).toBe("CANCELED");
      expect(await codeOf(() => remote.update([moving(digest, "absent")], REASON, call))).toBe("CANCELED");
      expect(performance.now() - abortedMs).toBeLessThan(ABORT_MS);
      expect(await refsOf(remote)).toEqual({});
      await pushTo(remote, a);
      await cancelReading(remote, (large as PackFile).rows);
    });
  });
}

function testVerifying(open: Open): void {
  test("a ref to what was never sent is refused, and what was sent of it stays unseen", async () => {
    await withScene(open, async ({ a, remote, b, remoteB }) => {
      const { digest: base } = await a.commit({ "a.txt": "1" });
      await pushTo(remote, a);
      const { digest } = await a.commit({ "a.txt": "2", "model.bin": randomBytes(6 * MIB) });
      const changes = [moving(base, "absent", "aaa"), moving(digest, base)];
      const update = (): Promise<string> => codeOf(() => remote.update(changes, REASON, QUIET));
      expect(await update()).toBe("REMOTE_INCOMPLETE");
      const packs = (await packsOf(a)).sort((x, y) => y.sizeBytes - x.sizeBytes);
      const [chunks] = packs;
      for (const pack of packs) if (pack !== chunks) await remote.putPack(pack, QUIET);
      expect(await update()).toBe("REMOTE_INCOMPLETE");
      expect(await refsOf(remoteB)).toEqual({ [MAIN]: base });
      await remote.putPack(chunks as PackFile, QUIET);
      await remote.update(changes, REASON, QUIET);
      expect(await refsOf(remoteB)).toEqual({ [MAIN]: digest, "refs/heads/aaa": base });
      await fetch(owned(b), { remote: remoteB, remoteName: "origin" }, QUIET);
      const model = hashBytes(await readFile(join(a.root, "model.bin")));
      expect(hashBytes(await readBlob(b, model))).toBe(model);
    });
  });
}
