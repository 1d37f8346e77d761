/** Which blob a revision names; its bytes are read by digest. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import type { Repository } from "../repository.ts";
import { resolveRevision } from "../history/revision.ts";
import { show } from "../show.ts";

export interface CatOptions {
  /** `REV:path`, `:path` (the stage), or the digest of a blob. */
  readonly revision: string;
}

export interface CatResult {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Throws REVISION_INVALID for anything but a file, and as resolveRevision. */
export async function cat(repository: Repository, options: CatOptions, call: Call): Promise<CatResult> {
  const found = await resolveRevision(repository, options.revision, call);
  if (found.kind !== "blob") {
    const what = found.kind === "tree" && found.path !== undefined ? "folder" : found.kind;
    throw new SmcError("REVISION_INVALID", `'${show(options.revision, 80)}' is a ${what}, not a file`, {
      hint: `name a file in it: ${show(options.revision, 80)}${found.path === undefined ? ":" : "/"}PATH`,
    });
  }
  const stat = await repository.store.objects.stat(found.digest);
  if (stat === undefined) {
    throw new SmcError(
      "OBJECT_MISSING",
      `the bytes of '${show(options.revision, 80)}' (${found.digest}) are not in the store`,
    );
  }
  return { digest: found.digest, sizeBytes: stat.sizeBytes };
}
