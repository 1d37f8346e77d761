/** What a verb works on, found from where the user stands. */
import { hostname, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import {
  assertRepositoryName,
  findWorktree,
  type Identity,
  type JobQueue,
  type OwnedStore,
  parseIdentity,
  readConfig,
  type Repository,
} from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { At } from "./protocol.ts";

export interface Context {
  readonly store: OwnedStore;
  readonly jobs: JobQueue;
  readonly at: At;
  /** Hooks were added or removed. */
  readonly onHooksChanged?: () => void;
}

/**
 * The repository that `at` names, else the one of the worktree that the user stands in.
 * Throws REPOSITORY_NOT_FOUND, WORKTREE_NOT_FOUND, ARGUMENT_INVALID, IDENTITY_INVALID and what findWorktree throws.
 */
export async function openRepository({ store, at }: Pick<Context, "store" | "at">): Promise<Repository> {
  const found = await findWorktree(folderOf({ at }), store);
  // Named explicitly, another repository than the worktree's is looked at without the worktree.
  const worktree = at.repository === undefined || at.repository === found?.repository ? found : undefined;
  const name = at.repository ?? found?.repository;
  if (name === undefined) {
    throw new SmcError("WORKTREE_NOT_FOUND", `'${show(at.folder)}' is not in a worktree of smc`, {
      hint: 'make one with "smc init", or name a repository with --repo',
    });
  }
  assertRepositoryName(name);
  if (!(await store.refs.listRepositories()).some((record) => record.name === name)) {
    throw new SmcError("REPOSITORY_NOT_FOUND", `there is no repository '${name}' in this store`);
  }
  const { entries } = await readConfig({ storePath: store.path, worktreeRoot: worktree?.root });
  const actor = at.author === undefined ? actorOf(entries) : parseIdentity(at.author);
  return { store, name, worktree, actor, defaultBranch: textOf(entries, "init.defaultBranch") ?? "main" };
}

/** Who acts where no repository is involved. Throws IDENTITY_INVALID, CONFIG_INVALID. */
export async function readActor({ store, at }: Context): Promise<Identity> {
  if (at.author !== undefined) return parseIdentity(at.author);
  return actorOf((await readConfig({ storePath: store.path })).entries);
}

/** Where a new repository starts. Throws CONFIG_INVALID. */
export async function readDefaultBranch({ store }: Context): Promise<string> {
  const { entries } = await readConfig({ storePath: store.path });
  return textOf(entries, "init.defaultBranch") ?? "main";
}

type Entries = Awaited<ReturnType<typeof readConfig>>["entries"];

function textOf(entries: Entries, key: string): string | undefined {
  const value = entries.get(key)?.value;
  return typeof value === "string" ? value : undefined;
}

/** The settings, else the account of the system. */
function actorOf(entries: Entries): Identity {
  const account = readAccount();
  const host = hostname().replace(/[^A-Za-z0-9.-]/g, "") || "localhost";
  return {
    name: textOf(entries, "user.name") ?? account,
    email: textOf(entries, "user.email") ?? `${account}@${host}`,
  };
}

/** The folder that a verb means: `folder` as seen from where the user stands. Throws ARGUMENT_INVALID. */
export function folderOf({ at }: Pick<Context, "at">, folder = ""): string {
  if (!isAbsolute(at.folder)) throw new SmcError("ARGUMENT_INVALID", "at.folder is not an absolute path");
  return isAbsolute(folder) ? folder : join(at.folder, folder);
}

/** The name of the user's account; a uid without an account is named by its number. */
function readAccount(): string {
  let name;
  try {
    name = userInfo().username;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ERR_SYSTEM_ERROR" && code !== "ENOENT") throw error;
    name = "";
  }
  return name.replace(/[<>\s\p{C}]/gu, "") || `uid-${process.getuid?.() ?? 0}`;
}
