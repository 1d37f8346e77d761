/** `smc switch`: to a branch, a new branch, or (detached) a commit. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { Repository } from "../repository.ts";
import type { LinkPolicy } from "../worktree/links.ts";
import { switchTo, type SwitchResult } from "../worktree/switch-to.ts";

export type { SwitchResult };

export interface SwitchOptions {
  /** A branch; with `create` where the new branch starts, with `detach` any revision. */
  readonly target?: string;
  /** Name of a branch to make and go to. */
  readonly create?: string;
  readonly detach?: boolean;
  /** Gives up local changes, and overwrites untracked files. */
  readonly force?: boolean;
  readonly symlinks?: LinkPolicy;
}

/** Throws ARGUMENT_INVALID for a revision that is no branch, and otherwise what `checkout` throws. */
export async function switchBranch(
  repository: Repository,
  options: SwitchOptions,
  call: Call,
): Promise<SwitchResult> {
  const { target, create, detach, force, symlinks } = options;
  if (create !== undefined && detach === true)
    throw new SmcError("ARGUMENT_INVALID", "-c and --detach do not go together");
  if (target === undefined && create === undefined && detach !== true) {
    throw new SmcError("ARGUMENT_INVALID", "no branch was named");
  }
  const mode = detach === true ? "detach" : "branches";
  return switchTo(repository, { op: "switch", target, create, mode, force: force === true, symlinks }, call);
}
