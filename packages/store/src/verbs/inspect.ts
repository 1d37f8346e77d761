/** `smc inspect`: what a file of weights holds, and what is wrong with it. Loads nothing and runs nothing. */
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, posix, resolve } from "node:path";
import type { Call } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { resolveRevision } from "../history/revision.ts";
import type { Digest } from "../objects/digest.ts";
import type { InspectInput } from "../pool/tensor-tasks.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import type { DataFile, Inspection } from "../tensors/inspection.ts";

/** Parsers are quick; a file made to keep one busy is given up. */
const INSPECT_TIMEOUT_MS = 30_000;

const DIGEST_OR_CID = /^(?:[0-9a-f]{7,64}|b[a-z2-7]{20,})$/;

export interface InspectOptions {
  /** A local file, else `REV:path`, `:path` (the stage), or the digest of a blob. */
  readonly target: string;
}

export interface InspectedDataFile extends DataFile {
  /** That it is not there, or too short; null when it is well or nobody can say. */
  readonly problem: string | null;
}

export interface InspectResult extends Omit<Inspection, "files"> {
  /** Of a stored file. */
  readonly digest: Digest | null;
  readonly files: readonly InspectedDataFile[];
}

/** Where the user stands. */
interface Place {
  readonly store: Pick<Store, "objects" | "pool">;
  readonly folder: string;
  openRepository(): Promise<Repository>;
}

/** Bytes of a file beside the inspected one: undefined when it is not there, null when nobody can say. */
type Sizes = (file: string) => Promise<number | undefined | null>;

/**
 * A file that breaks the rules of its format is an answer with a `problem`. Throws PATH_NOT_FOUND, FILE_UNSUPPORTED,
 * PATH_INVALID, REVISION_INVALID for what is no file, OBJECT_CORRUPT, and as resolveRevision.
 */
export async function inspect(place: Place, options: InspectOptions, call: Call): Promise<InspectResult> {
  const { target } = options;
  if (target.includes("\0"))
    throw new SmcError("PATH_INVALID", `'${show(target, 80)}' holds a NUL character`);
  const named = resolve(place.folder, target);
  const path = await localPath(named, target);
  if (path === undefined) return inspectStored(place, target, call);
  // Of a link the name and the neighbours count, not those of the file that it leads to.
  const folder = dirname(named);
  const inspection = await run(place, { path, folder, fileName: basename(named) }, call);
  const sizes: Sizes = async (file) => sizeOf(join(folder, file));
  return { digest: null, ...inspection, files: await withProblems(inspection.files, sizes) };
}

/** Undefined for what can only be a revision. A file of that name goes first; `./` in front makes anything a path. */
async function localPath(path: string, target: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    const known = fromErrno(error, `cannot read '${show(target)}'`);
    const isAbsent = isSmcError(known, "PATH_NOT_FOUND") || isSmcError(known, "PATH_INVALID");
    const isRevision = target.includes(":") || DIGEST_OR_CID.test(target);
    if (isAbsent && isRevision && !/^\.{0,2}\//.test(target)) return undefined;
    if (!isSmcError(known, "PATH_NOT_FOUND")) throw known;
    throw new SmcError("PATH_NOT_FOUND", known.message, {
      cause: error,
      hint: `name a local file, or a file of a revision: ${show(target, 80)}:PATH`,
    });
  }
}

async function inspectStored(place: Place, target: string, call: Call): Promise<InspectResult> {
  const repository = await place.openRepository();
  const { digest, kind, path } = await resolveRevision(repository, target, call);
  if (kind !== "blob")
    throw new SmcError("REVISION_INVALID", `'${show(target, 80)}' is a ${kind}, not a file`, {
      hint: `name a file: ${show(target, 80)}${path === undefined ? ":" : "/"}PATH`,
    });
  const { objects } = place.store;
  using _ = objects.readers.enter();
  const input = { blob: await objects.blob(digest), fileName: posix.basename(path ?? "") };
  const inspection = await run(place, input, call);
  const sizes: Sizes = async (file) => {
    if (path === undefined || !target.endsWith(path)) return null;
    const beside = posix.join(posix.dirname(path), file);
    return storedSize(repository, target.slice(0, -path.length) + beside, call);
  };
  return { digest, ...inspection, files: await withProblems(inspection.files, sizes) };
}

async function run({ store }: Place, input: InspectInput, call: Call): Promise<Inspection> {
  const timeout = AbortSignal.timeout(INSPECT_TIMEOUT_MS);
  try {
    return await store.pool.run("inspect", input, { signal: AbortSignal.any([call.signal, timeout]) });
  } catch (error) {
    const isLate = isSmcError(error, "CANCELED") && timeout.aborted && !call.signal.aborted;
    if (!isLate) throw error;
    throw new SmcError("LIMIT_EXCEEDED", `the file was not understood in ${INSPECT_TIMEOUT_MS / 1000} s`, {
      cause: error,
    });
  }
}

async function withProblems(files: readonly DataFile[], sizes: Sizes): Promise<InspectedDataFile[]> {
  const checked: InspectedDataFile[] = [];
  for (const file of files) checked.push({ ...file, problem: problemOf(file, await sizes(file.file)) });
  return checked;
}

function problemOf({ endBytes }: DataFile, sizeBytes: number | undefined | null): string | null {
  if (sizeBytes === undefined) return "it is not there";
  if (sizeBytes === null || sizeBytes >= endBytes) return null;
  return `it has ${sizeBytes} bytes, and its tensors end at ${endBytes}`;
}

/** Only asked for its size: what a model names is not opened. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND") || isSmcError(known, "PATH_INVALID")) return undefined;
    throw known;
  }
}

async function storedSize(repository: Repository, target: string, call: Call): Promise<number | undefined> {
  try {
    const { digest, kind } = await resolveRevision(repository, target, call);
    if (kind !== "blob") return undefined;
    return (await repository.store.objects.stat(digest))?.sizeBytes;
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND") || isSmcError(error, "PATH_INVALID")) return undefined;
    throw error;
  }
}
