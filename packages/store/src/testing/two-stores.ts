/** For tests: two stores with a worktree each, and a remote between them. */
import { join } from "node:path";
import { openStore } from "../open-store.ts";
import { changeRemotes, type RemoteAccess } from "../remotes.ts";
import type { OwnedRepository } from "../repository.ts";
import { fetch } from "../verbs/fetch.ts";
import { push, type PushOptions } from "../verbs/push.ts";
import { FolderRemote } from "./folder-remote.ts";
import { QUIET, withFolder } from "./testing.ts";
import { type Bench, openBench } from "./worktree.ts";

export interface TwoStores {
  readonly folder: string;
  readonly remote: FolderRemote;
  /** Where `remote` is, for verbs that open it. */
  readonly url: string;
  readonly a: Bench;
  readonly b: Bench;
  /** Opens the folders of `file:` URLs. */
  readonly access: RemoteAccess;
  /** Gives the repository this remote as `origin`. */
  readonly follow: (bench: Bench) => Promise<void>;
  readonly push: (bench: Bench, options?: Partial<PushOptions>) => Promise<void>;
  readonly fetch: (bench: Bench) => Promise<void>;
}

export function owned({ store, repository }: Bench): OwnedRepository {
  return { ...repository, store };
}

/** Opens only folders. */
export const FOLDERS: RemoteAccess = {
  check: (url) => void new URL(url),
  probe: () => Promise.resolve({ readOnly: false, exclusive: true }),
  open: ({ url }) => FolderRemote.open(new URL(url).pathname),
};

export async function withTwoStores<T>(run: (stores: TwoStores) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    await using first = await openStore(join(folder, "store-a"), { create: true });
    await using second = await openStore(join(folder, "store-b"), { create: true });
    const remote = await FolderRemote.open(join(folder, "remote"));
    const named = { remote, remoteName: "origin" };
    return await run({
      folder,
      remote,
      url: remote.url,
      a: await openBench(first, join(folder, "a")),
      b: await openBench(second, join(folder, "b")),
      access: FOLDERS,
      follow: async ({ store, repository: { name: repository } }) => {
        const record = { repository, name: "origin", url: remote.url };
        await changeRemotes(store, repository, () => [record], QUIET);
      },
      push: async (bench, options = {}) => void (await push(owned(bench), { ...named, ...options }, QUIET)),
      fetch: async (bench) => void (await fetch(owned(bench), named, QUIET)),
    });
  });
}
