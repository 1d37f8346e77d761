/** Verbs that need a remote: the store knows what to do there, this finds and opens it. */
import * as store from "@smc/store";
import type { Call, FilesPlace, OwnedRepository, Remote, RemoteAccess } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import type { Input } from "../api.ts";
import { type Context, folderOf, openRepository, readActor, readDefaultBranch } from "../context.ts";
import { filesPlaceOf } from "../files-place.ts";
import { openRemote, probeRemote } from "./open-remote.ts";
import { parseRemoteUrl } from "./remote-url.ts";

/** What such a verb is given besides its input. */
export interface OpenedRemote {
  readonly remote: Remote;
  readonly remoteName: string;
}

function accessOf(context: Context): RemoteAccess {
  return {
    check: (url) => void parseRemoteUrl(url),
    probe: ({ url }, call) => probeRemote(url, context, call),
    open: ({ url }) => openRemote(url, context),
  };
}

/**
 * Opens the remote that `input.remote` names (`origin`, or the only one, when left out) for as long as the verb runs.
 */
export function withRemote<Options extends OpenedRemote, Result>(
  verb: (repository: OwnedRepository, options: Options, call: Call) => Promise<Result>,
): (
  context: Context,
  input: Omit<Options, keyof OpenedRemote> & { readonly remote?: string },
  call: Call,
) => Promise<Result> {
  return async (context, input, call) => {
    using _ = context.store.calls.enter();
    const repository = await openRepository(context);
    const records = await store.readRemotes(context.store, repository.name);
    const record = store.findRemote(records, input.remote);
    await using remote = await accessOf(context).open(record, call);
    // TypeScript cannot see that an Omit put together again is the whole.
    const options = { ...input, remote, remoteName: record.name } as unknown as Options;
    return await verb({ ...repository, store: context.store }, options, call);
  };
}

/** As `withRemote`, for verbs that deal with files of people. */
export function withRemoteFor<Options extends OpenedRemote, Result>(
  verb: (place: FilesPlace, options: Options, call: Call) => Promise<Result>,
): (
  context: Context,
  input: Omit<Options, keyof OpenedRemote> & { readonly remote?: string },
  call: Call,
) => Promise<Result> {
  return async (context, input, call) => {
    const place = await filesPlaceOf(context);
    const run = withRemote<Options, Result>((_, options, now) => verb(place, options, now));
    return run(context, input, call);
  };
}

export async function remoteIn(
  context: Context,
  input: Input<"remote">,
  call: Call,
): Promise<store.RemoteResult> {
  const repository = await openRepository(context);
  return store.remote({ ...accessOf(context), repository }, input, call);
}

export async function outdatedIn(
  context: Context,
  input: Input<"outdated">,
  call: Call,
): Promise<store.OutdatedResult> {
  const repository = await openRepository(context);
  return store.outdated({ ...accessOf(context), repository }, input, call);
}

export async function cloneIn(
  context: Context,
  input: Input<"clone">,
  call: Call,
): Promise<store.CloneResult> {
  using _ = context.store.calls.enter();
  const actor = await readActor(context);
  const defaultBranch = await readDefaultBranch(context);
  const place = { ...accessOf(context), store: context.store, actor, defaultBranch };
  return await store.clone(place, { ...input, folder: folderOf(context, input.folder) }, call);
}

/** A word with `:` or `/` in it is a URL: it needs no repository. */
export async function lsRemoteIn(
  context: Context,
  input: Input<"ls-remote">,
  call: Call,
): Promise<store.LsRemoteResult> {
  const { remote: named, ...options } = input;
  const access = accessOf(context);
  await using remote = await access.open(await recordOf(context, named), call);
  return await store.lsRemote({ remote }, options, call);
}

async function recordOf(context: Context, named: string | undefined): Promise<store.RemoteRecord> {
  if (named !== undefined && /[:/]/.test(named)) return { repository: "", name: "", url: named };
  const { name } = await openRepository(context);
  return store.findRemote(await store.readRemotes(context.store, name), named);
}

/** As `fsckIn`. */
export async function gcIn(
  context: Context,
  { remote: named, ...options }: Input<"gc">,
  call: Call,
): Promise<store.GcResult | store.RemoteGcResult> {
  const { name, email } = await readActor(context);
  const actor = `${name} <${email}>`;
  if (named === undefined) return store.gc(context.store, { ...options, actor }, call);
  const { keepLast, keepTags, pruneAll, ...rest } = options;
  if (keepLast !== undefined || keepTags === true || pruneAll === true)
    throw new SmcError("ARGUMENT_INVALID", "versions give up their files in a store, not on a remote", {
      hint: 'run "smc gc --keep-last" here and push, then run "smc gc --remote"',
    });
  using _ = context.store.calls.enter();
  const record = await recordOf(context, named === "" ? undefined : named);
  await using remote = await openRemote(record.url, context);
  return await store.gcRemote(context.store, { ...rest, remote, remoteName: record.name, actor }, call);
}

/**
 * Without `input.remote` it is about the store alone; an empty name is that of the remote which is meant when none is
 * named.
 */
export async function fsckIn(
  context: Context,
  { remote: named, ...options }: Input<"fsck">,
  call: Call,
): Promise<store.FsckResult> {
  if (named === undefined) {
    const result = await store.fsck(context.store, options, call);
    const [first] = result.problems;
    const count = result.problems.length;
    if (first !== undefined)
      await store.noteIntegrity(context.store, `fsck: ${count} problems: ${first.message}`);
    return result;
  }
  const record = await recordOf(context, named === "" ? undefined : named);
  await using remote = await openRemote(record.url, context, { fresh: options.full === true });
  return await store.fsck(context.store, { ...options, remote, remoteName: record.name }, call);
}

/** Without `input.remote` it is about the store alone. */
export async function verifyIn(
  context: Context,
  { remote: named, ...options }: Input<"verify">,
  call: Call,
): Promise<store.VerifyResult> {
  using _ = context.store.calls.enter();
  const repository = { ...(await openRepository(context)), store: context.store };
  if (named === undefined) return await store.verify(repository, options, call);
  const record = await recordOf(context, named);
  await using remote = await openRemote(record.url, context, { fresh: options.full === true });
  return await store.verify(repository, { ...options, remote, remoteName: record.name }, call);
}
