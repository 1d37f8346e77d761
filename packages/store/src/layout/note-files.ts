/** Writes into the journal what was done to files of people: no ref moves, and the record says who, when, what. */
import { type BegunId, forgetBegun, isUnwritable, noteBegun } from "../begun.ts";
import { isSmcError } from "../errors.ts";
import type { OwnedStore } from "../open-store.ts";

/** Of the repository, where files belong to none. */
const NOWHERE = "";

export interface FilesNote {
  /** The verb. */
  readonly op: string;
  /** One line without the verb; paths from outside passed `show` before. */
  readonly what: string;
}

/** Who did it, where, and which repository it is about, if any: a `FilesPlace` is one. */
export interface NotePlace {
  readonly store: Pick<OwnedStore, "path" | "refs" | "journal">;
  readonly actor: string;
  readonly openRepository: () => Promise<{ readonly name: string }>;
}

/**
 * For what changed no file. False when the journal takes no record: a backup is needed most when the store's disk
 * fails. Throws what nobody expects.
 */
export async function noteFiles(place: NotePlace, { op, what }: FilesNote): Promise<boolean> {
  const { store, actor } = place;
  try {
    await store.refs.note(await repositoryOf(place), { op, reason: `${op}: ${what}`, actor });
    return true;
  } catch (error) {
    if (isUnwritable(error)) return false;
    throw error;
  }
}

/**
 * Work on files between its beginning and its record. Disposed of without one, it failed and changed nothing, or a
 * part.
 */
export class FileWork implements AsyncDisposable {
  /** Set it when the first of several files was changed: what fails later is told then. */
  hasChanged = false;
  /** False also when the journal took no record: then the next start tells what was begun. */
  #isRecorded = false;
  #wasAsked = false;
  readonly #place: NotePlace;
  readonly #note: FilesNote;
  readonly #id: BegunId | undefined;

  private constructor(place: NotePlace, { note, id }: { note: FilesNote; id: BegunId | undefined }) {
    this.#place = place;
    this.#note = note;
    this.#id = id;
  }

  /** Before the first file is changed: a kill from here on is told in the journal at the next start. As `noteFiles`. */
  static async begin(place: NotePlace, note: FilesNote): Promise<FileWork> {
    const { store, actor } = place;
    const id = await noteBegun(store, { ...note, actor, repository: await repositoryOf(place) });
    return new FileWork(place, { note, id });
  }

  /** What was to be done is done; `outcome` goes behind it. As `noteFiles`. */
  async record(outcome = ""): Promise<boolean> {
    this.hasChanged = true;
    this.#wasAsked = true;
    this.#isRecorded = await noteFiles(this.#place, { ...this.#note, what: this.#note.what + outcome });
    return this.#isRecorded;
  }

  /** What stopped the work is what is told: when the journal fails as well, the next start writes the record. */
  async #recordStopped(): Promise<void> {
    try {
      await this.record(" (stopped before its end)");
    } catch (error) {
      if (!isSmcError(error)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasChanged && !this.#wasAsked) await this.#recordStopped();
    if (this.#isRecorded || !this.hasChanged) await forgetBegun(this.#id);
  }
}

async function repositoryOf({ openRepository }: NotePlace): Promise<string> {
  try {
    return (await openRepository()).name;
  } catch (error) {
    if (!isSmcError(error, "WORKTREE_NOT_FOUND") && !isSmcError(error, "REPOSITORY_NOT_FOUND")) throw error;
    return NOWHERE;
  }
}
