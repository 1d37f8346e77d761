/** The registry as one JSON document, version 2.0: `all_versions`, `reason`, `metadata_path`, status. Read and made. */
import { SmcError } from "../errors.ts";
import type { MetaMap } from "../objects/objects.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";
import type { VersionRow, VersionStatus } from "./version-list.ts";

const FILE_BYTES_MAX = 16 * 1024 * 1024;
const ENTRIES_MAX = 100_000;
const METRICS_MAX = 1000;
export const REGISTRY_SCHEMA = "2.0";

/** Names as other programs know them; each is documented in docs/guides/versions.md. */
export interface RegistryEntry {
  readonly version: string;
  readonly status: VersionStatus;
  readonly commit: string;
  readonly created_at: string;
  readonly archived_at: string | null;
  readonly reason: string | null;
  readonly description: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly params: MetaMap;
  readonly size_bytes: number;
  /** What `smc cat-file` takes: `COMMIT:metadata.json`, or the commit when it has no such file. */
  readonly metadata_path: string;
}

export interface RegistryDocument {
  readonly schema_version: string;
  readonly repository: string;
  readonly exported_at: string;
  readonly champion: RegistryEntry | null;
  readonly challenger: RegistryEntry | null;
  readonly all_versions: readonly RegistryEntry[];
}

export function entryOf(row: VersionRow, hasFile: boolean): RegistryEntry {
  return {
    version: row.version,
    status: row.status,
    commit: row.commit,
    created_at: row.date,
    archived_at: row.archived?.date ?? null,
    reason: row.archived?.reason ?? null,
    description: row.subject,
    metrics: row.metrics,
    params: row.params,
    size_bytes: row.sizeBytes,
    metadata_path: hasFile ? `${row.commit}:metadata.json` : row.commit,
  };
}

/** What an entry of a file from elsewhere says, as far as it says it. */
export interface ForeignEntry {
  readonly version: string;
  readonly status: string | undefined;
  readonly reason: string | undefined;
  readonly metrics: Readonly<Record<string, number>>;
  /** Names of metrics that were not read: they are no finite numbers, or too many. */
  readonly leftOut: readonly string[];
}

export interface ForeignRegistry {
  readonly champion: string | undefined;
  readonly entries: readonly ForeignEntry[];
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first of these fields that is text with something in it. */
function textOf(fields: Fields, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (typeof value === "string" && value.trim() !== "") return value.trim();
  }
  return undefined;
}

/** Throws FILE_MALFORMED, LIMIT_EXCEEDED, PATH_NOT_FOUND. */
export async function readRegistryFile(path: string): Promise<ForeignRegistry> {
  const text = (await readSmall(path, FILE_BYTES_MAX)).toString("utf8");
  const refuse = (why: string): never => {
    throw new SmcError("FILE_MALFORMED", `'${show(path)}': ${why}; nothing was changed`, {
      hint: "see docs/guides/versions.md",
    });
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    return refuse(`not JSON: ${error instanceof Error ? show(error.message, 200) : "broken"}`);
  }
  const document = isFields(parsed) ? parsed : refuse("the outermost value is not an object");
  const all = document.all_versions;
  const entries: readonly (readonly [string | undefined, unknown])[] = Array.isArray(all)
    ? all.map((entry: unknown) => [undefined, entry] as const)
    : isFields(all)
      ? Object.entries(all)
      : refuse("there is no list 'all_versions'");
  if (entries.length > ENTRIES_MAX) refuse(`more than ${ENTRIES_MAX} versions`);
  const champion = document.champion;
  return {
    champion: typeof champion === "string" ? champion : isFields(champion) ? versionOf(champion) : undefined,
    entries: entries.map(
      ([key, entry], index) => foreign(key, entry) ?? refuse(`version ${index + 1} has no name`),
    ),
  };
}

function versionOf(fields: Fields): string | undefined {
  return textOf(fields, "version", "model_version", "name", "model_name");
}

function foreign(key: string | undefined, value: unknown): ForeignEntry | undefined {
  const fields = isFields(value) ? value : {};
  const version = versionOf(fields) ?? key ?? (typeof value === "string" ? value : undefined);
  if (version === undefined) return undefined;
  const metrics = isFields(fields.metrics) ? Object.entries(fields.metrics) : [];
  const numbers = metrics
    .filter(
      (metric): metric is [string, number] => typeof metric[1] === "number" && Number.isFinite(metric[1]),
    )
    .slice(0, METRICS_MAX);
  const taken = new Set(numbers.map(([name]) => name));
  return {
    version,
    status: textOf(fields, "status")?.toLowerCase(),
    reason: textOf(fields, "reason", "archive_reason", "archived_reason"),
    metrics: Object.fromEntries(numbers),
    leftOut: metrics.map(([name]) => name).filter((name) => !taken.has(name)),
  };
}

/** `convnext_v1.0.0` and `1.0.0` are tried as they are, as `v1.0.0`, and as what follows the last `_`. */
export function namesOfVersion(text: string): readonly string[] {
  const tail = /[_/-](v?\d[\w.+-]*)$/.exec(text)?.[1];
  const names = [text, tail].filter((name) => name !== undefined);
  return [...new Set(names.flatMap((name) => (/^\d/.test(name) ? [name, `v${name}`] : [name])))];
}
