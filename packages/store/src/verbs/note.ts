/** `smc note`: what is learned about a commit, or a file, later; notes are added, never changed. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { resolveCommit } from "../history/revision.ts";
import { addFileNote, noCommit, readFileNotes, revisionOrFile } from "../layout/file-card.ts";
import type { FileNote } from "../layout/file-record.ts";
import type { FilesPlace } from "../layout/folders.ts";
import { FileWork } from "../layout/note-files.ts";
import { assertMessage } from "../objects/names.ts";
import type { Digest } from "../objects/digest.ts";
import { addNote, type Note, readNotesOf } from "../registry/notes.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";

export interface NoteOptions {
  /** What it is about; HEAD when left out. What is no revision may be a file. */
  readonly revision?: string;
  /** Adds a note; lists when neither this nor `metrics` is given. */
  readonly message?: string;
  /** Of an evaluation: from now on they are the version's. */
  readonly metrics?: Readonly<Record<string, number>>;
}

export interface NoteResult {
  readonly action: "list" | "add";
  readonly commit: Digest;
  /** All of them, or the one that was added; oldest first. */
  readonly notes: readonly Note[];
}

/** Throws REVISION_NOT_FOUND, MESSAGE_INVALID, ARGUMENT_INVALID for a metric that is no number, LIMIT_EXCEEDED. */
export async function note(repository: Repository, options: NoteOptions, call: Call): Promise<NoteResult> {
  const { message, metrics = {} } = options;
  const isEvaluation = Object.keys(metrics).length > 0;
  for (const [name, value] of Object.entries(metrics)) {
    if (!Number.isFinite(value))
      throw new SmcError("ARGUMENT_INVALID", `metric '${show(name, 80)}' is not a finite number`);
  }
  if (message !== undefined) assertMessage(message);
  const commit = await resolveCommit(repository, options.revision ?? "HEAD", call);
  if (message === undefined && !isEvaluation)
    return { action: "list", commit, notes: await readNotesOf(repository, commit, call) };
  const kind = isEvaluation ? "evaluation" : "text";
  const made = await addNote(repository, { commit, kind, text: message ?? "", metrics }, call);
  return { action: "add", commit, notes: [made] };
}

export interface FileNoteResult {
  readonly action: "list" | "add";
  /** Absolute. */
  readonly path: string;
  /** All of them, or the one that was added; oldest first. */
  readonly notes: readonly FileNote[];
}

/** A note about a revision as `note` makes it, else about a file of people. Throws as `note` and `addFileNote`. */
export async function noteHere(
  place: FilesPlace,
  options: NoteOptions,
  call: Call,
): Promise<NoteResult | FileNoteResult> {
  const { revision, message, metrics = {} } = options;
  return revisionOrFile(place, {
    word: revision,
    asRevision: (repository) => note(repository, options, call),
    asFile: async (path): Promise<FileNoteResult> => {
      if (Object.keys(metrics).length > 0) throw noCommit(revision ?? "", "--metric");
      if (message === undefined) return { action: "list", path, notes: await readFileNotes(path) };
      await using work = await FileWork.begin(place, { op: "note", what: `about ${show(path)}` });
      const made = await addFileNote(path, { text: message, author: place.actor }, call);
      await work.record();
      return { action: "add", path, notes: [made] };
    },
  });
}
