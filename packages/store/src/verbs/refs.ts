/** The refs of a repository. */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { commitOfRef, listShownRefs } from "../history/log-entry.ts";
import type { ObjectKind } from "../objects/objects.ts";
import { shortRefName } from "../refs/ref-find.ts";
import type { Repository } from "../repository.ts";

export interface RefsOptions {
  /** `refs/tags/`, `tags`, `heads/feature`; all when left out. */
  readonly prefix?: string;
}

export interface RefRow {
  readonly name: string;
  readonly short: string;
  readonly digest: Digest;
  /** Null when the object is missing; `smc fsck` says more. */
  readonly kind: ObjectKind | null;
  /** The commit at the end of a tag, else the digest itself; null when there is none. */
  readonly commit: Digest | null;
}

export type RefsResult = readonly RefRow[];

/** In the byte order of the names. Refs of worktrees are left out. */
export async function refs(repository: Repository, options: RefsOptions, call: Call): Promise<RefsResult> {
  const { store } = repository;
  const pace = createPacer(call);
  const wanted = options.prefix ?? "";
  const prefix = wanted.startsWith("refs/") ? wanted : `refs/${wanted}`;
  const rows: RefRow[] = [];
  for (const { name, digest } of await listShownRefs(repository, prefix)) {
    const kind = (await store.objects.stat(digest))?.kind ?? null;
    const commit = kind === null ? null : ((await commitOfRef(store, digest)) ?? null);
    rows.push({ name, short: shortRefName(name), digest, kind, commit });
    await pace();
  }
  return rows;
}
