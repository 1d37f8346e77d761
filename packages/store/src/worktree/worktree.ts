/** A worktree: a folder with `.smc/`, which says which repository, what HEAD is, and what is staged. */

export interface Worktree {
  /** Absolute path of the folder that holds `.smc/`. */
  readonly root: string;
  /** Where the user stands, relative to root, `/`-separated; "" at the root. */
  readonly prefix: string;
  /** 32 hex digits; names `refs/worktrees/<id>/HEAD`. */
  readonly id: string;
  readonly storeId: string;
  readonly repository: string;
}
