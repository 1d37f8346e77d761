/** The stages of all worktrees that the store knows and that are still where they were. */
import { isSmcError } from "../errors.ts";
import type { OwnedStore } from "../open-store.ts";
import { show } from "../show.ts";
import { readHeadFile } from "../worktree/head.ts";
import { readStage, type Stage } from "../worktree/stage.ts";
import { findWorktree } from "../worktree/worktree.ts";

export interface KnownStage {
  readonly root: string;
  readonly stage: Stage;
}

/** Those that can be read; what is wrong with the others goes to `onFault`. One is in memory at a time. */
export async function* knownStages(
  store: OwnedStore,
  onFault: (message: string) => void,
): AsyncIterable<KnownStage> {
  for (const { id, path } of await store.refs.listWorktrees()) {
    try {
      const worktree = await findWorktree(path, store);
      // Removed, moved, or made anew since: its files are somebody else's now.
      if (worktree === undefined || worktree.id !== id) continue;
      await readHeadFile(worktree.root);
      const stage = await readStage(worktree.root);
      if (stage !== undefined) yield { root: worktree.root, stage };
    } catch (error) {
      if (!isSmcError(error)) throw error;
      if (ELSEWHERE.has(error.code)) continue;
      onFault(`the worktree '${show(path)}': ${error.message}`);
    }
  }
}

/** The folder is gone, not ours to read, or belongs to another store by now: no damage. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  "PATH_NOT_FOUND",
  "STORE_NOT_FOUND",
  "PERMISSION_DENIED",
  "UNSAFE_OWNER",
  "UNSAFE_PATH",
]);
