/** `smc undelete`: brings back what gc took away, as long as it is there. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { type Epoch, emptyEpoch, listTrash, takeBack } from "../gc/trash.ts";
import { NOBODY, readPruned, unmarkPruned, wholeAgain } from "../history/pruned.ts";
import { decodeCommit } from "../objects/objects.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { indexPack } from "../pack/folder.ts";
import { show } from "../show.ts";

/** Commits that are listed. */
const COMMITS_MAX = 1000;

export interface UndeleteOptions {
  /** The gc whose work is undone; default: all that can be. */
  readonly epoch?: string;
  /** "Name <address>": who does it, for the journal. */
  readonly actor?: string;
  /** Only tells what can be brought back. */
  readonly list?: boolean;
}

export interface UndeleteResult {
  readonly listed: boolean;
  readonly epochs: readonly {
    readonly name: string;
    readonly ms: number;
    readonly packs: number;
    readonly bytes: number;
  }[];
  /** Versions that had given up their files and have them again. */
  readonly unpruned: number;
  /** Commits that are back, the newest first, at most 1,000. Nothing names them: the next gc takes them again. */
  readonly commits: readonly {
    readonly digest: string;
    readonly committedMs: number;
    readonly message: string;
  }[];
}

/** Throws REVISION_NOT_FOUND for an epoch that is not in the trash, READ_ONLY, PACK_CORRUPT. */
export function undelete(store: OwnedStore, options: UndeleteOptions, call: Call): Promise<UndeleteResult> {
  return store.alone(async () => {
    const trash = await listTrash(store.path);
    const chosen = options.epoch === undefined ? trash : trash.filter(({ name }) => name === options.epoch);
    if (options.epoch !== undefined && chosen.length === 0) {
      throw new SmcError(
        "REVISION_NOT_FOUND",
        `there is no '${show(options.epoch, 80)}' in the trash; nothing was changed`,
        {
          hint: 'see "smc undelete --list"',
        },
      );
    }
    const epochs = chosen.map(({ name, ms, packs, sizeBytes }) => ({
      name,
      ms,
      packs: packs.length,
      bytes: sizeBytes,
    }));
    if (options.list === true) return { listed: true, epochs, commits: [], unpruned: 0 };
    store.assertWritable();
    const commits: Digest[] = [];
    for (const epoch of chosen) commits.push(...(await restore(store, epoch, call)));
    const whole = await wholeAgain(store, await readPruned(store), call);
    await unmarkPruned(store, whole, {
      reason: "undelete: the files are back",
      actor: options.actor ?? NOBODY,
    });
    return { listed: false, epochs, commits: await describe(store, commits), unpruned: whole.length };
  });
}

/** Digests of the commits that came back. Chunks are indexed before the objects that need them. */
async function restore(store: OwnedStore, epoch: Epoch, { signal }: Call): Promise<Digest[]> {
  const context = { path: store.path, index: store.index, pool: store.pool };
  const folder = (name: Digest): string => `${store.path}/trash/${epoch.name}/${name}.pack`;
  const contents = [];
  for (const { name } of epoch.packs)
    contents.push(await store.pool.run("contents", { pack: folder(name) }, { signal }));
  await takeBack(store.path, epoch);
  const hasObjects = contents.map(({ rows }) => rows.some(({ kind }) => kind !== "chunk"));
  const commits: Digest[] = [];
  for (const wanted of [false, true]) {
    for (const [index, pack] of contents.entries()) {
      if (hasObjects[index] !== wanted) continue;
      await indexPack(context, pack);
      commits.push(...pack.rows.filter(({ kind }) => kind === "commit").map(({ digest }) => digest));
    }
  }
  await emptyEpoch(store.path, epoch);
  return commits;
}

async function describe(store: OwnedStore, digests: readonly Digest[]): Promise<UndeleteResult["commits"]> {
  const commits = [];
  for (const digest of new Set(digests)) {
    const { committed, message } = decodeCommit(await store.objects.read(digest, "commit"));
    commits.push({ digest, committedMs: committed.ms, message });
    if (commits.length >= COMMITS_MAX) break;
  }
  return commits.sort((a, b) => b.committedMs - a.committedMs);
}
