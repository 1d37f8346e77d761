/** Verb → function of the store, one line each. */
import * as store from "@smc/store";
import type { Call, OwnedRepository, OwnedStore, Repository } from "@smc/store";
import type { Input, VerbName } from "./api.ts";
import { withWeb } from "./catalog/with-web.ts";
import { type Context, folderOf, openRepository, readActor } from "./context.ts";
import { dataIn, evalIn, exportIn } from "./data-place.ts";
import { doctorIn } from "./doctor.ts";
import { backupIn, onFiles } from "./files-place.ts";
import { hookIn } from "./hooks/hook.ts";
import { openGit } from "./imports/open-git.ts";
import { auditIn, backboneIn, jobsIn, onJobs } from "./jobs-place.ts";
import { loginIn, logoutIn } from "./remotes/login.ts";
import {
  cloneIn,
  fsckIn,
  gcIn,
  lsRemoteIn,
  outdatedIn,
  remoteIn,
  verifyIn,
  withRemote,
  withRemoteFor,
} from "./remotes/with-remote.ts";

type Handler<V extends VerbName> = (context: Context, input: Input<V>, call: Call) => Promise<unknown>;
type Handlers = { readonly [V in VerbName]: Handler<V> };

function onRepository<Options, Result>(
  verb: (repository: Repository, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    using _ = context.store.calls.enter();
    return await verb(await openRepository(context), input, call);
  };
}

/** For verbs that deal with packs themselves. */
function onOwned<Options, Result>(
  verb: (repository: OwnedRepository, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    using _ = context.store.calls.enter();
    return await verb({ ...(await openRepository(context)), store: context.store }, input, call);
  };
}

function onStore<Options, Result>(
  verb: (store: OwnedStore, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => verb(context.store, input, call);
}

/** For verbs of the store that look at the place where the user stands. */
function inFolder<Options extends { readonly folder?: string }, Result>(
  verb: (store: OwnedStore, options: Options, call: Call) => Promise<Result>,
): (
  context: Context,
  input: Omit<Options, "folder"> & { readonly folder?: string },
  call: Call,
) => Promise<Result> {
  return async (context, input, call) => {
    // TypeScript cannot see that an Omit put together again is the whole.
    const options = { ...input, folder: folderOf(context, input.folder) } as unknown as Options;
    return verb(context.store, options, call);
  };
}

async function initIn(context: Context, input: Input<"init">, call: Call): Promise<store.InitResult> {
  using _ = context.store.calls.enter();
  const { name, email } = await readActor(context);
  const options = { author: `${name} <${email}>`, ...input, folder: folderOf(context, input.folder) };
  return await store.init(context.store, options, call);
}

/** For verbs of the store whose work the journal tells of. */
function byActor<Options extends { readonly actor?: string }, Result>(
  verb: (store: OwnedStore, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Omit<Options, "actor">, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    const { name, email } = await readActor(context);
    // TypeScript cannot see that an Omit put together again is the whole.
    return verb(context.store, { ...input, actor: `${name} <${email}>` } as unknown as Options, call);
  };
}

async function inspectIn(
  context: Context,
  input: Input<"inspect">,
  call: Call,
): Promise<store.InspectResult> {
  const openHere = (): Promise<Repository> => openRepository(context);
  const place = { store: context.store, folder: folderOf(context), openRepository: openHere };
  return store.inspect(place, input, call);
}

async function bundleIn(context: Context, input: Input<"bundle">, call: Call): Promise<store.BundleResult> {
  using _ = context.store.calls.enter();
  const openHere = (): Promise<Repository> => openRepository(context);
  const place = { store: context.store, folder: folderOf(context), openRepository: openHere };
  return await store.bundle(place, input, call);
}

async function importIn(context: Context, input: Input<"import">, call: Call): Promise<store.ImportResult> {
  using _ = context.store.calls.enter();
  const repository = await openRepository(context);
  return await store.importHistory({ repository, openGit }, input, call);
}

export const handlers = {
  init: initIn,
  add: onRepository(store.add),
  rm: onRepository(store.rm),
  mv: onRepository(store.mv),
  status: onRepository(store.status),
  commit: onRepository(store.commit),
  restore: onRepository(store.restore),
  reset: onRepository(store.reset),
  checkout: onRepository(store.checkout),
  switch: onRepository(store.switchBranch),
  log: onRepository(store.log),
  show: onFiles(store.showHere),
  cat: onRepository(store.cat),
  "ls-tree": onRepository(store.lsTree),
  "ls-files": onRepository(store.lsFiles),
  diff: onRepository(store.diff),
  versions: onRepository(store.versions),
  compare: onRepository(store.compare),
  rank: onRepository(store.rank),
  changelog: onFiles(store.changelogHere),
  note: onFiles(store.noteHere),
  meta: onRepository(store.meta),
  registry: onRepository(store.registry),
  branch: onRepository(store.branch),
  tag: onRepository(store.tag),
  merge: onRepository(store.merge),
  revert: onRepository(store.revert),
  clone: cloneIn,
  login: loginIn,
  logout: logoutIn,
  remote: remoteIn,
  fetch: withRemote(store.fetch),
  pull: withRemote(store.pull),
  push: withRemote(store.push),
  sync: withRemote(store.sync),
  "ls-remote": lsRemoteIn,
  upload: withRemoteFor(store.upload),
  download: withRemoteFor(store.download),
  outdated: outdatedIn,
  bundle: bundleIn,
  champion: onRepository(store.champion),
  challenger: onOwned(store.challenger),
  promote: onOwned(store.promote),
  rollback: onOwned(store.rollback),
  archive: onRepository(store.archive),
  unarchive: onRepository(store.unarchive),
  layout: onOwned(store.layout),
  ref: onRepository(store.ref),
  "rev-parse": onRepository(store.revParse),
  "cat-file": onRepository(store.catFile),
  "hash-object": onStore(store.hashObject),
  inspect: inspectIn,
  refs: onRepository(store.refs),
  reflog: onRepository(store.reflog),
  audit: auditIn,
  repack: onStore(store.repack),
  gc: gcIn,
  undelete: byActor(store.undelete),
  fsck: fsckIn,
  verify: verifyIn,
  du: onRepository(store.du),
  repos: onStore(store.repos),
  token: onStore(store.token),
  config: inFolder(store.config),
  env: inFolder(store.env),
  doctor: doctorIn,
  events: onStore(store.events),
  hook: hookIn,
  import: importIn,
  name: onFiles(store.name),
  setup: withWeb(store.setup),
  list: onFiles(store.list),
  catalog: withWeb(store.catalog),
  data: dataIn,
  eval: evalIn,
  export: exportIn,
  backbone: backboneIn,
  train: onJobs(store.train),
  jobs: jobsIn,
  queue: onJobs(store.queue),
  backup: backupIn,
  "restore-backup": onFiles(store.restoreBackup),
  backups: onFiles(store.backups),
  activate: onFiles(store.activate),
} satisfies Handlers;
