/** The `metadata.json` beside the files of a version that stands in a folder of its own. */
import { SmcError } from "../errors.ts";
import type { Call } from "../call.ts";
import type { MetaMap } from "../objects/objects.ts";
import { METADATA_BYTES_MAX, metadataFault } from "../registry/metadata-file.ts";
import { versionMetadata } from "../registry/version-metadata.ts";
import type { VersionRow } from "../registry/version-list.ts";
import type { Repository } from "../repository.ts";
import type { VersionFiles } from "./place-version.ts";

const NAME = "metadata.json";

/**
 * What is known of the version now, upon what its own `metadata.json` says. Undefined when it has a file of that name
 * which is no such document: that one stays. Throws OBJECT_MISSING, OBJECT_CORRUPT, LIMIT_EXCEEDED.
 */
export async function ownMetadata(
  repository: Repository,
  { row, files }: { row: VersionRow; files: VersionFiles },
  call: Call,
): Promise<VersionFiles["added"]> {
  const committed = files.files.find(({ path }) => path === NAME);
  const own = committed === undefined ? {} : await readOwn(repository, committed, call);
  if (own === undefined) return undefined;
  const now = await versionMetadata(repository, { digest: row.commit, row }, call);
  const document: Record<string, MetaMap[string]> = { ...own, ...now };
  for (const section of ["model", "training", "data", "metrics", "extra"])
    if (isMap(own[section])) document[section] = { ...own[section], ...mapOf(now[section]) };
  if (typeof own.name === "string") document.name = own.name;
  if (typeof own.description === "string") document.description = own.description;
  if (row.archived === null) delete document.reason;
  if (Array.isArray(now.files))
    document.files = now.files.filter((file) => !isMap(file) || file.path !== NAME);
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (Buffer.byteLength(text) > METADATA_BYTES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `the ${NAME} of ${row.commit} is too large; nothing was written`);
  return { path: NAME, text };
}

function isMap(value: unknown): value is MetaMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapOf(value: unknown): MetaMap {
  return isMap(value) ? value : {};
}

async function readOwn(
  repository: Repository,
  { digest, sizeBytes }: VersionFiles["files"][number],
  call: Call,
): Promise<MetaMap | undefined> {
  if (sizeBytes > METADATA_BYTES_MAX) return undefined;
  const pieces: Uint8Array[] = [];
  for await (const piece of repository.store.objects.readBlob(digest, call)) pieces.push(piece);
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
    return metadataFault(parsed) === undefined && isMap(parsed) ? parsed : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
