/** A file of people, as `show` tells it and `note` writes about it. */
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { digestsOf } from "../backup/digests.ts";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { isNoRevision } from "../history/revision.ts";
import { assertMessage } from "../objects/names.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";
import { exclusively } from "../worktree/worktree.ts";
import { type FileNote, type FileOrigin, NO_ORIGIN, readRecord, writeRecord } from "./file-record.ts";
import { type FilesPlace, kindAt, pathOf } from "./folders.ts";
import { uploadsHere } from "./uploads.ts";

/** Where a bare name is looked for, in this order. */
const NAMED_IN = ["trained", "downloads", "active", "cloud", "backups"];

export interface FileCard extends FileOrigin {
  readonly kind: "file";
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the bytes that are there now. */
  readonly sha256: string;
  readonly md5: string;
  /** ISO 8601, UTC: when it was changed last. */
  readonly modified: string;
  /** False when the bytes are others than those that the origin is about; null when nothing is recorded. */
  readonly isAsRecorded: boolean | null;
  readonly notes: readonly FileNote[];
}

/** A path as seen from where the user stands, else a name in the folders of model files; undefined where no file is. */
async function findFile(place: FilesPlace, word: string): Promise<string | undefined> {
  if (word === "" || word.includes("\0")) return undefined;
  const isName = !/[/\\]/.test(word) && word !== "." && word !== "..";
  const named = isName ? NAMED_IN.map((folder) => join(place.models, folder, word)) : [];
  for (const path of [pathOf(place, word), ...named]) if ((await kindAt(path)) === "file") return path;
  return undefined;
}

/** Reads the whole file. Throws PATH_NOT_FOUND, FILE_CHANGED, FORMAT_UNSUPPORTED. */
export async function readCard(path: string, call: Call): Promise<FileCard> {
  const digests = await digestsOf(path, call);
  const record = await readRecord(path);
  const { sizeBytes: _size, sha256: _sha256, md5: _md5, notes, ...origin } = record ?? NO_RECORD;
  return {
    kind: "file",
    name: basename(path),
    path,
    ...digests,
    modified: await modifiedAt(path),
    ...origin,
    isAsRecorded: record === undefined ? null : record.sha256 === digests.sha256,
    notes,
  };
}

const NO_RECORD = { ...NO_ORIGIN, sizeBytes: 0, sha256: "", md5: "", notes: [] };

/** ISO 8601, UTC: when the file was changed last. Throws PATH_NOT_FOUND. */
export async function modifiedAt(path: string): Promise<string> {
  try {
    return (await stat(path)).mtime.toISOString();
  } catch (error) {
    throw fromErrno(error, `cannot look at '${show(path)}'`);
  }
}

/** A card with what is known of an upload of the same bytes, where nothing is recorded. Asks no remote. */
export async function withUpload(place: FilesPlace, card: FileCard, call: Call): Promise<FileCard> {
  if (card.uploaded !== null) return card;
  const same = (await uploadsHere(place, call)).find(({ sha256 }) => sha256 === card.sha256);
  if (same === undefined) return card;
  const { remote, commit, uploaded, originalPath, description } = same;
  return {
    ...card,
    remote,
    commit,
    uploaded,
    originalPath: card.originalPath ?? originalPath,
    description: card.description ?? description,
  };
}

/** Notes about a file, oldest first. */
export async function readFileNotes(path: string): Promise<readonly FileNote[]> {
  return (await readRecord(path))?.notes ?? [];
}

/**
 * Adds one behind the others; durable when it returns. Throws MESSAGE_INVALID, WOULD_OVERWRITE, and as `writeRecord`.
 */
export async function addFileNote(
  path: string,
  { text, author }: { text: string; author: string },
  call: Call,
): Promise<FileNote> {
  assertMessage(text);
  return exclusively({ root: `record of ${path}` }, call, async () => {
    const record = (await readRecord(path)) ?? { ...NO_ORIGIN, ...(await digestsOf(path, call)), notes: [] };
    const note = { author, date: new Date(nowMs()).toISOString(), text };
    await writeRecord(path, { ...record, notes: [...record.notes, note] });
    return note;
  });
}

interface RevisionOrFile<T, U> {
  /** What the user named; undefined is never a file. */
  readonly word: string | undefined;
  readonly asRevision: (repository: OwnedRepository) => Promise<T>;
  readonly asFile: (path: string) => Promise<U>;
}

/** A word as a revision; where it is none, as a file. Throws what `asRevision` threw when it is neither. */
export async function revisionOrFile<T, U>(
  place: FilesPlace,
  { word, asRevision, asFile }: RevisionOrFile<T, U>,
): Promise<T | U> {
  try {
    return await asRevision(await place.openRepository());
  } catch (error) {
    const path = word === undefined || !isNoRevision(error) ? undefined : await findFile(place, word);
    if (path === undefined) throw error;
    return asFile(path);
  }
}

/** Of an option that is about commits alone. */
export function noCommit(word: string, option: string): SmcError {
  return new SmcError(
    "ARGUMENT_INVALID",
    `'${show(word, 200)}' is a file, and ${option} is about versions; nothing was changed`,
  );
}
