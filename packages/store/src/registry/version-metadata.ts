/** What is known of a version as the document that `metadata.json` holds. */
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { SmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import type { MetaMap, MetaValue } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { flattenTree } from "../trees/tree-read.ts";
import { readKnown } from "./known.ts";
import { METADATA_SCHEMA } from "./metadata-file.ts";
import { listVersions, type VersionRow } from "./version-list.ts";

const FILES_MAX = 10_000;

/** What a new document starts with. */
export function emptyMetadata(repository: Pick<Repository, "name">): MetaMap {
  const [, name = repository.name] = /\/([^/]+)$/.exec(repository.name) ?? [];
  return {
    schema: METADATA_SCHEMA,
    name,
    version: "",
    status: "candidate",
    created: formatMoment(momentAt(nowMs())),
    model: {},
    training: {},
    data: {},
    metrics: {},
  };
}

/**
 * `row` is the version's in the list of all, where it is known. Throws OBJECT_MISSING, OBJECT_CORRUPT, LIMIT_EXCEEDED.
 */
export async function versionMetadata(
  repository: Repository,
  { digest, row: known }: { digest: Digest; row?: VersionRow | undefined },
  call: Call,
): Promise<MetaMap> {
  const { meta, commit } = await readKnown(repository, digest, call);
  const { metrics = {}, params = {}, data, ...extra } = meta;
  const row =
    known ?? (await listVersions(repository, {}, call)).find((version) => version.commit === digest);
  const archived = row?.archived ?? null;
  return {
    ...emptyMetadata(repository),
    version: row?.version ?? `c-${digest.slice(0, 12)}`,
    status: row?.status ?? "candidate",
    created: formatMoment(commit.committed),
    description: commit.message.trimEnd(),
    commit: digest,
    ...(archived === null ? {} : { reason: archived.reason }),
    training: { ...params },
    data: isMap(data) ? data : data === undefined ? {} : { value: data },
    metrics: { ...metrics },
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
    files: await filesOf(repository, commit.tree, call),
  };
}

function isMap(value: MetaValue | undefined): value is MetaMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function filesOf(repository: Repository, tree: Digest, call: Call): Promise<MetaMap[]> {
  const files = await flattenTree(repository.store.objects, tree, call);
  if (files.size > FILES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${FILES_MAX} files; nothing was written`);
  return [...files].map(([path, { digest, sizeBytes }]) => ({ path, sha256: digest, sizeBytes }));
}
