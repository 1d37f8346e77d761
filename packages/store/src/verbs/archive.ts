/** `smc archive`: a version that is not in use any more is kept, with the reason, and nobody can lose it. */
import { type Call, createPacer } from "../call.ts";
import { nowMs } from "../clock.ts";
import { SmcError } from "../errors.ts";
import { parseSpan } from "../history/dates.ts";
import { commitOfRef } from "../history/log-entry.ts";
import { resolveCommit } from "../history/revision.ts";
import type { Digest } from "../objects/digest.ts";
import { assertMessage } from "../objects/names.ts";
import { ARCHIVE_PREFIX, archiveRef, listArchived, writeArchive } from "../registry/archive-refs.ts";
import { listRoles } from "../registry/roles.ts";
import { readVersionNames } from "../registry/version-names.ts";
import type { RefChange } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { readKnown } from "../registry/known.ts";
import { reasonOf } from "../worktree/state.ts";
import { noReason } from "./promote.ts";

/** Versions in one change. */
const VERSIONS_MAX = 10_000;

export interface ArchiveOptions {
  readonly revision?: string;
  /**
   * Instead of one: every tagged version that is older than this span, has no role, and is at no branch's tip: "90d".
   */
  readonly unused?: string;
  readonly reason?: string;
  /** Tells which, and archives none. */
  readonly dryRun?: boolean;
}

export interface ArchiveRow {
  readonly version: string;
  readonly commit: Digest;
  readonly ref: string;
}

export interface ArchiveResult {
  readonly archived: readonly ArchiveRow[];
  readonly reason: string;
  readonly dryRun: boolean;
}

/**
 * All of them or none. Throws ARGUMENT_INVALID without a reason, REF_PROTECTED for a version in a role, ALREADY_EXISTS
 * for one that is archived, REVISION_NOT_FOUND …, LIMIT_EXCEEDED over 10,000.
 */
export async function archive(
  repository: Repository,
  options: ArchiveOptions,
  call: Call,
): Promise<ArchiveResult> {
  const { revision, unused, reason = "", dryRun = false } = options;
  if (reason.trim() === "" && !dryRun) throw noReason("archive");
  if (reason !== "") assertMessage(reason);
  if ((revision === undefined) === (unused === undefined))
    throw new SmcError("ARGUMENT_INVALID", "name one version, or say how long the unused were not used");
  const commits =
    unused === undefined
      ? [await chosen(repository, revision ?? "", call)]
      : await findUnused(repository, parseSpan(unused), call);
  if (commits.length > VERSIONS_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `${commits.length} versions at once are more than ${VERSIONS_MAX}`);
  const names = await readVersionNames(repository, call);
  const changes: RefChange[] = [];
  const archived: ArchiveRow[] = [];
  for (const commit of commits) {
    const version = names.nameOf(commit);
    const { actor } = repository;
    if (!dryRun) changes.push(await writeArchive(repository, { version, commit, reason, actor }));
    archived.push({ version, commit, ref: await archiveRef(repository, { version, commit }) });
  }
  const why = reasonOf(repository, "archive", reason);
  await repository.store.refs.update(repository.name, changes, why, { owns: [ARCHIVE_PREFIX] });
  return { archived, reason, dryRun };
}

async function chosen(repository: Repository, revision: string, call: Call): Promise<Digest> {
  const commit = await resolveCommit(repository, revision, call);
  const role = [...(await listRoles(repository))].find(([, holder]) => holder === commit)?.[0];
  if (role !== undefined)
    throw new SmcError("REF_PROTECTED", `'${show(revision, 80)}' is ${show(role, 80)}; it was not archived`, {
      hint: 'it is archived when another version takes its place: see "smc promote"',
    });
  const known = (await listArchived(repository, call)).find((each) => each.commit === commit);
  if (known === undefined) return commit;
  const why = `'${show(revision, 80)}' is archived already, as ${show(known.version, 200)}; nothing was changed`;
  throw new SmcError("ALREADY_EXISTS", why, { hint: 'for another reason run "smc unarchive" first' });
}

/**
 * Tagged versions that nothing uses: no role, no branch's tip, tagged and committed before the span, no role within it.
 */
async function findUnused(repository: Repository, spanMs: number, call: Call): Promise<Digest[]> {
  const { store, name } = repository;
  const pace = createPacer(call);
  const used = new Set<Digest | undefined>((await listRoles(repository)).values());
  for (const { commit } of await listArchived(repository, call)) used.add(commit);
  for (const prefix of ["refs/heads/", "refs/worktrees/"])
    for (const { digest } of await store.refs.list(name, prefix)) used.add(await commitOfRef(store, digest));
  const before = nowMs() - spanMs;
  const unused = new Set<Digest>();
  for (const tag of await store.refs.list(name, "refs/tags/")) {
    await pace();
    const commit = await commitOfRef(store, tag.digest);
    if (commit === undefined || used.has(commit)) continue;
    const [moved] = await store.refs.log(name, tag.name, 1);
    const { committed } = (await readKnown(repository, commit, call)).commit;
    const newest = Math.max(moved?.ms ?? 0, committed.ms);
    if (newest <= before) unused.add(commit);
    else used.add(commit);
  }
  return [...unused].filter((commit) => !used.has(commit));
}
