/** Every version of a repository: what tags, archive and registry name, one row for each commit. */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { formatMoment } from "../history/dates.ts";
import { walk } from "../history/graph.ts";
import { commitOfRef, formatIdentity, subjectOf } from "../history/log-entry.ts";
import { SmcError } from "../errors.ts";
import type { MetaMap } from "../objects/objects.ts";
import { versionName } from "../refs/version-order.ts";
import type { Repository } from "../repository.ts";
import { peelRef } from "./facts.ts";
import { listArchived } from "./archive-refs.ts";
import { readKnownAt } from "./known.ts";
import { type Note, readNoteTips } from "./notes.ts";
import { readTags } from "./version-names.ts";

const REGISTRY = "refs/registry/";
/** Versions in one list. */
const VERSIONS_MAX = 1_000_000;

export type VersionStatus = "champion" | "challenger" | "archived" | "candidate";

export interface Archived {
  /** As it is named in the archive. */
  readonly version: string;
  readonly reason: string;
  /** `Name <address>`; null, like the date, when the archive names the commit without a tag object. */
  readonly by: string | null;
  readonly date: string | null;
}

export interface VersionRow {
  /** Its highest release `vX.Y.Z`, else another tag, else its name in the archive, else `c-` and 12 digits. */
  readonly version: string;
  readonly commit: Digest;
  readonly tags: readonly string[];
  readonly status: VersionStatus;
  /** Names below refs/registry/: champion, challenger, others. */
  readonly roles: readonly string[];
  readonly archived: Archived | null;
  /** When it was committed, in ISO 8601. */
  readonly date: string;
  readonly author: string;
  readonly subject: string;
  readonly sizeBytes: number;
  /** With what notes added; so are params and meta. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly params: Readonly<Record<string, string | number | boolean | null>>;
  readonly meta: MetaMap;
  readonly notes: readonly Note[];
}

interface Names {
  readonly tags: readonly string[];
  readonly roles: string[];
  archived: Archived | undefined;
}

export interface ListOptions {
  /** Every commit of every branch, too. */
  readonly all?: boolean;
}

/** Newest first. Throws OBJECT_MISSING, OBJECT_CORRUPT, LIMIT_EXCEEDED. */
export async function listVersions(
  repository: Repository,
  options: ListOptions,
  call: Call,
): Promise<VersionRow[]> {
  const pace = createPacer(call);
  const named = await readNames(repository, call);
  if (options.all === true) await addBranches(repository, named, call);
  if (named.size > VERSIONS_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${VERSIONS_MAX} versions`);
  const notes = await readNoteTips(repository);
  const rows: { row: VersionRow; ms: number }[] = [];
  for (const [commit, names] of named) {
    const known = await readKnownAt(repository, { digest: commit, notes: notes.get(commit) }, call);
    const { metrics = {}, params = {}, ...meta } = known.meta;
    const { author, committed, message } = known.commit;
    const row: VersionRow = {
      version: nameOf(commit, names),
      commit,
      tags: names.tags,
      status: statusOf(names),
      roles: names.roles,
      archived: names.archived ?? null,
      date: formatMoment(committed),
      author: formatIdentity(author),
      subject: subjectOf(message),
      sizeBytes: known.sizeBytes,
      metrics,
      params,
      meta,
      notes: known.notes,
    };
    rows.push({ row, ms: committed.ms });
    await pace();
  }
  rows.sort((a, b) => b.ms - a.ms || (a.row.version < b.row.version ? 1 : -1));
  return rows.map(({ row }) => row);
}

function nameOf(commit: Digest, { tags, archived }: Names): string {
  return tags.length === 0 && archived !== undefined ? archived.version : versionName(tags, commit);
}

function statusOf({ roles, archived }: Names): VersionStatus {
  if (roles.includes("champion")) return "champion";
  if (roles.includes("challenger")) return "challenger";
  return archived === undefined ? "candidate" : "archived";
}

async function readNames(repository: Repository, call: Call): Promise<Map<Digest, Names>> {
  const { store, name } = repository;
  const pace = createPacer(call);
  const named = new Map<Digest, Names>();
  for (const [commit, tags] of await readTags(repository, call))
    named.set(commit, { tags, roles: [], archived: undefined });
  const namesOf = (commit: Digest): Names => {
    const known = named.get(commit) ?? { tags: [], roles: [], archived: undefined };
    named.set(commit, known);
    return known;
  };
  for (const { commit, version, reason, by, at } of await listArchived(repository, call))
    namesOf(commit).archived = { version, reason: (reason ?? "").trimEnd(), by, date: at };
  for (const { name: ref, digest } of await store.refs.list(name, REGISTRY)) {
    const { commit } = await peelRef(store, digest);
    if (commit !== undefined) namesOf(commit).roles.push(ref.slice(REGISTRY.length));
    await pace();
  }
  return named;
}

async function addBranches(repository: Repository, named: Map<Digest, Names>, call: Call): Promise<void> {
  const tips: Digest[] = [...named.keys()];
  for (const { digest } of await repository.store.refs.list(repository.name, "refs/heads/")) {
    const commit = await commitOfRef(repository.store, digest);
    if (commit !== undefined) tips.push(commit);
  }
  for await (const { digest } of walk(repository.store, { from: tips }, call)) {
    if (!named.has(digest)) named.set(digest, { tags: [], roles: [], archived: undefined });
  }
}
