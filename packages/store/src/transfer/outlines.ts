/** Versions that come without their files: which of them a push may bring. */
import { type Call, createPacer } from "../call.ts";
import { walk } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import { readPruned } from "../history/pruned.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";

/**
 * Those of the commits that may lack their files here: what any ref of any repository names, or named, stays whole, as
 * gc takes the files of an outline away wherever they are needed only by it.
 */
export async function acceptOutlines(
  store: OwnedStore,
  commits: readonly Digest[],
  call: Call,
): Promise<Set<Digest>> {
  const known = new Set((await readPruned(store)).map(({ digest }) => digest));
  const places = await store.index.findMany(commits);
  const doubtful = new Set(
    commits.filter((digest, index) => places[index] !== undefined && !known.has(digest)),
  );
  const accepted = new Set(commits.filter((digest) => !doubtful.has(digest)));
  if (doubtful.size === 0) return accepted;
  for (const digest of await reachable(store, doubtful, call)) doubtful.delete(digest);
  return new Set([...accepted, ...doubtful]);
}

async function reachable(store: OwnedStore, among: ReadonlySet<Digest>, call: Call): Promise<Set<Digest>> {
  const pace = createPacer(call);
  const tips = new Set<Digest>();
  for await (const { name, digest } of store.refs.named(0)) {
    const commit = name.startsWith(PRUNED_PREFIX) ? undefined : await commitOfRef(store, digest);
    if (commit !== undefined) tips.add(commit);
    await pace();
  }
  const found = new Set<Digest>();
  for await (const { digest } of walk(store, { from: [...tips] }, call))
    if (among.has(digest)) found.add(digest);
  return found;
}
