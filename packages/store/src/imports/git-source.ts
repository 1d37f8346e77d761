/** What an import needs of a repository of git; the daemon asks the program `git`. */
import type { Call } from "../call.ts";

export interface GitSource {
  /** Absolute path of the folder that the repository's objects are in: `.git`. */
  readonly folder: string;
  /** Absolute path of the worktree; undefined for a bare repository. */
  readonly root: string | undefined;
  /** A clone that lacks older commits. */
  readonly isShallow: boolean;
  /** 20 or 32. */
  readonly idBytes: 20 | 32;
  /** Along first parents, oldest first. Throws REVISION_NOT_FOUND, LIMIT_EXCEEDED. */
  commits(revision: string, call: Call): Promise<readonly string[]>;
  /** Name without `refs/tags/` → object, in the order of the names. */
  tags(call: Call): Promise<readonly { readonly name: string; readonly id: string }[]>;
  /** Undefined for a setting that is not there. */
  config(name: string, call: Call): Promise<string | undefined>;
  /** Throws OBJECT_CORRUPT for an object that is not there. */
  stat(id: string, call: Call): Promise<{ readonly kind: string; readonly sizeBytes: number }>;
  /** Throws OBJECT_CORRUPT, LIMIT_EXCEEDED. */
  read(id: string, bytesMax: number, call: Call): Promise<Buffer>;
  /** Bytes in pieces; to its end, or thrown away, before anything else is asked. Throws OBJECT_CORRUPT. */
  stream(id: string, call: Call): AsyncIterable<Uint8Array>;
}
