/** Which version is what: `refs/registry/champion`, `refs/registry/challenger` and further roles. */
import type { Call } from "../call.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { commitOfRef, subjectOf } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { type RefName, refName } from "../objects/names.ts";
import type { CommitMeta } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { readKnown } from "./known.ts";
import type { VersionNames } from "./version-names.ts";

export const REGISTRY_PREFIX = "refs/registry/";
export const CHAMPION = "champion";
export const CHALLENGER = "challenger";
/** Changes of a role that are looked back over. */
export const CHANGES_MAX = 100_000;

/** A version, and what people want to know of it before they choose it. */
export interface VersionCard {
  readonly version: string;
  readonly commit: Digest;
  readonly subject: string;
  /** When the commit was made. */
  readonly date: string;
  readonly metrics: NonNullable<CommitMeta["metrics"]>;
  readonly params: NonNullable<CommitMeta["params"]>;
  /** Of all its files. */
  readonly sizeBytes: number;
}

/** A version in a role: since when, by whom, why. */
export interface RoleCard extends VersionCard {
  readonly role: string;
  readonly since: string;
  readonly by: string;
  readonly reason: string;
}

/** Throws REF_NAME_INVALID. */
export function roleRef(role: string): RefName {
  return refName(REGISTRY_PREFIX, role);
}

/** The commit in a role, or undefined. */
export async function readRole(
  { store, name }: Pick<Repository, "store" | "name">,
  role: string,
): Promise<Digest | undefined> {
  const digest = await store.refs.read(name, roleRef(role));
  return digest === undefined ? undefined : commitOfRef(store, digest);
}

/** Role → commit, of all roles that somebody is in. */
export async function listRoles({
  store,
  name: repository,
}: Pick<Repository, "store" | "name">): Promise<Map<string, Digest>> {
  const roles = new Map<string, Digest>();
  for (const { name, digest } of await store.refs.list(repository, REGISTRY_PREFIX)) {
    const commit = await commitOfRef(store, digest);
    if (commit !== undefined) roles.set(name.slice(REGISTRY_PREFIX.length), commit);
  }
  return roles;
}

/** With what notes added to metrics and params. Throws OBJECT_MISSING, OBJECT_CORRUPT. */
export async function readCard(
  repository: Repository,
  { commit, names }: { commit: Digest; names: VersionNames },
  call: Call,
): Promise<VersionCard> {
  const { meta, sizeBytes, commit: made } = await readKnown(repository, commit, call);
  return {
    version: names.nameOf(commit),
    commit,
    subject: subjectOf(made.message),
    date: formatMoment(made.committed),
    metrics: meta.metrics ?? {},
    params: meta.params ?? {},
    sizeBytes,
  };
}

/** Who is in a role, or was at a moment; undefined for nobody. Throws as `readCard`. */
export async function readRoleCard(
  repository: Repository,
  { role, names, atMs }: { role: string; names: VersionNames; atMs?: number | undefined },
  call: Call,
): Promise<RoleCard | undefined> {
  const { store, name } = repository;
  const log = await store.refs.log(name, roleRef(role), atMs === undefined ? 1 : CHANGES_MAX);
  const change = log.find(({ ms }) => atMs === undefined || ms <= atMs);
  if (change === undefined || change.to === "absent") return undefined;
  const commit = await commitOfRef(store, change.to);
  if (commit === undefined) return undefined;
  const card = await readCard(repository, { commit, names }, call);
  const since = formatMoment(momentAt(change.ms));
  return { role, ...card, since, by: change.actor, reason: change.reason };
}
