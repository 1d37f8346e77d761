/** For tests: what every remote must do for who reads, and one that can only be read. */
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Digest, hashBytes } from "../objects/digest.ts";
import type { PackFile, Remote } from "../transfer/remote.ts";
import { fetch } from "../verbs/fetch.ts";
import {
  abortable,
  bringThere,
  codeOf,
  moving,
  type OpenPlace as Open,
  packsOf,
  pushTo,
  readBlob,
  readWhole,
  refsOf,
  withScene,
} from "./remote-scene.ts";
import { QUIET } from "./testing.ts";
import { owned } from "./two-stores.ts";

const MIB = 1024 * 1024;
export const REASON = { op: "push", reason: "push: main", actor: "Ada <ada@example.org>" };
/** Of nothing that is anywhere. */
export const NOWHERE = hashBytes(Buffer.from("nowhere"));

/** Registers the tests of one kind of remote that can only be read: `RemotePlace.publish` fills it. */
export function readOnlySuite(name: string, open: Open): void {
  describe(`a remote in ${name}`, () => {
    testFetching(open);
    testReading(open);
    testCancelReading(open);
    testRefusing(open);
  });
}

function testFetching(open: Open): void {
  test("what is there is fetched byte by byte, and fetched again moves nothing", async () => {
    await withScene(open, async (scene) => {
      const { a, b, place } = scene;
      const bytes = randomBytes(9 * MIB);
      const { digest } = await a.commit({ "model.bin": bytes, "notes/readme.md": "one", empty: "" });
      await bringThere(scene);
      const again = async (): ReturnType<typeof fetch> => {
        await using remote = await place.open(b.store);
        return await fetch(owned(b), { remote, remoteName: "origin" }, QUIET);
      };
      const fetched = await again();
      expect(fetched.refs).toMatchObject([{ name: "refs/remotes/origin/main", to: digest }]);
      expect(fetched.verifiedBlobs).toBe(3);
      expect(bytes.equals(await readBlob(b, hashBytes(bytes)))).toBe(true);
      expect(await again()).toMatchObject({ refs: [], objects: 0, receivedBytes: 0 });
      const later = await a.commit({ "notes/readme.md": "two" });
      await bringThere(scene);
      expect((await again()).refs).toMatchObject([{ from: digest, to: later.digest, fastForward: true }]);
      expect((await readBlob(b, hashBytes(Buffer.from("two")))).toString()).toBe("two");
    });
  });
}

function testRefusing(open: Open): void {
  test("nothing is pushed there, and the reason is told", async () => {
    await withScene(open, async (scene) => {
      const { a, remote } = scene;
      const { digest } = await a.commit({ "a.txt": "1" });
      await bringThere(scene);
      expect(remote.readOnly).toBeTypeOf("string");
      const pushing = pushTo(remote, a);
      await expect(pushing).rejects.toMatchObject({ code: "PUSH_FORBIDDEN", exit: 5 });
      await expect(pushing).rejects.toThrow(remote.readOnly ?? "");
      const [pack] = await packsOf(a);
      expect(await codeOf(() => remote.putPack(pack as PackFile, QUIET))).toBe("PUSH_FORBIDDEN");
      const moves = [moving(digest, "absent", "other")];
      expect(await codeOf(() => remote.update(moves, REASON, QUIET))).toBe("PUSH_FORBIDDEN");
      expect(await refsOf(remote)).toEqual({ "refs/heads/main": digest });
    });
  });
}

/** What both kinds do who read. */
export function testReading(open: Open): void {
  test("what is not there is missing, left out, undefined or an error", async () => {
    await withScene(open, async (scene) => {
      const { a, remote, place } = scene;
      const look = async (): Promise<void> => {
        expect(await remote.missing([NOWHERE], QUIET)).toEqual(Uint8Array.of(1));
        expect(await remote.missing([], QUIET)).toEqual(new Uint8Array());
        expect(await remote.locate([NOWHERE], QUIET)).toEqual([]);
        expect(await remote.statPack(NOWHERE, QUIET)).toBeUndefined();
        expect(await codeOf(() => remote.packBytes(NOWHERE, QUIET))).toBe("REMOTE_INCOMPLETE");
        const range = { from: 0, to: 1 };
        expect(await codeOf(() => readWhole(remote.readPack(NOWHERE, range, QUIET)))).toBe(
          "REMOTE_INCOMPLETE",
        );
      };
      if (place.publish === undefined) await look();
      await a.commit({ "a.txt": "1" });
      await bringThere(scene);
      await look();
    });
  });

  test("records lie where it says, and ranges of packs are exactly what was asked for", async () => {
    await withScene(open, async (scene) => {
      const { a, remoteB } = scene;
      const bytes = randomBytes(6 * MIB);
      const { digest } = await a.commit({ "model.bin": bytes });
      await bringThere(scene);
      const [row] = await remoteB.locate([hashBytes(bytes)], QUIET);
      expect(row).toMatchObject({ kind: "chunklist", blob: hashBytes(bytes) });
      const found = (await remoteB.locate([digest], QUIET)).find((each) => each.digest === digest);
      expect(found).toMatchObject({ kind: "commit" });
      const name = found?.pack as Digest;
      const sizeBytes = await remoteB.packBytes(name, QUIET);
      expect(await remoteB.statPack(name, QUIET)).toBe(sizeBytes);
      const whole = await readWhole(remoteB.readPack(name, { from: 0, to: sizeBytes }, QUIET));
      expect(whole).toHaveLength(sizeBytes);
      for (const [from, to] of [
        [0, 0],
        [0, 1],
        [7, 300],
        [sizeBytes - 1, sizeBytes],
      ] as const) {
        const part = await readWhole(remoteB.readPack(name, { from, to }, QUIET));
        expect(part.equals(whole.subarray(from, to)), `${from} to ${to}`).toBe(true);
      }
      const beyond = { from: sizeBytes - 1, to: sizeBytes + 1 };
      expect(await codeOf(() => readWhole(remoteB.readPack(name, beyond, QUIET)))).toBe("REMOTE_FAILED");
    });
  });
}

function testCancelReading(open: Open): void {
  test("reading that is canceled ends", async () => {
    await withScene(open, async (scene) => {
      const { a, remote } = scene;
      const { digest } = await a.commit({ "model.bin": randomBytes(6 * MIB) });
      await bringThere(scene);
      const { call, abort } = abortable();
      abort();
      expect(await codeOf(() => remote.missing([digest], call))).toBe("CANCELED");
      expect(await codeOf(() => remote.locate([digest], call))).toBe("CANCELED");
      expect(await codeOf(() => remote.refs(call))).toBe("CANCELED");
      for (const { rows } of await packsOf(a)) await cancelReading(remote, rows);
    });
  });
}

/** Stops the reading of the pack there that has the first chunk of these. */
export async function cancelReading(remote: Remote, rows: PackFile["rows"]): Promise<void> {
  const reading = abortable();
  // A list or a tree may lie in another pack there.
  const chunk = rows.find(({ kind }) => kind === "chunk");
  if (chunk === undefined) return;
  const [row] = await remote.locate([chunk.digest], QUIET);
  const pack = row?.pack as Digest;
  const range = { from: 0, to: await remote.packBytes(pack, QUIET) };
  const read = async (): Promise<void> => {
    for await (const _ of remote.readPack(pack, range, reading.call)) reading.abort();
  };
  expect(await codeOf(read)).toBe("CANCELED");
}
