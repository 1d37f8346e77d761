/**
 * Work on files of people that has begun: a small file in the store says so until the journal has its record. One that
 * is still there when the store is opened is of a process that was killed, and is told in the journal.
 */
import { randomBytes } from "node:crypto";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { nowMs } from "./clock.ts";
import { fromErrno, isSmcError } from "./errors.ts";
import { createFolder, removeFile, replaceFile, syncFolder } from "./fs.ts";
import { parseJson } from "./json.ts";
import type { Journal, JournalRecord } from "./journal/journal.ts";
import { show } from "./show.ts";
import type { Store } from "./store.ts";

const FOLDER = "begun";
/** As many as one start tells; the next one tells the others. */
const BEGUN_MAX = 1000;
const BYTES_MAX = 64 * 1024;
/** What a date can be. */
const MS_MAX = 8.64e15;

export interface BegunWork {
  /** The verb. */
  readonly op: string;
  /** How the text of its record begins, without the verb; paths from outside passed `show` before. */
  readonly what: string;
  /** "Name <address>". */
  readonly actor: string;
  /** Empty for work that belongs to none. */
  readonly repository: string;
}

interface Begun extends BegunWork {
  readonly startedMs: number;
  /** The last record of the journal when it began. */
  readonly afterSeq: number;
}

/** Its place in the store. */
export type BegunId = string;

/** True for what a store that cannot be written to says. */
export function isUnwritable(error: unknown): boolean {
  return (
    isSmcError(error) &&
    (error.code === "READ_ONLY" || error.code === "DISK_FULL" || error.code === "IO_FAILED")
  );
}

/** Durable when it returns. Undefined when the store cannot be written to: the work then goes on without. */
export async function noteBegun(
  { path, journal }: { readonly path: string; readonly journal: Pick<Journal, "position"> },
  work: BegunWork,
): Promise<BegunId | undefined> {
  const folder = join(path, FOLDER);
  const begun: Begun = { ...work, startedMs: nowMs(), afterSeq: journal.position.seq };
  const id = join(folder, `${randomBytes(8).toString("hex")}.json`);
  try {
    if (!(await isThere(folder))) {
      await createFolder(folder);
      await syncFolder(path);
    }
    await replaceFile(id, JSON.stringify(begun));
    return id;
  } catch (error) {
    if (isUnwritable(error)) return undefined;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return false;
    throw known;
  }
}

/**
 * For work that is in the journal, or that did nothing. What cannot be removed is told at the next start, or left out
 * there.
 */
export async function forgetBegun(id: BegunId | undefined): Promise<void> {
  if (id === undefined) return;
  try {
    await removeFile(id);
  } catch (error) {
    if (!isSmcError(error)) throw error;
  }
}

/**
 * Called once when a store is opened: what a killed process had begun and not recorded gets its record. A store that
 * takes no writes is opened all the same; the next start tells it then.
 */
export async function recordInterrupted({
  path,
  journal,
  refs,
}: {
  readonly path: string;
  readonly journal: Journal;
  readonly refs: Pick<Store["refs"], "note">;
}): Promise<void> {
  const folder = join(path, FOLDER);
  try {
    for (const name of await namesIn(folder)) {
      const id = join(folder, name);
      const begun = name.endsWith(".json") ? await readBegun(id) : undefined;
      // A torn one is of work that had not begun yet.
      if (begun !== undefined && !(await isRecorded(journal, begun))) await tell(refs, begun);
      await removeFile(id);
    }
  } catch (error) {
    if (!isUnwritable(error) && !isSmcError(error, "PERMISSION_DENIED")) throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    return names.sort().slice(0, BEGUN_MAX);
  } catch (error) {
    const known = fromErrno(error, `cannot list the folder '${show(folder)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
}

/** Undefined for what is none. */
async function readBegun(path: string): Promise<Begun | undefined> {
  let bytes: Buffer;
  try {
    const stat = await lstat(path);
    if (!stat.isFile() || stat.size > BYTES_MAX) return undefined;
    bytes = await readFile(path);
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
  const value = parseJson(bytes);
  return isBegun(value) ? value : undefined;
}

function isBegun(value: unknown): value is Begun {
  if (typeof value !== "object" || value === null) return false;
  const { op, what, actor, repository, startedMs, afterSeq } = value as Partial<Record<keyof Begun, unknown>>;
  return (
    [op, what, actor, repository].every((text) => typeof text === "string" && text.isWellFormed()) &&
    [startedMs, afterSeq].every((number) => Number.isSafeInteger(number) && Number(number) >= 0) &&
    Number(startedMs) <= MS_MAX
  );
}

/**
 * Killed between its record and the end, or between the record that tells it and the end of the start that wrote it.
 */
async function isRecorded(journal: Pick<Journal, "records">, begun: Begun): Promise<boolean> {
  for await (const { record } of journal.records(begun.afterSeq + 1)) if (tells(record, begun)) return true;
  return false;
}

function tells(record: JournalRecord, begun: Begun): boolean {
  const { op, actor, repository, reason } = record;
  if (op !== begun.op || actor !== begun.actor || repository !== begun.repository) return false;
  return reason.startsWith(`${op}: ${begun.what}`) || reason === interruptedText(begun);
}

function interruptedText({ op, what, startedMs }: Begun): string {
  return `${op}: interrupted, done in part or whole: ${what} (begun ${new Date(startedMs).toISOString()})`;
}

async function tell(refs: Pick<Store["refs"], "note">, begun: Begun): Promise<void> {
  const { op, actor, repository } = begun;
  const reason = { op, actor, reason: interruptedText(begun) };
  try {
    await refs.note(repository, reason);
  } catch (error) {
    // Somebody wrote something else into the file; nothing is lost by leaving it out.
    if (!isSmcError(error, "LIMIT_EXCEEDED") && !isSmcError(error, "REPOSITORY_NOT_FOUND")) throw error;
  }
}
