/** Refs of all repositories: LevelDB over the journal, which is the authority. */
import type { Digest } from "../objects/digest.ts";
import type { RefName } from "../objects/names.ts";
import type { JournalChange } from "../journal/journal.ts";

/** Below it: commits whose files gc may take away. Such a ref keeps nothing. */
export const PRUNED_PREFIX = "refs/pruned/";

/** Below it: what people have protected. */
export const PROTECTED_PREFIX = "refs/protected/";

export interface Ref {
  readonly name: RefName;
  readonly digest: Digest;
}

export interface RefChange {
  readonly name: RefName;
  /** What must be there now; "any" does not look. */
  readonly from: Digest | "absent" | "any";
  readonly to: Digest | "absent";
}

/** Who did what and why; kept for ever in the journal. */
export interface RefReason {
  /** The verb: "commit", "tag". */
  readonly op: string;
  /** One line: "commit: train convnext". */
  readonly reason: string;
  /** "Name <address>". */
  readonly actor: string;
}

export interface ReflogEntry {
  readonly seq: number;
  readonly name: RefName;
  readonly from: Digest | "absent";
  readonly to: Digest | "absent";
  readonly ms: number;
  readonly op: string;
  readonly reason: string;
  readonly actor: string;
}

/** An object that a ref names, or named. */
export interface NamedObject {
  readonly repository: string;
  readonly name: string;
  readonly digest: Digest;
}

export interface RepositoryRecord {
  readonly name: string;
  readonly createdMs: number;
}

export interface WorktreeRecord {
  /** 32 hex digits. */
  readonly id: string;
  /** Absolute path of the worktree's root when it was registered. */
  readonly path: string;
  readonly repository: string;
}

export interface UpdateOptions {
  /** "allow" takes names that differ only by case from others; "refuse" is the default. */
  readonly caseConflicts?: "refuse" | "allow";
  /** Names that start so are the caller's own to change, which nobody else may: the registry's verbs and theirs. */
  readonly owns?: readonly string[];
}

/** Asked before every change of refs, while no other is made. Throws REF_PROTECTED, and then nothing is changed. */
export type RefGuard = (guarded: {
  readonly repository: string;
  readonly changes: readonly JournalChange[];
  readonly options: UpdateOptions;
}) => Promise<void>;

export interface RefStore {
  /** Creates the repository; throws ALREADY_EXISTS, or with `reuse` returns when it is there. */
  createRepository(name: string, reason: RefReason, options?: { reuse?: boolean }): Promise<void>;
  listRepositories(): Promise<RepositoryRecord[]>;
  /** Undefined when absent. */
  read(repository: string, name: RefName): Promise<Digest | undefined>;
  /** In the byte order of the names. */
  list(repository: string, prefix?: string): Promise<Ref[]>;
  /**
   * Applies all changes or none, durable when it returns. Throws REF_CHANGED when a `from` is not what is there,
   * REF_CONFLICT for `a` beside `a/b` and for names that differ only by case, REPOSITORY_NOT_FOUND, LIMIT_EXCEEDED
   * above 100,000 changes or 64 KiB of `reason` or `actor`, REF_PROTECTED. A change of nothing to nothing is dropped.
   */
  update(
    repository: string,
    changes: readonly RefChange[],
    reason: RefReason,
    options?: UpdateOptions,
  ): Promise<void>;
  /**
   * Writes into the journal what moved no ref: work on files, or what was asked for and declined. An empty name of a
   * repository: it belongs to none. Throws as `update`.
   */
  note(repository: string, reason: RefReason): Promise<void>;
  /** Newest first. A deleted ref keeps its entries. */
  log(repository: string, name: RefName, limit?: number): Promise<ReflogEntry[]>;
  /** The objects that refs of all repositories name, or named by a change after number `sinceSeq`; deleted ones too. */
  named(sinceSeq: number): AsyncIterable<NamedObject>;
  /** The number of each change of refs and when the clock said that it was made, the newest first. */
  moments(): AsyncIterable<{ readonly seq: number; readonly ms: number }>;
  /** Remembers, durably, where a worktree is; the same id again replaces the path. */
  registerWorktree(worktree: WorktreeRecord, reason: RefReason): Promise<void>;
  listWorktrees(): Promise<WorktreeRecord[]>;
}
