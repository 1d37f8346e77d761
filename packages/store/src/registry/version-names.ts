/** What versions are called: the tags that name a commit, the best of them first. */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { versionName } from "../refs/version-order.ts";
import type { Repository } from "../repository.ts";
import { peelRef } from "./facts.ts";

const PREFIX = "refs/tags/";

/** Commit → what it is called. */
export interface VersionNames {
  /** The highest `vX.Y.Z` that names the commit, else another tag that does, else `c-` and 12 digits. */
  nameOf(commit: Digest): string;
}

/** Reads every tag once. Throws OBJECT_CORRUPT, CANCELED. */
export async function readVersionNames(
  repository: Pick<Repository, "store" | "name">,
  call: Call,
): Promise<VersionNames> {
  const tags = await readTags(repository, call);
  return { nameOf: (commit) => versionName(tags.get(commit) ?? [], commit) };
}

/** Commit → its tags, in the order of their names. Throws OBJECT_CORRUPT, CANCELED. */
export async function readTags(
  { store, name: repository }: Pick<Repository, "store" | "name">,
  call: Call,
): Promise<Map<Digest, string[]>> {
  const tags = new Map<Digest, string[]>();
  const pace = createPacer(call);
  for (const { name, digest } of await store.refs.list(repository, PREFIX)) {
    const { commit } = await peelRef(store, digest);
    const known = commit === undefined ? undefined : tags.get(commit);
    if (known !== undefined) known.push(name.slice(PREFIX.length));
    else if (commit !== undefined) tags.set(commit, [name.slice(PREFIX.length)]);
    await pace();
  }
  return tags;
}
