/** The data sets of a version: smc.data.json as it was committed. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
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
