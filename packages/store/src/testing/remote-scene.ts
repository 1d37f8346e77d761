/** For tests: two stores, and a remote that both can reach. */
import { join } from "node:path";
import type { Call } from "../call.ts";
import { isSmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { parseRefName } from "../objects/names.ts";
import { openStore, type OwnedStore } from "../open-store.ts";
import { packPath, readChunklists } from "../pack/folder.ts";
import type { RefChange } from "../refs/refs.ts";
import type { PackFile, Remote } from "../transfer/remote.ts";
import { push } from "../verbs/push.ts";
import { QUIET, withFolder } from "./testing.ts";
import { owned } from "./two-stores.ts";
import { type Bench, openBench } from "./worktree.ts";

/** A repository somewhere, empty; disposing takes it away with all that it needed. */
export interface RemotePlace extends AsyncDisposable {
  /** A way to it for one command; the store is that of whoever goes there, and each store is somebody else. */
  open(store: OwnedStore): Promise<Remote>;
  /** Makes all branches of this bench what is there, where nothing can be pushed. */
  publish?(bench: Bench): Promise<void>;
}

export type OpenPlace = () => Promise<RemotePlace>;

export interface Scene {
  readonly place: RemotePlace;
  readonly folder: string;
  readonly a: Bench;
  readonly remote: Remote;
  /** Another store, and its way to the same place. */
  readonly b: Bench;
  readonly remoteB: Remote;
}

export async function withScene(open: OpenPlace, run: (scene: Scene) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await using place = await open();
    await using first = await openStore(join(folder, "store-a"), { create: true });
    await using second = await openStore(join(folder, "store-b"), { create: true });
    await using remote = await place.open(first);
    await using remoteB = await place.open(second);
    const a = await openBench(first, join(folder, "a"));
    const b = await openBench(second, join(folder, "b"));
    await run({ place, folder, a, remote, b, remoteB });
  });
}

export function pushTo(
  remote: Remote,
  bench: Bench,
  refs: readonly string[] = ["main"],
): ReturnType<typeof push> {
  return push(owned(bench), { remote, remoteName: "origin", refs }, QUIET);
}

/** Brings the branches of a bench there in the way of this place. */
export async function bringThere({ place, a, remote }: Scene, refs?: readonly string[]): Promise<void> {
  if (place.publish === undefined) await pushTo(remote, a, refs);
  else await place.publish(a);
}

export async function refsOf(remote: Remote): Promise<Record<string, Digest>> {
  return Object.fromEntries((await remote.refs(QUIET)).map(({ name, digest }) => [name, digest]));
}

export async function codeOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
    return "nothing thrown";
  } catch (error) {
    if (!isSmcError(error)) throw error;
    return error.code;
  }
}

export async function readWhole(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

export async function readBlob({ store }: Bench, digest: Digest): Promise<Buffer> {
  return readWhole(store.objects.readBlob(digest, QUIET));
}

/** The packs of a store, as `push` sends a whole one. */
export async function packsOf({ store }: Bench): Promise<PackFile[]> {
  const packs: PackFile[] = [];
  for (const { name } of store.index.packs()) {
    const path = packPath(store.path, name);
    const { rows, sizeBytes } = await store.pool.run("contents", { pack: path }, { signal: QUIET.signal });
    const lists = await readChunklists(store.pool, path, rows);
    const blobs = new Map(lists.map(({ digest, blob }) => [digest, blob]));
    const named = rows.map((row) => {
      const blob = blobs.get(row.digest);
      return { ...row, pack: name, ...(blob === undefined ? {} : { blob }) };
    });
    packs.push({ path, name, sizeBytes, rows: named });
  }
  return packs;
}

export function moving(to: Digest | "absent", from: RefChange["from"], name = "main"): RefChange {
  return { name: parseRefName(`refs/heads/${name}`), from, to };
}

export function abortable(): { call: Call; abort: () => void } {
  const controller = new AbortController();
  return {
    call: { signal: controller.signal, onProgress: () => undefined },
    abort: () => controller.abort(),
  };
}
