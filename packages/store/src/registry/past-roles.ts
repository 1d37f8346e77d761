/** Who was in a role before, as "undo" sees it. Pure. */
import type { Digest } from "../objects/digest.ts";

export interface RoleChange {
  readonly to: Digest | "absent";
  /** The verb that made it. */
  readonly op: string;
}

/**
 * Those a rollback can go back to, the nearest first. Every change puts its version on a pile; a rollback takes away
 * what is above the version that it went to. So a second rollback goes one further back, and not to and fro.
 */
export function olderHolders(changes: readonly RoleChange[]): Digest[] {
  const pile: Digest[] = [];
  for (const { to, op } of changes.toReversed()) {
    if (to === "absent") continue;
    const at = op === "rollback" ? pile.lastIndexOf(to) : -1;
    if (at >= 0) pile.length = at + 1;
    else if (pile.at(-1) !== to) pile.push(to);
  }
  return pile.slice(0, -1).toReversed();
}
