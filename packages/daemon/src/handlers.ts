/** Verb → function of the store, one line each. */
import * as store from "@smc/store";
import type { Call, OwnedStore, Repository } from "@smc/store";
import type { Input, VerbName } from "./api.ts";
import { type Context, openRepository } from "./context.ts";

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

export const handlers = {
  add: onRepository(store.add),
  branch: onRepository(store.branch),
  cat: onRepository(store.cat),
  "cat-file": onRepository(store.catFile),
  commit: onRepository(store.commit),
  diff: onRepository(store.diff),
  fsck: onStore(store.fsck),
  "hash-object": onStore(store.hashObject),
  log: onRepository(store.log),
  "ls-files": onRepository(store.lsFiles),
  "ls-tree": onRepository(store.lsTree),
  reflog: onRepository(store.reflog),
  refs: onRepository(store.refs),
  "rev-parse": onRepository(store.revParse),
  show: onRepository(store.show),
  status: onRepository(store.status),
  tag: onRepository(store.tag),
} satisfies Handlers;
