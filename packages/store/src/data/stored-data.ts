/** The data sets of a version: smc.data.json as it was committed. */
import { posix } from "node:path";
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { isNoRevision, resolveRevision } from "../history/revision.ts";
import { TABLE_BYTES_MAX } from "../layout/named-table.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { DATA_FILE, type DataSet, parseDataFile } from "./data-file.ts";

/**
 * None where the version has no such file, or where there is no such version. Throws FILE_MALFORMED,
 * FORMAT_UNSUPPORTED, LIMIT_EXCEEDED, OBJECT_MISSING, OBJECT_CORRUPT.
 */
export async function dataSetsOf(
  repository: Repository,
  revision: string,
  call: Call,
): Promise<readonly DataSet[]> {
  const word = `${revision}:${DATA_FILE}`;
  const found = await resolveRevision(repository, word, call).catch((error: unknown) => {
    if (isNoRevision(error)) return undefined;
    throw error;
  });
  if (found === undefined || found.kind !== "blob") return [];
  const { objects } = repository.store;
  const stat = await objects.stat(found.digest);
  if ((stat?.sizeBytes ?? 0) > TABLE_BYTES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `'${show(word, 200)}' is larger than ${TABLE_BYTES_MAX} bytes`);
  const pieces: Uint8Array[] = [];
  for await (const piece of objects.readBlob(found.digest, call)) pieces.push(piece);
  return parseDataFile(Buffer.concat(pieces), word).sets;
}

/** False when the version is there and the path is not in it; of a version that is not there nothing is known. */
export async function mayBeInVersion(
  repository: Repository,
  { revision, path }: { revision: string; path: string },
  call: Call,
): Promise<boolean> {
  const plain = posix.normalize(path).replace(/\/$/, "");
  if (plain === ".") return true;
  try {
    await resolveRevision(repository, `${revision}:${plain}`, call);
    return true;
  } catch (error) {
    if (!isNoRevision(error)) throw error;
    return !isSmcError(error, "PATH_NOT_FOUND");
  }
}
