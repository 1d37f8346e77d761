/** `smc remote`: the other places that hold a repository, by name. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { RefName } from "../objects/names.ts";
import { parseRefName } from "../objects/names.ts";
import type { RefChange } from "../refs/refs.ts";
import {
  assertRemoteName,
  changeRemotes,
  findRemote,
  readRemotes,
  type RemoteAccess,
  type RemoteRecord,
  withRecord,
} from "../remotes.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { reasonOf } from "../worktree/state.ts";

export interface RemoteOptions {
  readonly action: "list" | "add" | "remove" | "rename" | "set-url" | "test";
  /** Of the remote; for `test` `origin`, or the only one, when left out. */
  readonly name?: string;
  /** For `add` and `set-url`. */
  readonly url?: string;
  /** For `rename`: its new name. */
  readonly to?: string;
  /** For `add`: not asking the remote whether it can be one. */
  readonly skipTest?: boolean;
}

export interface RemoteEntry {
  readonly name: string;
  readonly url: string;
  /** "file", "s3" … */
  readonly kind: string;
}

/** What a remote answered. */
export interface RemoteFound {
  readonly branches: number;
  readonly tags: number;
  readonly refs: number;
  readonly ms: number;
  /** For `add`: we may fetch from there and not push. */
  readonly readOnly: boolean;
  /** For `add`: of two who move one ref at the same time one is told; otherwise both values are there afterwards. */
  readonly exclusive: boolean;
}

export interface RemoteResult {
  readonly action: RemoteOptions["action"];
  /** Those listed; else the one that was added, changed, asked or removed. */
  readonly remotes: readonly RemoteEntry[];
  /** For `test`, and for `add` that asked. */
  readonly found: RemoteFound | null;
  /** Tracking refs that were removed or renamed. */
  readonly refs: readonly RefName[];
}

/** What the verb works on, and the way to the remotes. */
interface RemotePlace extends RemoteAccess {
  readonly repository: Repository;
}

/**
 * Throws ALREADY_EXISTS, REMOTE_NOT_FOUND, REF_NAME_INVALID, URL_INVALID, ARGUMENT_INVALID for a word that is missing,
 * STORE_CORRUPT for a `remotes.json` that is damaged, and as opening a remote; nothing is changed then.
 */
export async function remote(place: RemotePlace, options: RemoteOptions, call: Call): Promise<RemoteResult> {
  const { repository } = place;
  const records = await readRemotes(repository.store, repository.name);
  const { action } = options;
  const answer = (record: RemoteRecord, more: Partial<RemoteResult> = {}): RemoteResult => {
    return { action, remotes: [rowOf(record)], found: null, refs: [], ...more };
  };
  switch (action) {
    case "list":
      return { action, remotes: records.map(rowOf), found: null, refs: [] };
    case "add": {
      const { record, found } = await addRemote(place, records, options, call);
      return answer(record, { found });
    }
    case "remove": {
      const record = findRemote(records, required(options.name, "name"));
      return answer(record, { refs: await removeRemote(repository, record, call) });
    }
    case "rename": {
      const record = findRemote(records, required(options.name, "name"));
      const to = { ...record, name: required(options.to, "to") };
      return answer(to, { refs: await renameRemote(repository, { record, to }, call) });
    }
    case "set-url": {
      const record = findRemote(records, required(options.name, "name"));
      const to = { ...record, url: required(options.url, "url") };
      place.check(to.url);
      await change(repository, (now) => now.map((row) => (row.name === to.name ? to : row)), call);
      return answer(to);
    }
    case "test": {
      const record = findRemote(records, options.name);
      return answer(record, { found: await ask(place, record, call) });
    }
  }
}

function rowOf({ name, url }: RemoteRecord): RemoteEntry {
  return { name, url, kind: /^[A-Za-z0-9+.-]+(?=:)/.exec(url)?.[0].toLowerCase() ?? "" };
}

function required(value: string | undefined, what: string): string {
  if (value !== undefined) return value;
  throw new SmcError("ARGUMENT_INVALID", `remote: '${what}' is missing`);
}

type Edit = (records: readonly RemoteRecord[]) => readonly RemoteRecord[];

async function change({ store, name }: Repository, edit: Edit, call: Call): Promise<void> {
  await changeRemotes(store, name, edit, call);
}

async function addRemote(
  place: RemotePlace,
  records: readonly RemoteRecord[],
  options: RemoteOptions,
  call: Call,
): Promise<{ record: RemoteRecord; found: RemoteFound | null }> {
  const { repository } = place;
  const name = required(options.name, "name");
  const url = required(options.url, "url");
  assertRemoteName(name);
  place.check(url);
  const record = { repository: repository.name, name, url };
  withRecord(records, record);
  const asked = options.skipTest === true ? null : await ask(place, record, call);
  const found = asked === null ? null : { ...asked, ...(await place.probe(record, call)) };
  await change(repository, (now) => withRecord(now, record), call);
  return { record, found };
}

async function ask(place: RemotePlace, record: RemoteRecord, call: Call): Promise<RemoteFound> {
  const startedMs = performance.now();
  await using opened = await place.open(record, call);
  const refs = await opened.refs(call);
  const below = (prefix: string): number => refs.filter(({ name }) => name.startsWith(prefix)).length;
  return {
    branches: below("refs/heads/"),
    tags: below("refs/tags/"),
    refs: refs.length,
    ms: Math.round(performance.now() - startedMs),
    readOnly: false,
    exclusive: true,
  };
}

/** Refs first: when it is interrupted the remote is still there, and can be removed again. */
async function removeRemote(repository: Repository, record: RemoteRecord, call: Call): Promise<RefName[]> {
  const { store, name } = repository;
  const tracked = await store.refs.list(name, `refs/remotes/${record.name}/`);
  const changes = tracked.map((ref): RefChange => ({ name: ref.name, from: ref.digest, to: "absent" }));
  const reason = reasonOf(repository, "remote", `removed ${record.name}`);
  if (changes.length > 0) await store.refs.update(name, changes, reason);
  await change(repository, (now) => now.filter((row) => row.name !== record.name), call);
  return tracked.map((ref) => ref.name);
}

async function renameRemote(
  repository: Repository,
  { record, to }: { record: RemoteRecord; to: RemoteRecord },
  call: Call,
): Promise<RefName[]> {
  const { store, name } = repository;
  assertRemoteName(to.name);
  const renamed: Edit = (now) =>
    withRecord(
      now.filter((row) => row.name !== record.name),
      to,
    );
  renamed(await readRemotes(store, name));
  if (record.name === to.name) return [];
  const prefix = `refs/remotes/${record.name}/`;
  const tracked = await store.refs.list(name, prefix);
  const moved = (ref: RefName): RefName =>
    parseRefName(`refs/remotes/${to.name}/${ref.slice(prefix.length)}`);
  const changes = tracked.flatMap((ref): RefChange[] => [
    { name: ref.name, from: ref.digest, to: "absent" },
    { name: moved(ref.name), from: "any", to: ref.digest },
  ]);
  const reason = reasonOf(repository, "remote", `renamed ${record.name} to ${show(to.name)}`);
  if (changes.length > 0) await store.refs.update(name, changes, reason);
  await change(repository, renamed, call);
  return tracked.map((ref) => moved(ref.name));
}
