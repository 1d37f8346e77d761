/** What a job wrote: files to be committed, and checkpoints, which stay with the job. */
import type { Call } from "../call.ts";
import { matchesPattern } from "../pattern.ts";
import { type Found, scan, TrackedPaths } from "../worktree/scan.ts";
import type { JobPlaces } from "./job-folder.ts";
import type { JobRecord } from "./job-record.ts";

export interface OutputFiles {
  readonly files: readonly Found[];
  /** Newest last. */
  readonly checkpoints: readonly Found[];
}

/** Throws PATH_NOT_FOUND without the folder, and for what cannot be stored: FILE_UNSUPPORTED, PATH_INVALID, … */
export async function readOutput(
  { record, places, leaveOut }: { record: JobRecord; places: JobPlaces; leaveOut: string },
  call: Call,
): Promise<OutputFiles> {
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
