/** lstat for many files, and what their modes mean. */
import { type BigIntStats, constants, lstat } from "node:fs";
import { type Call, createPacer } from "../call.ts";
import { fromErrno, SmcError } from "../errors.ts";
import type { FileMode } from "../objects/objects.ts";
import { show } from "../show.ts";
import type { FileStat } from "../store.ts";

const AT_ONCE = 64;
/** Stats of paths from outside that are in memory before their turn. */
const BATCH = 4096;

export type FileKind = "file" | "link" | "folder" | "fifo" | "socket" | "character device" | "block device";

/** Stat of each path, itself when it is a link; undefined where nothing is. Throws PERMISSION_DENIED, IO_FAILED. */
export async function lstatMany(paths: readonly string[]): Promise<(FileStat | undefined)[]> {
  return (await lstatAll(paths)).map(statOrThrow);
}

/**
 * The same for paths that come from outside, in their order and some at a time: what is wrong with a path is thrown
 * when its turn comes. Throws CANCELED as well.
 */
export async function* lstatEach(
  paths: readonly string[],
  call: Call,
): AsyncGenerator<FileStat | undefined, void> {
  const pace = createPacer(call);
  for (let from = 0; from < paths.length; from += BATCH) {
    for (const found of await lstatAll(paths.slice(from, from + BATCH))) {
      yield statOrThrow(found);
      await pace();
    }
  }
}

function statOrThrow(found: FileStat | SmcError | undefined): FileStat | undefined {
  if (found instanceof SmcError) throw found;
  return found;
}

/** Looks at all paths before it answers, so that nothing goes on behind the caller's back. */
function lstatAll(paths: readonly string[]): Promise<(FileStat | SmcError | undefined)[]> {
  const found: (FileStat | SmcError | undefined)[] = Array.from({ length: paths.length });
  // Promises of node:fs cost twice the time of the call itself.
  return new Promise((resolve, reject) => {
    let started = 0;
    let done = 0;
    const startNext = (): void => {
      const index = started;
      const path = paths[index];
      if (path === undefined) return;
      started += 1;
      lstat(path, { bigint: true }, (error, stat) => {
        if (error === null) found[index] = toFileStat(stat);
        else if (!isAbsent(error)) {
          const fault = fromErrno(error, `cannot look at '${show(path)}'`);
          if (!(fault instanceof SmcError)) {
            reject(fault);
            return;
          }
          found[index] = fault;
        }
        done += 1;
        if (done === paths.length) resolve(found);
        else startNext();
      });
    };
    if (paths.length === 0) resolve(found);
    for (let lane = 0; lane < AT_ONCE; lane += 1) startNext();
  });
}

export async function lstatOne(path: string): Promise<FileStat | undefined> {
  return (await lstatMany([path]))[0];
}

/** Nothing is there, or a parent is a file. */
export function isAbsent(error: unknown): boolean {
  const errno = (error as NodeJS.ErrnoException).code;
  return errno === "ENOENT" || errno === "ENOTDIR";
}

function toFileStat(stat: BigIntStats): FileStat {
  const { dev, ino, size, mtimeNs, ctimeNs, mode } = stat;
  return { dev, ino, sizeBytes: Number(size), mtimeNs, ctimeNs, mode: Number(mode) };
}

export function kindOf(stat: Pick<FileStat, "mode">): FileKind {
  switch (stat.mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return "file";
    case constants.S_IFLNK:
      return "link";
    case constants.S_IFDIR:
      return "folder";
    case constants.S_IFIFO:
      return "fifo";
    case constants.S_IFSOCK:
      return "socket";
    case constants.S_IFCHR:
      return "character device";
    default:
      return "block device";
  }
}

/** The mode a tree keeps for a file or link. */
export function fileModeOf(stat: Pick<FileStat, "mode">): FileMode {
  if (kindOf(stat) === "link") return "120000";
  return (stat.mode & constants.S_IXUSR) === 0 ? "100644" : "100755";
}

/** Nanoseconds since 1970 of the clock that file times come from. */
export function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
