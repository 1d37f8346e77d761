/** The repositories of the store. */
import { type Call, createPacer } from "../call.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError } from "../errors.ts";
import { readNode } from "../history/graph.ts";
import type { Store } from "../store.ts";

export interface ReposOptions {
  /** Only names with this text in them. */
  readonly match?: string;
}

export interface RepoRow {
  readonly name: string;
  readonly created: string;
  readonly branchCount: number;
  readonly tagCount: number;
  /** Folders that were attached to it; some may be gone. */
  readonly worktrees: readonly string[];
  /** When the newest commit of a branch was made; null before the first. */
  readonly lastCommit: string | null;
}

export type ReposResult = readonly RepoRow[];

/** Sorted by name. */
export async function repos(store: Store, options: ReposOptions, call: Call): Promise<ReposResult> {
  const pace = createPacer(call);
  const worktrees = await store.refs.listWorktrees();
  const rows: RepoRow[] = [];
  for (const { name, createdMs } of await store.refs.listRepositories()) {
    if (options.match !== undefined && !name.includes(options.match)) continue;
    const refs = await store.refs.list(name);
    const count = (prefix: string): number => refs.filter((ref) => ref.name.startsWith(prefix)).length;
    let newestMs = -1;
    for (const ref of refs) {
      if (!ref.name.startsWith("refs/heads/")) continue;
      newestMs = Math.max(newestMs, await timeOf(store, ref.digest));
      await pace();
    }
    rows.push({
      name,
      created: formatMoment(momentAt(createdMs)),
      branchCount: count("refs/heads/"),
      tagCount: count("refs/tags/"),
      worktrees: worktrees.filter((record) => record.repository === name).map((record) => record.path),
      lastCommit: newestMs < 0 ? null : formatMoment(momentAt(newestMs)),
    });
  }
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** -1 for a commit that cannot be read: the list of repositories must not fail for it. */
async function timeOf(store: Store, digest: Digest): Promise<number> {
  try {
    return (await readNode(store, digest)).committedMs;
  } catch (error) {
    if (isSmcError(error)) return -1;
    throw error;
  }
}
