/** For tests: refs over a journal and a LevelDB of their own. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Db, openDb } from "../db/db.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { type Journal, openJournal } from "../journal/journal.ts";
import { parseRefName, type RefName } from "../objects/names.ts";
import { createRefStore, type StoredRefs } from "../refs/ref-store.ts";
import type { RefChange, RefReason } from "../refs/refs.ts";
import { withFolder } from "./folder.ts";

export const storeId = randomBytes(16).toString("hex");
export const signal: AbortSignal = new AbortController().signal;
export const reason: RefReason = { op: "test", reason: "because", actor: "A <a@example.org>" };
export const MAIN = parseRefName("refs/heads/main");

export interface Parts {
  refs: StoredRefs;
  db: Db;
  journal: Journal;
}

export function digest(text: string): Digest {
  return hashBytes(Buffer.from(text));
}

export function create(name: string, to = digest(name)): RefChange {
  return { name: parseRefName(name), from: "absent", to };
}

export function remove(name: string): RefChange {
  return { name: parseRefName(name), from: "any", to: "absent" };
}

/** Opens as the store does: LevelDB first, then the journal that must reach as far. `wrap` may stand before LevelDB. */
export async function withRefs<T>(
  folder: string,
  run: (parts: Parts) => Promise<T>,
  wrap: (db: Db) => Db = (db) => db,
): Promise<T> {
  const paths = { db: join(folder, "db"), journal: join(folder, "journal") };
  await using db = await openDb(paths.db, { storeId, create: !existsSync(paths.db) });
  const applied = await db.applied();
  await using journal = await openJournal(paths.journal, {
    storeId,
    signal,
    applied,
    create: !existsSync(paths.journal),
  });
  const refs = await createRefStore({ db: wrap(db), journal });
  return await run({ refs, db, journal });
}

export async function withCats<T>(run: (parts: Parts, folder: string) => Promise<T>): Promise<T> {
  return withFolder((folder) =>
    withRefs(folder, async (parts) => {
      await parts.refs.createRepository("cats", reason);
      return run(parts, folder);
    }),
  );
}

export async function namesOf(refs: StoredRefs): Promise<string[]> {
  return (await refs.list("cats")).map(({ name }) => name);
}

/** All that a reader can see. */
export async function picture(refs: StoredRefs): Promise<unknown> {
  const names = [
    "refs/heads/main",
    "refs/heads/dev",
    "refs/heads/a",
    "refs/heads/a/b",
    "refs/tags/v1",
  ] as RefName[];
  return {
    repositories: await refs.listRepositories(),
    worktrees: await refs.listWorktrees(),
    refs: await refs.list("cats"),
    logs: await Promise.all(names.map((name) => refs.log("cats", name))),
  };
}
