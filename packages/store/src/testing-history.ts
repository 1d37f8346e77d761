/** For tests: a repository without a worktree, and commits made straight from what they shall hold. */
import { type Digest, hashBytes } from "./digest.ts";
import { type RefName, parseRefName } from "./names.ts";
import { type CommitMeta, encodeCommit } from "./objects.ts";
import type { Repository } from "./repository.ts";
import type { Store } from "./store.ts";
import { QUIET, withStore } from "./testing.ts";
import { writeTree } from "./tree-write.ts";
import type { FlatEntry } from "./tree-read.ts";

export const ADA = { name: "Ada", email: "ada@example.org" };
/** 2026-01-01T00:00:00Z; every commit made here is one second later than the one before. */
export const START_MS = Date.UTC(2026, 0, 1);

export interface CommitParts {
  /** Path → text; a `*` at the end of the path makes the file executable. */
  readonly files?: Readonly<Record<string, string>>;
  readonly parents?: readonly Digest[];
  readonly message?: string;
  readonly meta?: CommitMeta;
  readonly ms?: number;
  readonly author?: { name: string; email: string };
}

export interface History {
  readonly repository: Repository;
  readonly store: Store;
  /** Stores a commit; nothing names it yet. */
  commit(parts?: CommitParts): Promise<Digest>;
  /** Stores a line of commits above `parent`, oldest first. */
  chain(length: number, parent?: Digest): Promise<Digest[]>;
  /** Points a ref, given in full, at an object. */
  point(ref: string, digest: Digest | "absent", reason?: string): Promise<RefName>;
}

/** Runs with a new store that holds the empty repository `demo`. */
export async function withHistory<T>(run: (history: History) => Promise<T>): Promise<T> {
  return withStore(async (store) => {
    const reason = { op: "init", reason: "init: demo", actor: "Ada <ada@example.org>" };
    await store.refs.createRepository("demo", reason);
    const repository: Repository = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
    return run(createHistory(repository));
  });
}

export function createHistory(repository: Repository): History {
  const { store } = repository;
  let count = 0;
  const encode = (tree: Digest, parts: CommitParts): Uint8Array => {
    const moment = { ms: parts.ms ?? START_MS + (count += 1) * 1000, offsetMinutes: 0 };
    return encodeCommit({
      tree,
      parents: parts.parents ?? [],
      author: parts.author ?? ADA,
      authored: moment,
      committer: ADA,
      committed: moment,
      message: parts.message ?? `commit ${count}`,
      meta: parts.meta ?? {},
    });
  };
  return {
    repository,
    store,
    async commit(parts = {}) {
      await using session = store.write("test");
      const files = new Map<string, FlatEntry>();
      for (const [path, text] of Object.entries(parts.files ?? {})) {
        const blob = await session.putBlob(Buffer.from(text));
        files.set(path.replace(/\*$/, ""), { ...blob, mode: path.endsWith("*") ? "100755" : "100644" });
      }
      const tree = await writeTree(session, files, QUIET);
      const digest = await session.putObject("commit", encode(tree, parts));
      await session.finish();
      return digest;
    },
    async chain(length, parent) {
      await using session = store.write("test");
      const tree = await writeTree(session, new Map(), QUIET);
      const digests: Digest[] = [];
      let last = parent;
      for (let index = 0; index < length; index += 1) {
        last = await session.putObject("commit", encode(tree, { parents: last === undefined ? [] : [last] }));
        digests.push(last);
      }
      await session.finish();
      return digests;
    },
    async point(ref, digest, reason = "test") {
      const name = parseRefName(ref);
      const change = { name, from: "any", to: digest } as const;
      await store.refs.update(repository.name, [change], { op: "test", reason, actor: "Ada <ada@example.org>" });
      return name;
    },
  };
}

/** A digest that no test stores. */
export const NOWHERE = hashBytes(Buffer.from("nowhere"));
