/** `smc registry`: all versions in one summary or document, and what such a document of elsewhere says. */
import { nowMs } from "../clock.ts";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { messageFault } from "../objects/names.ts";
import { writeArchive } from "../registry/archive-refs.ts";
import { addNote } from "../registry/notes.ts";
import {
  entryOf,
  type ForeignEntry,
  namesOfVersion,
  readRegistryFile,
  REGISTRY_SCHEMA,
  type RegistryDocument,
} from "../registry/registry-file.ts";
import { readFacts } from "../registry/facts.ts";
import { listVersions, type VersionRow } from "../registry/version-list.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { findPath } from "../trees/tree-find.ts";
import { reasonOf } from "../worktree/state.ts";

/** Names that are told of those that were left out. */
const SHOWN_MAX = 5;

export interface RegistryOptions {
  readonly action: "summary" | "export" | "import";
  /** For export: only versions that a tag, the archive or a role names, instead of every commit. */
  readonly named?: boolean;
  /** For import: absolute path. */
  readonly file?: string;
}

export interface RegistrySummary {
  readonly repository: string;
  readonly versions: number;
  readonly archived: number;
  readonly candidates: number;
  readonly champion: VersionRow | null;
  readonly challenger: VersionRow | null;
  /** Of the files of all versions together, as if each were kept by itself. */
  readonly sizeBytes: number;
}

export interface RegistryImport {
  /** Versions that were archived, with the reason of the file. */
  readonly archived: readonly string[];
  /** Versions about which a note was made. */
  readonly noted: readonly string[];
  /** What was not done, and why. */
  readonly skipped: readonly { readonly version: string; readonly why: string }[];
}

export interface RegistryResult {
  readonly action: RegistryOptions["action"];
  readonly summary: RegistrySummary | null;
  readonly document: RegistryDocument | null;
  readonly imported: RegistryImport | null;
}

/** Throws FILE_MALFORMED, PATH_NOT_FOUND, ARGUMENT_INVALID; and as listVersions. */
export async function registry(
  repository: Repository,
  options: RegistryOptions,
  call: Call,
): Promise<RegistryResult> {
  const nothing = { action: options.action, summary: null, document: null, imported: null };
  if (options.action === "summary") return { ...nothing, summary: await summarize(repository, call) };
  if (options.action === "export") return { ...nothing, document: await build(repository, options, call) };
  if (options.file === undefined) throw new SmcError("ARGUMENT_INVALID", "name the file to import");
  return { ...nothing, imported: await take(repository, options.file, call) };
}

async function summarize(repository: Repository, call: Call): Promise<RegistrySummary> {
  const rows = await listVersions(repository, {}, call);
  const count = (status: VersionRow["status"]): number => rows.filter((row) => row.status === status).length;
  return {
    repository: repository.name,
    versions: rows.length,
    archived: count("archived"),
    candidates: count("candidate"),
    champion: rows.find(({ status }) => status === "champion") ?? null,
    challenger: rows.find(({ status }) => status === "challenger") ?? null,
    sizeBytes: rows.reduce((sum, row) => sum + row.sizeBytes, 0),
  };
}

async function build(
  repository: Repository,
  { named }: RegistryOptions,
  call: Call,
): Promise<RegistryDocument> {
  const entries = [];
  for (const row of await listVersions(repository, { all: named !== true }, call)) {
    const { commit } = await readFacts(repository.store, row.commit);
    const file = await findPath(repository.store.objects, commit.tree, "metadata.json");
    entries.push(entryOf(row, file !== undefined && file.mode !== "040000"));
  }
  return {
    schema_version: REGISTRY_SCHEMA,
    repository: repository.name,
    exported_at: formatMoment(momentAt(nowMs())),
    champion: entries.find(({ status }) => status === "champion") ?? null,
    challenger: entries.find(({ status }) => status === "challenger") ?? null,
    all_versions: entries,
  };
}

/** The same file again changes nothing. */
async function take(repository: Repository, file: string, call: Call): Promise<RegistryImport> {
  const foreign = await readRegistryFile(file);
  const rows = await listVersions(repository, { all: true }, call);
  const archived: string[] = [];
  const noted: string[] = [];
  const skipped: { version: string; why: string }[] = [];
  for (const entry of foreign.entries) {
    const row = findRow(rows, entry.version);
    if (row === undefined) {
      skipped.push({ version: entry.version, why: "there is no such version here" });
      continue;
    }
    const learned = Object.entries(entry.metrics).filter(([name, value]) => row.metrics[name] !== value);
    if (learned.length > 0) {
      const text = `registry import: ${entry.version}`;
      const metrics = Object.fromEntries(learned);
      await addNote(repository, { commit: row.commit, kind: "evaluation", text, metrics }, call);
      noted.push(row.version);
    }
    if (entry.leftOut.length > 0) skipped.push({ version: entry.version, why: leftOutText(entry.leftOut) });
    const why = entry.status === "archived" ? await archive(repository, row, entry) : undefined;
    if (why !== undefined) skipped.push({ version: entry.version, why });
    else if (entry.status === "archived" && row.archived === null) archived.push(row.version);
  }
  const champion = foreign.champion === undefined ? undefined : findRow(rows, foreign.champion);
  if (foreign.champion !== undefined && champion?.status !== "champion") {
    const why = "what is live is not moved by a file; promote it when it shall be the champion";
    skipped.push({ version: foreign.champion, why });
  }
  return { archived, noted, skipped };
}

function leftOutText(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_MAX).map((name) => show(name, 80));
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : "";
  return `no finite number, or too many: ${shown.join(", ")}${more}`;
}

function findRow(rows: readonly VersionRow[], version: string): VersionRow | undefined {
  const names = namesOfVersion(version);
  return rows.find((row) => [row.version, ...row.tags, row.commit].some((name) => names.includes(name)));
}

/** Why it was not archived; undefined when it is, now or before. */
async function archive(
  repository: Repository,
  row: VersionRow,
  { reason = "" }: ForeignEntry,
): Promise<string | undefined> {
  const { store, name } = repository;
  if (row.archived !== null) return undefined;
  if (row.status === "champion" || row.status === "challenger") return `it is the ${row.status} here`;
  if (reason === "") return "the file gives no reason for the archive";
  const fault = messageFault(reason);
  if (fault !== undefined) return `its reason for the archive ${fault}`;
  const { version, commit } = row;
  const change = await writeArchive(repository, { version, commit, reason, actor: repository.actor });
  const text = `registry import: archived ${show(version, 200)}: ${reason}`;
  await store.refs.update(name, [change], reasonOf(repository, "registry", text));
  return undefined;
}
