/**
 * What commits and tags say, remembered: they never change, and lists of versions read the same ones again and again.
 */
import { decodeCommit, type Commit, type Tag } from "../objects/objects.ts";
import type { Digest } from "../objects/digest.ts";
import { readTag } from "../history/graph.ts";
import { readNamed } from "../read-named.ts";
import type { Store } from "../store.ts";
import { readTree } from "../trees/tree-read.ts";

const FACTS_MAX = 16_384;
/** A commit of more bytes is read each time. */
const COMMIT_BYTES_KEPT_MAX = 8192;
const TAG_DEPTH_MAX = 100;

export interface CommitFacts {
  readonly commit: Commit;
  /** Of all files. */
  readonly sizeBytes: number;
}

export interface Peeled {
  /** Undefined when what the ref names is no commit. */
  readonly commit: Digest | undefined;
  /** The outermost tag object; undefined when the ref names the commit itself. */
  readonly tag: Tag | undefined;
}

interface Facts {
  readonly commits: Map<Digest, CommitFacts>;
  readonly peeled: Map<Digest, Peeled>;
}

const factsOfStore = new WeakMap<Store, Facts>();

function factsOf(store: Store): Facts {
  const known = factsOfStore.get(store);
  if (known !== undefined) return known;
  const facts: Facts = { commits: new Map(), peeled: new Map() };
  factsOfStore.set(store, facts);
  return facts;
}

function keep<T>(map: Map<Digest, T>, digest: Digest, value: T): T {
  const oldest = map.size >= FACTS_MAX ? map.keys().next() : undefined;
  if (oldest?.done === false) map.delete(oldest.value);
  map.set(digest, value);
  return value;
}

/** Throws OBJECT_MISSING, OBJECT_CORRUPT, OBJECT_INVALID. */
export async function readFacts(store: Store, digest: Digest): Promise<CommitFacts> {
  const { commits } = factsOf(store);
  const known = commits.get(digest);
  if (known !== undefined) return known;
  const bytes = await readNamed(store.objects, digest, "commit");
  const commit = decodeCommit(bytes);
  const entries = await readTree(store.objects, commit.tree);
  const facts = { commit, sizeBytes: entries.reduce((sum, entry) => sum + entry.sizeBytes, 0) };
  return bytes.length > COMMIT_BYTES_KEPT_MAX ? facts : keep(commits, digest, facts);
}

/** Follows tag objects to what they are about. Throws as readFacts. */
export async function peelRef(store: Store, digest: Digest): Promise<Peeled> {
  const { peeled } = factsOf(store);
  const known = peeled.get(digest);
  if (known !== undefined) return known;
  let at = digest;
  let outermost: Tag | undefined;
  for (let depth = 0; depth < TAG_DEPTH_MAX; depth += 1) {
    const kind = (await store.objects.stat(at))?.kind;
    if (kind === "commit") return keep(peeled, digest, { commit: at, tag: outermost });
    if (kind !== "tag") break;
    const tag = await readTag(store, at);
    outermost ??= tag;
    at = tag.target;
  }
  return { commit: undefined, tag: outermost };
}
