/** For tests: a worktree in a folder of its own, with the files and commits that a test asks for. */
import { execFileSync, spawnSync } from "node:child_process";
import { lstat, mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { OwnedStore } from "../open-store.ts";
import type { Repository } from "../repository.ts";
import { QUIET, withStore } from "./testing.ts";
import { add } from "../verbs/add.ts";
import { commit, type CommitOptions, type CommitResult } from "../verbs/commit.ts";
import { init } from "../verbs/init.ts";
import { status, type StatusResult } from "../verbs/status.ts";
import { findWorktree } from "../worktree/worktree.ts";

export const ACTOR = { name: "Ada", email: "ada@example.org" };

/** A worktree and what tests do in it. */
export class Bench {
  readonly store: OwnedStore;
  readonly root: string;
  repository: Repository;

  constructor(store: OwnedStore, root: string, repository: Repository) {
    this.store = store;
    this.root = root;
    this.repository = repository;
  }

  async write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(this.root, path)), { recursive: true });
      await writeFile(join(this.root, path), content);
    }
  }

  async read(path: string): Promise<string> {
    return readFile(join(this.root, path), "utf8");
  }

  /** Writes files, adds everything and commits. */
  async commit(
    files: Readonly<Record<string, string | Uint8Array>>,
    options: Partial<CommitOptions> = {},
  ): Promise<CommitResult> {
    await this.write(files);
    await add(this.repository, { paths: [], all: true }, QUIET);
    return commit(this.repository, { message: "a commit", allowEmpty: true, ...options }, QUIET);
  }

  async status(): Promise<StatusResult> {
    return status(this.repository, { untracked: "all" }, QUIET);
  }

  /** True when nothing is staged, changed, gone or untracked. */
  async isClean(): Promise<boolean> {
    const { staged, modified, deleted, untracked } = await this.status();
    return staged.length + modified.length + deleted.length + untracked.length === 0;
  }

  /** Every file below the root (but `.smc`) with its content; links as `-> target`. */
  async files(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const entry of await readdir(this.root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name).slice(this.root.length + 1);
      if (path === ".smc" || path.startsWith(".smc/") || entry.isDirectory()) continue;
      const full = join(this.root, path);
      found[path] = entry.isSymbolicLink() ? `-> ${await readlink(full)}` : await readFile(full, "utf8");
    }
    return found;
  }

  /** Sets the times of all files back, so that their stats are believed. */
  async age(): Promise<void> {
    execFileSync("find", [
      this.root,
      "-path",
      "*/.smc",
      "-prune",
      "-o",
      "-type",
      "f",
      "-exec",
      "touch",
      "-d",
      "2020-01-01",
      "{}",
      "+",
    ]);
  }

  async mode(path: string): Promise<number> {
    return (await lstat(join(this.root, path))).mode & 0o777;
  }

  /** The same repository as seen from another folder. */
  async at(folder: string): Promise<Repository> {
    const worktree = await findWorktree(join(this.root, folder), this.store);
    return { ...this.repository, worktree };
  }
}

/** Leaves a socket that nobody listens on. */
export function makeSocket(path: string): void {
  const code = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", code]);
}

/** Attaches a folder and gives what verbs take. */
export async function openBench(
  store: OwnedStore,
  root: string,
  options: { name?: string; branch?: string } = {},
): Promise<Bench> {
  const made = await init(store, { folder: root, ...options }, QUIET);
  const worktree = await findWorktree(root, store);
  const repository: Repository = {
    store,
    name: made.repository,
    worktree,
    actor: ACTOR,
    defaultBranch: "main",
  };
  return new Bench(store, made.root, repository);
}

/** Runs with a new store and a new worktree beside it. */
export async function withWorktree<T>(run: (bench: Bench, folder: string) => Promise<T>): Promise<T> {
  return withStore(async (store, folder) => run(await openBench(store, join(folder, "model")), folder));
}
