/** Writes into the journal what was done to files of people: no ref moves, and the record says who, when, what. */
import { isSmcError, type SmcError } from "../errors.ts";
import type { Store } from "../store.ts";

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
  readonly store: Pick<Store, "refs">;
  readonly actor: string;
  readonly openRepository: () => Promise<{ readonly name: string }>;
}

/**
 * False when the journal takes no record: what was done to the files stays, as a backup is needed most when the store's
 * disk fails. Throws what nobody expects.
 */
export async function noteFiles(place: NotePlace, { op, what }: FilesNote): Promise<boolean> {
  const { store, actor } = place;
  try {
    await store.refs.note(await repositoryOf(place), { op, reason: `${op}: ${what}`, actor });
    return true;
  } catch (error) {
    if (isSmcError(error) && isRefused(error)) return false;
    throw error;
  }
}

function isRefused({ code }: SmcError): boolean {
  return code === "READ_ONLY" || code === "DISK_FULL" || code === "IO_FAILED";
}

async function repositoryOf({ openRepository }: NotePlace): Promise<string> {
  try {
    return (await openRepository()).name;
  } catch (error) {
    if (!isSmcError(error, "WORKTREE_NOT_FOUND") && !isSmcError(error, "REPOSITORY_NOT_FOUND")) throw error;
    return NOWHERE;
  }
}
