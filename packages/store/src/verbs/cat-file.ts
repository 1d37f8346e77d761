/** An object as it is stored: kind, size, content. */
import type { Call } from "../call.ts";
import { formatMoment } from "../history/dates.ts";
import { type Digest, formatCid } from "../objects/digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { readCommit, readTag } from "../history/graph.ts";
import { formatIdentity } from "../history/log-entry.ts";
import type { Commit, Tag, TreeEntry } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { resolveRevision, type RevisionKind } from "../history/revision.ts";
import type { Store } from "../store.ts";
import { readTree } from "../trees/tree-read.ts";

export interface CatFileOptions {
  readonly revision: string;
  /** Only asks whether it is there: a revision that is not found answers `exists: false`. */
  readonly exists?: boolean;
}

type Persons = "author" | "committer";
type Moments = "authored" | "committed";

/** The fields of the object; people and times as text. */
export type ObjectContent =
  | (Omit<Commit, Persons | Moments> &
      Readonly<Record<Persons | Moments, string>> & { readonly type: "commit" })
  | (Omit<Tag, "tagger" | "tagged"> & {
      readonly tagger: string;
      readonly tagged: string;
      readonly type: "tag";
    })
  | { readonly type: "tree"; readonly entries: readonly TreeEntry[] };

export interface CatFileResult {
  readonly exists: boolean;
  readonly digest: Digest | null;
  readonly kind: RevisionKind | null;
  /** Bytes of the encoding; for a blob, of the file. */
  readonly sizeBytes: number | null;
  readonly cid: string | null;
  /** Null for a blob: its bytes are read by digest. */
  readonly content: ObjectContent | null;
}

const ABSENT: CatFileResult = {
  exists: false,
  digest: null,
  kind: null,
  sizeBytes: null,
  cid: null,
  content: null,
};

/** Throws as resolveRevision, OBJECT_CORRUPT, OBJECT_INVALID. */
export async function catFile(
  repository: Repository,
  options: CatFileOptions,
  call: Call,
): Promise<CatFileResult> {
  const { store } = repository;
  let found: { digest: Digest; kind: RevisionKind };
  try {
    found = await resolveRevision(repository, options.revision, call);
  } catch (error) {
    const isAbsent = isSmcError(error, "REVISION_NOT_FOUND") || isSmcError(error, "PATH_NOT_FOUND");
    if (options.exists === true && isAbsent) return ABSENT;
    throw error;
  }
  const { digest, kind } = found;
  const stat = await store.objects.stat(digest);
  if (stat === undefined) {
    if (options.exists === true) return ABSENT;
    throw new SmcError("OBJECT_MISSING", `${digest} is not in the store`);
  }
  const content = options.exists === true ? null : await readContent(store, found);
  return { exists: true, digest, kind, sizeBytes: stat.sizeBytes, cid: formatCid(digest, kind), content };
}

async function readContent(
  store: Store,
  { digest, kind }: { digest: Digest; kind: RevisionKind },
): Promise<ObjectContent | null> {
  if (kind === "tree") return { type: "tree", entries: await readTree(store.objects, digest) };
  if (kind === "commit") {
    const commit = await readCommit(store, digest);
    return {
      type: "commit",
      ...commit,
      author: formatIdentity(commit.author),
      authored: formatMoment(commit.authored),
      committer: formatIdentity(commit.committer),
      committed: formatMoment(commit.committed),
    };
  }
  if (kind === "tag") {
    const tag = await readTag(store, digest);
    return { type: "tag", ...tag, tagger: formatIdentity(tag.tagger), tagged: formatMoment(tag.tagged) };
  }
  return null;
}
