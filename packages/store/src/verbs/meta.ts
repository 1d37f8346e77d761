/** `smc meta`: what is known of a version, key by key; and metadata.json files. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { formatMoment } from "../history/dates.ts";
import { formatIdentity } from "../history/log-entry.ts";
import { resolveCommit } from "../history/revision.ts";
import { suggest } from "../history/suggest.ts";
import type { Digest } from "../objects/digest.ts";
import type { MetaMap, MetaValue } from "../objects/objects.ts";
import { type Known, readKnown, splitKey } from "../registry/known.ts";
import { readMetadata, setValue, writeMetadata } from "../registry/metadata-file.ts";
import { addNote } from "../registry/notes.ts";
import { emptyMetadata, versionMetadata } from "../registry/version-metadata.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";

const KEYS_MAX = 1000;

export interface MetaOptions {
  readonly action: "get" | "set" | "create" | "edit";
  /** For get and set, HEAD when left out; for create, what the file is filled with. */
  readonly revision?: string;
  /** For get: only this one. */
  readonly key?: string;
  /** `status`, `params.lr`, `metrics.azi` → value. */
  readonly values?: Readonly<Record<string, string | number | boolean | null>>;
  /** For create and edit: absolute path. */
  readonly file?: string;
}

export interface MetaEntry {
  readonly key: string;
  readonly value: MetaValue;
  /** The note it is from; null for what the commit itself says. */
  readonly note: Digest | null;
  readonly by: string;
  readonly date: string;
}

export interface MetaResult {
  readonly action: MetaOptions["action"];
  readonly commit: Digest | null;
  readonly entries: readonly MetaEntry[];
  readonly file: string | null;
  /** For create and edit: what was written. */
  readonly document: MetaMap | null;
}

/**
 * Throws REVISION_NOT_FOUND, CONFIG_NOT_FOUND for a key that is not there, ARGUMENT_INVALID, ALREADY_EXISTS for
 * `create`, FILE_MALFORMED for what would be no metadata.
 */
export async function meta(repository: Repository, options: MetaOptions, call: Call): Promise<MetaResult> {
  const keys = Object.keys(options.values ?? {});
  if (keys.length > KEYS_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${KEYS_MAX} keys at once`);
  if (options.action === "create" || options.action === "edit") return writeFile(repository, options, call);
  const commit = await resolveCommit(repository, options.revision ?? "HEAD", call);
  if (options.action === "set") await set(repository, { commit, values: options.values ?? {} }, call);
  const entries = entriesOf(await readKnown(repository, commit, call));
  const wanted = options.action === "set" ? new Set(keys) : undefined;
  const shown = entries.filter(
    ({ key }) => wanted?.has(key) ?? (options.key === undefined || isBelow(key, options.key)),
  );
  if (options.key !== undefined && shown.length === 0) throw noKey(options.key, entries);
  return { action: options.action, commit, entries: shown, file: null, document: null };
}

/** `params` asks for all params. */
function isBelow(key: string, asked: string): boolean {
  return key === asked || key.startsWith(`${asked}.`);
}

function noKey(key: string, entries: readonly MetaEntry[]): SmcError {
  const near = suggest(
    key,
    entries.map((entry) => entry.key),
  );
  throw new SmcError("CONFIG_NOT_FOUND", `nothing is known by the key '${show(key, 80)}'`, {
    hint: near.length === 0 ? 'see all with "smc meta get REV"' : `did you mean: ${near.join(", ")}`,
  });
}

async function set(
  repository: Repository,
  { commit, values }: { commit: Digest; values: NonNullable<MetaOptions["values"]> },
  call: Call,
): Promise<void> {
  if (Object.keys(values).length === 0) throw new SmcError("ARGUMENT_INVALID", "there is nothing to set");
  for (const [key, value] of Object.entries(values)) {
    const [space] = splitKey(key);
    if (space === "metrics" && !(typeof value === "number" && Number.isFinite(value)))
      throw new SmcError(
        "ARGUMENT_INVALID",
        `'${show(key, 80)}' is a metric, and '${show(String(value), 40)}' no number`,
      );
    if (["metrics", "params", "note", "__proto__"].includes(key))
      throw new SmcError("ARGUMENT_INVALID", `'${key}' cannot be set as a whole`);
  }
  await addNote(repository, { commit, kind: "meta", text: "", set: { ...values } }, call);
}

function entriesOf({ meta: known, commit, origins, notes }: Known): MetaEntry[] {
  const { metrics = {}, params = {}, ...others } = known;
  const flat = [
    ...Object.entries(metrics).map(([name, value]) => [`metrics.${name}`, value] as const),
    ...Object.entries(params).map(([name, value]) => [`params.${name}`, value] as const),
    ...Object.entries(others),
  ];
  const own = { by: formatIdentity(commit.author), date: formatMoment(commit.authored) };
  return flat.map(([key, value]) => {
    const note = notes.find(({ digest }) => digest === origins.get(key));
    if (note === undefined) return { key, value, note: null, ...own };
    return { key, value, note: note.digest, by: note.author, date: note.date };
  });
}

async function writeFile(repository: Repository, options: MetaOptions, call: Call): Promise<MetaResult> {
  const { file, action } = options;
  if (file === undefined) throw new SmcError("ARGUMENT_INVALID", "name the file");
  const isNew = action === "create";
  let document = isNew ? await newDocument(repository, options.revision, call) : await readMetadata(file);
  for (const [key, value] of Object.entries(options.values ?? {})) document = setValue(document, key, value);
  await writeMetadata(file, document, isNew);
  return { action, commit: null, entries: [], file, document };
}

/** Filled with nothing, or with what is known of a version. */
async function newDocument(
  repository: Repository,
  revision: string | undefined,
  call: Call,
): Promise<MetaMap> {
  if (revision === undefined) return emptyMetadata(repository);
  return versionMetadata(repository, { digest: await resolveCommit(repository, revision, call) }, call);
}
