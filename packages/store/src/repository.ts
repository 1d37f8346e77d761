/** A repository of a store as a verb sees it: its refs, and the worktree the user stands in, if any. */
import type { Identity } from "./objects/objects.ts";
import { SmcError } from "./errors.ts";
import type { OwnedStore } from "./open-store.ts";
import type { Store } from "./store.ts";
import type { Worktree } from "./worktree/worktree.ts";

export interface Repository {
  readonly store: Store;
  readonly name: string;
  readonly worktree: Worktree | undefined;
  /** Who acts: --author, SMC_AUTHOR, config, else the account of the system. */
  readonly actor: Identity;
  /** Branch that HEAD means where there is no worktree, and that `init` starts on. */
  readonly defaultBranch: string;
}

/** For verbs that deal with packs and records themselves. */
export interface OwnedRepository extends Repository {
  readonly store: OwnedStore;
}

/** The worktree that a verb cannot do without. Throws WORKTREE_NOT_FOUND. */
export function requireWorktree(repository: Repository): Worktree {
  if (repository.worktree === undefined) {
    throw new SmcError("WORKTREE_NOT_FOUND", "this folder is not in a worktree of smc");
  }
  return repository.worktree;
}
