/** One object, told for people: a commit with what it changed, a tag, a folder, a file. */
import type { Call } from "../call.ts";
import { formatMoment } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { readTag } from "../history/graph.ts";
import { formatEntry, formatIdentity, type LogEntry, readDecorations } from "../history/log-entry.ts";
import { ARCHIVE_PREFIX, type ArchivedVersion, findArchived } from "../registry/archive-refs.ts";
import { readKnown } from "../registry/known.ts";
import type { Note } from "../registry/notes.ts";
import type { Repository } from "../repository.ts";
import { resolveRevision, type RevisionKind } from "../history/revision.ts";
import { type FileCard, noCommit, readCard, revisionOrFile, withUpload } from "../layout/file-card.ts";
import type { FilesPlace } from "../layout/folders.ts";
import { show as showText } from "../show.ts";
import { listTensors, type TensorListing } from "../tensors/listing.ts";
import { diffCommits, type DiffResult } from "./diff.ts";
import { lsTree, type LsTreeRow } from "./ls-tree.ts";

export interface ShowOptions {
  /** HEAD when left out. What is no revision may be a file. */
  readonly revision?: string;
  /** Of a file of a revision its tensors. */
  readonly tensors?: boolean;
}

export interface ShownTag {
  readonly digest: Digest;
  readonly name: string;
  readonly tagger: string;
  readonly date: string;
  readonly message: string;
  readonly target: Digest;
  readonly targetKind: string;
}

export interface ShowResult {
  readonly kind: RevisionKind;
  readonly digest: Digest;
  readonly path: string | null;
  /** Tags on the way, outermost first. */
  readonly tags: readonly ShownTag[];
  readonly commit: LogEntry | null;
  /** Against the first parent. */
  readonly diff: DiffResult | null;
  readonly entries: readonly LsTreeRow[] | null;
  /** For a file; its bytes are read by digest. */
  readonly sizeBytes: number | null;
  /** With `tensors`, for a file. */
  readonly tensors: TensorListing | null;
  /** About a commit, oldest first; its metrics and params have what they add. */
  readonly notes: readonly Note[];
  /** About a commit: the names that it is archived as, and why. */
  readonly archived: readonly ArchivedVersion[];
}

const TAGS_MAX = 100;

/**
 * `kind` is that of the object behind the tags. Throws as resolveRevision, REVISION_INVALID with `tensors` for what is
 * no file.
 */
export async function show(repository: Repository, options: ShowOptions, call: Call): Promise<ShowResult> {
  const { store } = repository;
  const found = await resolveRevision(repository, options.revision ?? "HEAD", call);
  const tags: ShownTag[] = [];
  let { digest, kind } = found;
  while (kind === "tag") {
    if (tags.length >= TAGS_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${TAGS_MAX} tags of tags`);
    const tag = await readTag(store, digest);
    const { name, message, target, targetKind } = tag;
    const date = formatMoment(tag.tagged);
    tags.push({ digest, name, tagger: formatIdentity(tag.tagger), date, message, target, targetKind });
    ({ target: digest, targetKind: kind } = tag);
  }
  if (options.tensors === true && kind !== "blob") throw noFile(options.revision ?? "HEAD", kind);
  const nothing = { commit: null, diff: null, entries: null, sizeBytes: null, tensors: null };
  const shown = { kind, digest, path: found.path ?? null, tags, ...nothing, notes: [], archived: [] };
  if (kind === "commit") return { ...shown, ...(await showCommit(repository, digest, call)) };
  if (kind === "tree") return { ...shown, entries: await lsTree(repository, { revision: digest }, call) };
  const sizeBytes = (await store.objects.stat(digest))?.sizeBytes ?? null;
  if (options.tensors !== true) return { ...shown, sizeBytes };
  const file = { digest, path: found.path ?? "" };
  return { ...shown, sizeBytes, tensors: await listTensors(store, file, call) };
}

/** A revision as `show` tells it, else a file of people. Throws as `show`, FILE_CHANGED. */
export async function showHere(
  place: FilesPlace,
  options: ShowOptions,
  call: Call,
): Promise<ShowResult | FileCard> {
  const { revision, tensors } = options;
  return revisionOrFile(place, {
    word: revision,
    asRevision: (repository) => show(repository, options, call),
    asFile: async (path) => {
      if (tensors === true) throw noCommit(revision ?? "", "--tensors");
      return withUpload(place, await readCard(path, call), call);
    },
  });
}

function noFile(text: string, kind: RevisionKind): SmcError {
  return new SmcError("REVISION_INVALID", `'${showText(text, 80)}' is a ${kind}, and a file has tensors`, {
    hint: `name a file: ${showText(text, 80)}:PATH, or see those of all files with "smc ls-tree -r --tensors"`,
  });
}

async function showCommit(
  repository: Repository,
  digest: Digest,
  call: Call,
): Promise<Pick<ShowResult, "commit" | "notes" | "archived" | "diff">> {
  const { commit, meta, notes } = await readKnown(repository, digest, call);
  const entry = formatEntry(digest, { ...commit, meta }, await readDecorations(repository, call));
  const archived: ArchivedVersion[] = [];
  for (const name of entry.refs.filter((ref) => ref.startsWith(ARCHIVE_PREFIX))) {
    const found = await findArchived(repository, name);
    if (found !== undefined) archived.push(found);
  }
  return {
    commit: entry,
    notes,
    archived,
    diff: await diffCommits(repository, { from: commit.parents[0], to: digest }, call),
  };
}
