/** What a job wrote: files to be committed, and checkpoints, which stay with the job. */
import { stat } from "node:fs/promises";
import type { Call } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { matchesPattern } from "../pattern.ts";
import { show } from "../show.ts";
import { type Found, scan, TrackedPaths } from "../worktree/scan.ts";
import type { JobPlaces } from "./job-folder.ts";
import type { JobRecord } from "./job-record.ts";

const PATH_SHOWN = 1000;

export interface OutputFiles {
  readonly files: readonly Found[];
  /** Newest last. */
  readonly checkpoints: readonly Found[];
}

/**
 * Throws PATH_NOT_FOUND without the folder, FILE_UNSUPPORTED for a file in its place and for what cannot be stored,
 * PATH_INVALID, …
 */
export async function readOutput(
  { record, places, leaveOut }: { record: JobRecord; places: JobPlaces; leaveOut: string },
  call: Call,
): Promise<OutputFiles> {
  await assertNoFile(places.output);
  const tracked = new TrackedPaths(new Map());
  const found = await scan(places.output, { from: [""], tracked, withIgnored: true, leaveOut }, call);
  const [fault] = found.faults;
  if (fault !== undefined) throw fault.error;
  const all = [...found.files.values()];
  const { checkpoints: pattern } = record.spec;
  const isCheckpoint = ({ path }: Found): boolean => pattern !== null && matchesPattern(pattern, path);
  return {
    files: all.filter((file) => !isCheckpoint(file)),
    checkpoints: all
      .filter(isCheckpoint)
      .sort((a, b) => Number((a.stat?.mtimeNs ?? 0n) - (b.stat?.mtimeNs ?? 0n))),
  };
}

/** What is not there is told by whoever reads it. */
async function assertNoFile(path: string): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path, PATH_SHOWN)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return;
    throw known;
  }
  if (!isFolder)
    throw new SmcError("FILE_UNSUPPORTED", `'${show(path, PATH_SHOWN)}' is a file; the output is a folder`, {
      hint: "write the files into the folder that SMC_OUTPUT names, and let it be a folder",
    });
}
