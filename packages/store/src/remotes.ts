/**
 * The remotes of every repository of a store: `remotes.json`. It never holds a password or a token; a link that was
 * shared stands there whole, with the key that is part of it.
 */
import { join } from "node:path";
import type { Call } from "./call.ts";
import { isSmcError, SmcError } from "./errors.ts";
import { replaceFile } from "./fs.ts";
import { suggest } from "./history/suggest.ts";
import { assertRepositoryName, foldName, refName } from "./objects/names.ts";
import { show } from "./show.ts";
import type { Store } from "./store.ts";
import type { Remote } from "./transfer/remote.ts";
import { readSmall } from "./worktree/head.ts";
import { exclusively } from "./worktree/worktree.ts";

const VERSION = 1;
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const URL_LENGTH_MAX = 4096;
/** The remote that is meant when none is named. */
export const DEFAULT_REMOTE = "origin";

export interface RemoteRecord {
  readonly repository: string;
  readonly name: string;
  readonly url: string;
}

export interface RemoteAbilities {
  /** We may fetch from there and not push. */
  readonly readOnly: boolean;
  /** Of two who move one ref at the same time one is told; otherwise both values are there afterwards. */
  readonly exclusive: boolean;
}

/** The way to remotes, which is not the store's business. */
export interface RemoteAccess {
  /** Throws URL_INVALID for what cannot be a remote; goes nowhere. */
  check(url: string): void;
  /**
   * Sees what can be done there, if need be by writing and taking it away again. Throws REMOTE_UNSUITABLE where nothing
   * can be pushed safely.
   */
  probe(record: RemoteRecord, call: Call): Promise<RemoteAbilities>;
  /** Throws URL_INVALID, REMOTE_NOT_FOUND, REMOTE_UNREACHABLE, AUTH_FAILED. */
  open(record: RemoteRecord, call: Call): Promise<Remote>;
}

/** One part of a ref name. Throws REF_NAME_INVALID. */
export function assertRemoteName(name: string): void {
  refName("refs/remotes/", name);
  if (!name.includes("/")) return;
  throw new SmcError("REF_NAME_INVALID", `'${show(name, 80)}' is not a name for a remote: '/' inside`);
}

/** The remotes of a repository, in the order of their names. Throws STORE_CORRUPT, FORMAT_UNSUPPORTED. */
export async function readRemotes(store: Pick<Store, "path">, repository: string): Promise<RemoteRecord[]> {
  return (await readAll(store)).filter((record) => record.repository === repository);
}

/** The remote of this name, or `origin`, or the only one there is. Throws REMOTE_NOT_FOUND with what there is. */
export function findRemote(records: readonly RemoteRecord[], name: string | undefined): RemoteRecord {
  const wanted = name ?? DEFAULT_REMOTE;
  const only = name === undefined && records.length === 1 ? records[0] : undefined;
  const found = records.find((record) => record.name === wanted) ?? only;
  if (found !== undefined) return found;
  const names = records.map((record) => record.name);
  const details = { remote: wanted, candidates: names };
  if (names.length === 0) {
    throw new SmcError("REMOTE_NOT_FOUND", "this repository has no remote", {
      hint: 'add one with "smc remote add origin URL"',
      details,
    });
  }
  const near = suggest(wanted, names);
  const why = name === undefined ? "several remotes and none is 'origin'" : `no remote '${show(wanted, 80)}'`;
  throw new SmcError("REMOTE_NOT_FOUND", `there ${name === undefined ? "are" : "is"} ${why}`, {
    hint: near.length > 0 ? `did you mean: ${near.join(", ")}` : `there is: ${names.join(", ")}`,
    details,
  });
}

/**
 * Makes of a repository's remotes what `edit` gives. Atomic and durable; one after the other. Throws as `readRemotes`.
 */
export async function changeRemotes(
  store: Pick<Store, "path">,
  repository: string,
  edit: (records: readonly RemoteRecord[]) => readonly RemoteRecord[],
  call: Call,
): Promise<void> {
  const path = pathOf(store);
  await exclusively({ root: path }, call, async () => {
    const all = await readAll(store);
    const others = all.filter((record) => record.repository !== repository);
    const own = edit(all.filter((record) => record.repository === repository));
    const text = formatRemotes([...others, ...own]);
    if (Buffer.byteLength(text) > FILE_BYTES_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' would be larger than ${FILE_BYTES_MAX} bytes`);
    await replaceFile(path, text);
  });
}

/** The remotes with one more. Throws ALREADY_EXISTS, also for a name that differs by case only. */
export function withRecord(records: readonly RemoteRecord[], record: RemoteRecord): RemoteRecord[] {
  const same = records.find((other) => foldName(other.name) === foldName(record.name));
  if (same === undefined) return [...records, record];
  throw new SmcError("ALREADY_EXISTS", `there is a remote '${show(same.name)}' already; it was not changed`, {
    hint: `change where it leads with "smc remote set-url ${show(same.name)} URL"`,
    details: { remote: same.name, url: same.url },
  });
}

function pathOf(store: Pick<Store, "path">): string {
  return join(store.path, "remotes.json");
}

function compare(a: RemoteRecord, b: RemoteRecord): number {
  if (a.repository !== b.repository) return a.repository < b.repository ? -1 : 1;
  return a.name < b.name ? -1 : a.name === b.name ? 0 : 1;
}

function formatRemotes(records: readonly RemoteRecord[]): string {
  const remotes = [...records].sort(compare);
  return `${JSON.stringify({ version: VERSION, remotes }, undefined, 2)}\n`;
}

async function readAll(store: Pick<Store, "path">): Promise<RemoteRecord[]> {
  const path = pathOf(store);
  let bytes: Buffer;
  try {
    bytes = await readSmall(path, FILE_BYTES_MAX);
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return [];
    throw isSmcError(error, "LIMIT_EXCEEDED") ? damaged(path, "it is too large", error) : error;
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw damaged(path, "it is not JSON", error);
  }
  const { version, remotes } = (value ?? {}) as { version?: unknown; remotes?: unknown };
  if (typeof version !== "number") throw damaged(path, "it has no version");
  if (version !== VERSION) {
    const known = `this smc knows ${VERSION}`;
    throw new SmcError("FORMAT_UNSUPPORTED", `'${show(path)}' is of version ${version}; ${known}`);
  }
  if (!Array.isArray(remotes)) throw damaged(path, "it has no list of remotes");
  const records = remotes.map((item: unknown, position) => parseRecord(item, position, path));
  const names = new Set(records.map((record) => `${record.repository}\0${foldName(record.name)}`));
  if (names.size < records.length) throw damaged(path, "a remote stands in it twice");
  return records.sort(compare);
}

function parseRecord(item: unknown, position: number, path: string): RemoteRecord {
  const { repository, name, url } = (item ?? {}) as Partial<Record<keyof RemoteRecord, unknown>>;
  const where = `remote ${position + 1}`;
  if (typeof repository !== "string" || typeof name !== "string" || typeof url !== "string")
    throw damaged(path, `${where} has no repository, name or url`);
  if (url === "" || url.length > URL_LENGTH_MAX) throw damaged(path, `the url of ${where} is not one`);
  try {
    assertRepositoryName(repository);
    assertRemoteName(name);
  } catch (error) {
    throw damaged(path, `${where} has a bad name`, error);
  }
  return { repository, name, url };
}

function damaged(path: string, why: string, cause?: unknown): SmcError {
  return new SmcError("STORE_CORRUPT", `'${show(path)}' is damaged: ${why}; nothing was changed`, {
    hint: 'move it away and add the remotes anew with "smc remote add"',
    cause,
  });
}
