/** What a verb works on, found from where the user stands. */
import {
  assertRepositoryName,
  findWorktree,
  type Identity,
  type OwnedStore,
  parseIdentity,
  readConfig,
  type Repository,
} from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { isAbsolute } from "node:path";
import { hostname, userInfo } from "node:os";
import { show } from "@smc/store/show";
import type { At } from "./protocol.ts";

export interface Context {
  readonly store: OwnedStore;
  readonly at: At;
}

/**
 * The repository that `at` names, else the one of the worktree that the user stands in.
 * Throws REPOSITORY_NOT_FOUND, WORKTREE_NOT_FOUND, ARGUMENT_INVALID, IDENTITY_INVALID and what findWorktree throws.
 */
export async function openRepository({ store, at }: Context): Promise<Repository> {
  if (!isAbsolute(at.folder)) throw new SmcError("ARGUMENT_INVALID", "at.folder is not an absolute path");
  const found = await findWorktree(at.folder, store);
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
  const text = (key: string): string | undefined => {
    const value = entries.get(key)?.value;
    return typeof value === "string" ? value : undefined;
  };
  const actor = at.author === undefined ? actorOf(text("user.name"), text("user.email")) : parseIdentity(at.author);
  return { store, name, worktree, actor, defaultBranch: text("init.defaultBranch") ?? "main" };
}

function actorOf(name: string | undefined, email: string | undefined): Identity {
  const account = readAccount();
  return { name: name ?? account, email: email ?? `${account}@${hostname().replace(/[^A-Za-z0-9.-]/g, "") || "localhost"}` };
}

/** The name of the user's account; a uid without an account is named by its number. */
function readAccount(): string {
  let name;
  try {
    name = userInfo().username;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SYSTEM_ERROR" && (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    name = "";
  }
  return name.replace(/[<>\s\p{C}]/gu, "") || `uid-${process.getuid?.() ?? 0}`;
}
