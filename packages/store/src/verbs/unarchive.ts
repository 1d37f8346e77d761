/** `smc unarchive`: an archived version is a candidate again. What was written of it stays in the journal. */
import type { Call } from "../call.ts";
import { resolveCommit } from "../history/revision.ts";
import {
  ARCHIVE_PREFIX,
  type ArchivedVersion,
  findArchived,
  listArchived,
} from "../registry/archive-refs.ts";
import { notFound } from "../refs/ref-find.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { reasonOf } from "../worktree/state.ts";

export interface UnarchiveOptions {
  /** As it is archived, or any revision that leads to it. */
  readonly revision: string;
  readonly reason?: string;
}

export interface UnarchiveResult {
  readonly unarchived: readonly ArchivedVersion[];
}

/** Throws REVISION_NOT_FOUND for what is not archived, REF_CHANGED. */
export async function unarchive(
  repository: Repository,
  { revision, reason }: UnarchiveOptions,
  call: Call,
): Promise<UnarchiveResult> {
  const commit =
    (await findArchived(repository, revision))?.commit ?? (await resolveCommit(repository, revision, call));
  const unarchived = (await listArchived(repository, call)).filter((each) => each.commit === commit);
  if (unarchived.length === 0)
    throw notFound(revision, `'${show(revision, 80)}' is not archived; nothing was changed`, {
      hint: 'see what is with "smc rollback --list"',
    });
  const changes = unarchived.map(({ ref, digest }) => ({ name: ref, from: digest, to: "absent" as const }));
  const why = reasonOf(
    repository,
    "unarchive",
    reason ?? unarchived.map(({ version }) => version).join(", "),
  );
  await repository.store.refs.update(repository.name, changes, why, { owns: [ARCHIVE_PREFIX] });
  return { unarchived };
}
