/** Verb → function of the store, one line each. */
import * as store from "@smc/store";
import type { Call, OwnedStore, Repository } from "@smc/store";
import type { Input, VerbName } from "./api.ts";
import { type Context, folderOf, openRepository, readActor } from "./context.ts";

type Handler<V extends VerbName> = (context: Context, input: Input<V>, call: Call) => Promise<unknown>;
type Handlers = { readonly [V in VerbName]: Handler<V> };

function onRepository<Options, Result>(
  verb: (repository: Repository, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => verb(await openRepository(context), input, call);
}

function onStore<Options, Result>(
  verb: (store: OwnedStore, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => verb(context.store, input, call);
}

/** For verbs of the store that look at the place where the user stands. */
function inFolder<Options extends { readonly folder?: string }, Result>(
  verb: (store: OwnedStore, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Omit<Options, "folder"> & { readonly folder?: string }, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    // TypeScript cannot see that an Omit put together again is the whole.
    const options = { ...input, folder: folderOf(context, input.folder) } as unknown as Options;
    return verb(context.store, options, call);
  };
}

async function init(context: Context, input: Input<"init">, call: Call): Promise<store.InitResult> {
  const { name, email } = await readActor(context);
  const options = { author: `${name} <${email}>`, ...input, folder: folderOf(context, input.folder) };
  return store.init(context.store, options, call);
}

export const handlers = {
  add: onRepository(store.add),
  branch: onRepository(store.branch),
  cat: onRepository(store.cat),
  "cat-file": onRepository(store.catFile),
  commit: onRepository(store.commit),
  config: inFolder(store.config),
  diff: onRepository(store.diff),
  doctor: inFolder(store.doctor),
  env: inFolder(store.env),
  fsck: onStore(store.fsck),
  "hash-object": onStore(store.hashObject),
  init,
  log: onRepository(store.log),
  "ls-files": onRepository(store.lsFiles),
  "ls-tree": onRepository(store.lsTree),
  reflog: onRepository(store.reflog),
  refs: onRepository(store.refs),
  repos: onStore(store.repos),
  "rev-parse": onRepository(store.revParse),
  show: onRepository(store.show),
  status: onRepository(store.status),
  tag: onRepository(store.tag),
} satisfies Handlers;
