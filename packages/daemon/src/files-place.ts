/** For verbs that deal with files of people: where they are, and who acts. */
import {
  backup,
  type BackupResult,
  type Call,
  type FilesPlace,
  findWorktree,
  modelsOf,
  readConfig,
} from "@smc/store";
import type { Input } from "./api.ts";
import { type Context, folderOf, openRepository, readActor } from "./context.ts";

/** Throws ARGUMENT_INVALID, CONFIG_INVALID, IDENTITY_INVALID. */
export async function filesPlaceOf(context: Context): Promise<FilesPlace> {
  const { store } = context;
  const folder = folderOf(context);
  const worktree = await findWorktree(folder, store);
  const { entries } = await readConfig({ storePath: store.path, worktreeRoot: worktree?.root });
  const root = worktree?.root ?? folder;
  const models = modelsOf(root, entries);
  const { name, email } = await readActor(context);
  const actor = `${name} <${email}>`;
  const open: FilesPlace["openRepository"] = async () => ({ ...(await openRepository(context)), store });
  return { store, folder, root, models, actor, openRepository: open };
}

export function onFiles<Options, Result>(
  verb: (place: FilesPlace, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    using _ = context.store.calls.enter();
    return await verb(await filesPlaceOf(context), input, call);
  };
}

/** A backup of the whole store waits for gc, which waits for everybody who entered. */
export async function backupIn(context: Context, input: Input<"backup">, call: Call): Promise<BackupResult> {
  const place = await filesPlaceOf(context);
  using _ = input.store === true ? undefined : context.store.calls.enter();
  return await backup(place, input, call);
}
