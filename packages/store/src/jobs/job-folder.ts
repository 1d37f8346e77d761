/** `<store>/jobs/<id>/`: the record of a job, what its program wrote, and how it ended. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import {
  createFile,
  createFolder,
  linkFile,
  removeFile,
  removeTree,
  replaceFile,
  syncFolder,
} from "../fs.ts";
import { describeThisProcess, type LockHolder, readLockRecord } from "../lock/lock-holder.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";
import type { JobEnd, JobRecord } from "./job-record.ts";

/** A job has 8 hex digits. */
export const JOB_ID = /^[0-9a-f]{8}$/;
/** Argv and environment are the most of it. */
const RECORD_BYTES_MAX = 4 * 1024 * 1024;
const END_BYTES_MAX = 64 * 1024;
export const JOBS_MAX = 10_000;

export interface JobPlaces {
  readonly root: string;
  readonly record: string;
  /** Working copy of the input, where the program begins. */
  readonly work: string;
  /** Where the program writes what is committed. */
  readonly output: string;
  /** Pieces of what it printed: see `job-log.ts`. */
  readonly log: string;
  /** One line of JSON for each epoch. */
  readonly history: string;
  readonly end: string;
  /** How far the program says it is: see `job-progress.ts`. */
  readonly progress: string;
  /** Made when the program shall stop. */
  readonly stopFile: string;
  /** There while the program shall stand still. */
  readonly pauseFile: string;
  /** What the keeper itself had to say. */
  readonly keeperLog: string;
}

export function jobsFolder(storePath: string): string {
  return join(storePath, "jobs");
}

export function jobPlaces(storePath: string, { id, spec }: Pick<JobRecord, "id" | "spec">): JobPlaces {
  const root = join(jobsFolder(storePath), id);
  const work = join(root, "work");
  return {
    root,
    record: join(root, "job.json"),
    work,
    output: spec.output === null ? join(root, "output") : join(work, spec.output),
    log: join(root, "log"),
    history: join(root, "history.jsonl"),
    end: join(root, "end.json"),
    progress: join(root, "progress.json"),
    stopFile: join(root, "stop"),
    pauseFile: join(root, "pause"),
    keeperLog: join(root, "keeper.log"),
  };
}

/** Old or new after a kill or a power cut. */
export async function writeJob(storePath: string, record: JobRecord): Promise<void> {
  const { root, record: path } = jobPlaces(storePath, record);
  const isNew = record.transitions.length === 1;
  if (isNew) await createFolder(root);
  await replaceFile(path, `${JSON.stringify(record)}\n`);
  if (!isNew) return;
  await syncFolder(jobsFolder(storePath));
  await syncFolder(storePath);
}

/** All records, oldest first; a folder without a whole record is no job. Throws LIMIT_EXCEEDED over 10,000. */
export async function readJobs(storePath: string): Promise<JobRecord[]> {
  const folder = jobsFolder(storePath);
  const ids = (await namesIn(folder)).filter((name) => JOB_ID.test(name));
  if (ids.length > JOBS_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${JOBS_MAX} jobs in '${show(folder)}'`);
  const records: JobRecord[] = [];
  for (const id of ids) {
    const record = await readJob(storePath, id);
    if (record !== undefined) records.push(record);
  }
  return records.sort((a, b) => a.createdMs - b.createdMs);
}

/** Undefined when there is no whole record. */
export async function readJob(storePath: string, id: string): Promise<JobRecord | undefined> {
  const record = await readJson<JobRecord>(join(jobsFolder(storePath), id, "job.json"), RECORD_BYTES_MAX);
  return record?.format === 1 && record.id === id ? record : undefined;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const known = fromErrno(error, `cannot list '${show(folder)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
}

/** Undefined when it is absent or was cut off by a power cut. */
async function readJson<T>(path: string, bytesMax: number): Promise<T | undefined> {
  try {
    return JSON.parse((await readSmall(path, bytesMax)).toString("utf8")) as T;
  } catch (error) {
    if (error instanceof SyntaxError || isSmcError(error, "PATH_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** The whole folder goes. */
export async function removeJob(storePath: string, record: JobRecord): Promise<void> {
  const { root, record: path } = jobPlaces(storePath, record);
  // Without its record a folder is no job any more, wherever a kill stops the rest.
  await removeTree(path);
  await removeTree(root);
}

export async function writeEnd(places: JobPlaces, end: JobEnd): Promise<void> {
  await replaceFile(places.end, `${JSON.stringify(end)}\n`);
}

/** How this attempt ended; undefined while it has not. */
export async function readEnd(places: JobPlaces, attempt: number): Promise<JobEnd | undefined> {
  const end = await readJson<JobEnd>(places.end, END_BYTES_MAX);
  return end?.attempt === attempt ? end : undefined;
}

function claimOf({ root }: JobPlaces, attempt: number): string {
  return join(root, `claim.${attempt}`);
}

/**
 * Makes this process the only one that may ever run the attempt; false when another one is. A claim is made whole by
 * link(2) and never taken away, so two processes cannot both have it, whenever they are killed.
 */
export async function claimAttempt(places: JobPlaces, attempt: number): Promise<boolean> {
  const holder = describeThisProcess();
  const path = claimOf(places, attempt);
  const temporary = `${path}.${holder.nonce}.tmp`;
  await createFile(temporary, `${JSON.stringify(holder)}\n`);
  try {
    await linkFile(temporary, path);
    await syncFolder(places.root);
    return true;
  } catch (error) {
    if (isSmcError(error) && error.details.errno === "EEXIST") return false;
    throw error;
  } finally {
    await removeFile(temporary);
  }
}

/** The process that claimed the attempt, whether it lives or not. */
export async function readClaim(places: JobPlaces, attempt: number): Promise<LockHolder | undefined> {
  return (await readLockRecord(claimOf(places, attempt)))?.holder;
}
