/** For tests: a repository without a worktree, and commits made straight from what they shall hold. */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { type RefName, parseRefName } from "../objects/names.ts";
import { type CommitMeta, encodeCommit } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import type { Store } from "../store.ts";
import { QUIET, withStore } from "./testing.ts";
import { writeTree } from "../trees/tree-write.ts";
import type { FlatEntry } from "../trees/tree-read.ts";
import { add } from "../verbs/add.ts";
import { commit, type CommitOptions } from "../verbs/commit.ts";
import { init } from "../verbs/init.ts";
import { findWorktree } from "../worktree/worktree.ts";

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
    const repository: Repository = {
      store,
      name: "demo",
      worktree: undefined,
      actor: ADA,
      defaultBranch: "main",
    };
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
      const why = { op: "test", reason, actor: "Ada <ada@example.org>" };
      await store.refs.update(repository.name, [change], why, { owns: ["refs/"] });
      return name;
    },
  };
}

/** Runs with a repository whose branch main is at a commit of four files, in folders of different depth. */
export async function withFiles(run: (history: History, commit: Digest) => Promise<void>): Promise<void> {
  await withHistory(async (history) => {
    const files = {
      "config.json": "{}",
      "weights/a.bin": "aaaa",
      "weights/deep/b.bin": "bb",
      "run.sh*": "x",
    };
    const commit = await history.commit({ files });
    await history.point("refs/heads/main", commit);
    await run(history, commit);
  });
}

/** The digest of a file with this text. */
export function digestOf(text: string): Digest {
  return hashBytes(Buffer.from(text));
}

/** A digest that no test stores. */
export const NOWHERE = digestOf("nowhere");

/** A worktree on its own repository `demo`, and shorthands for the verbs that fill it. */
export interface Desk {
  readonly history: History;
  readonly repository: Repository;
  /** Absolute path of the worktree. */
  readonly root: string;
  write(files: Readonly<Record<string, string | undefined>>): Promise<void>;
  /** All files that are there, without `.smc`: path → text. */
  read(): Promise<Record<string, string>>;
  /** Writes the files (undefined removes one), stages everything, commits. */
  commit(
    files: Readonly<Record<string, string | undefined>>,
    options?: Partial<CommitOptions>,
  ): Promise<Digest>;
}

/** Runs with a new store and a worktree on branch main without a commit. */
export async function withDesk<T>(run: (desk: Desk) => Promise<T>): Promise<T> {
  return withStore(async (store, folder) => {
    const { root } = await init(store, { folder: join(folder, "desk"), name: "demo" }, QUIET);
    const worktree = await findWorktree(root, store);
    const repository: Repository = { store, name: "demo", worktree, actor: ADA, defaultBranch: "main" };
    const write: Desk["write"] = async (files) => {
      for (const [path, text] of Object.entries(files)) {
        await rm(join(root, path), { recursive: true, force: true });
        if (text === undefined) continue;
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), text);
      }
    };
    return run({
      history: createHistory(repository),
      repository,
      root,
      write,
      async read() {
        const files: Record<string, string> = {};
        const entries = await readdir(root, { recursive: true, withFileTypes: true });
        for (const entry of entries) {
          const path = relative(root, join(entry.parentPath, entry.name));
          if (entry.isFile() && !path.startsWith(".smc"))
            files[path] = await readFile(join(root, path), "utf8");
        }
        return Object.fromEntries(Object.entries(files).sort());
      },
      async commit(files, options = {}) {
        await write(files);
        await add(repository, { paths: [], all: true }, QUIET);
        return (await commit(repository, { message: "work", allowEmpty: true, ...options }, QUIET)).digest;
      },
    });
  });
}
