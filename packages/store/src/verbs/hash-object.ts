/** `smc hash-object`: the digest a file would have, as sha256sum prints it. Stores nothing. */
import { realpath } from "node:fs/promises";
import { isAbsolute } from "node:path";
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { unsupported } from "../worktree/scan.ts";
import { kindOf, lstatOne } from "../worktree/stat.ts";

export interface HashObjectOptions {
  /** Absolute paths; links are followed, as sha256sum does. */
  readonly files: readonly string[];
}

export interface HashObjectRow {
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Throws ARGUMENT_INVALID, PATH_INVALID, PATH_NOT_FOUND, FILE_UNSUPPORTED naming the kind, FILE_CHANGED. */
export async function hashObject(
  store: Pick<Store, "objects">,
  options: HashObjectOptions,
  call: Call,
): Promise<HashObjectRow[]> {
  const targets: string[] = [];
  for (const path of options.files) targets.push(await target(path));
  const read = await store.objects.hashFiles(targets, call);
  return read.map(({ digest, sizeBytes }, index) => ({
    path: options.files[index] ?? "",
    digest,
    sizeBytes,
  }));
}

async function target(path: string): Promise<string> {
  const nul = path.indexOf("\0");
  if (nul >= 0) throw new SmcError("PATH_INVALID", `'${show(path, 80)}': a NUL character at ${nul}`);
  if (!isAbsolute(path))
    throw new SmcError("ARGUMENT_INVALID", `'${show(path, 200)}' is not an absolute path`);
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
  const stat = await lstatOne(real);
  const kind = stat === undefined ? "file" : kindOf(stat);
  if (kind === "file") return real;
  throw unsupported(path, kind);
}
