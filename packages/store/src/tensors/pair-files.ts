/** Which file of one version is the successor of which file of the other one. */
import { posix } from "node:path";
import type { FileChange, FileChanges } from "../trees/tree-diff.ts";

export interface FilePair {
  /** Undefined for a file that is new, or gone. */
  readonly from: FileChange | undefined;
  readonly to: FileChange | undefined;
}

/**
 * Pairs of the same path; a file that is gone and one that is new are taken for one that was renamed when they have
 * the same bytes, or the same name in other folders, or are the only two of their extension. What is not plain is
 * left alone.
 */
export function pairFiles({ added, modified, deleted }: FileChanges): FilePair[] {
  const pairs: FilePair[] = modified.map((change) => ({ from: change, to: change }));
  const gone = new Set(deleted);
  const fresh = new Set(added);
  for (const keyOf of [digestOf, nameOf, extensionOf]) {
    const before = unique(gone, (change) => keyOf(change, change.from?.digest));
    const after = unique(fresh, (change) => keyOf(change, change.to?.digest));
    for (const [key, to] of after) {
      const from = before.get(key);
      if (from === undefined) continue;
      pairs.push({ from, to });
      gone.delete(from);
      fresh.delete(to);
    }
  }
  for (const to of fresh) pairs.push({ from: undefined, to });
  for (const from of gone) pairs.push({ from, to: undefined });
  return pairs.sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1));
}

export function pathOf({ from, to }: FilePair): string {
  return (to ?? from)?.path ?? "";
}

type KeyOf = (change: FileChange, digest: string | undefined) => string | undefined;

const digestOf: KeyOf = (_, digest) => digest;
const nameOf: KeyOf = ({ path }) => posix.basename(path);
/** A file without an extension has too little of a name to be recognised. */
const extensionOf: KeyOf = ({ path }) => posix.extname(path) || undefined;

/** Key → the only change that has it. */
function unique(
  changes: ReadonlySet<FileChange>,
  keyOf: (change: FileChange) => string | undefined,
): Map<string, FileChange> {
  const found = new Map<string, FileChange>();
  const several = new Set<string>();
  for (const change of changes) {
    const key = keyOf(change);
    if (key === undefined || several.has(key)) continue;
    if (!found.has(key)) found.set(key, change);
    else {
      found.delete(key);
      several.add(key);
    }
  }
  return found;
}
