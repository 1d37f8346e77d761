/** `smc layout sync`: the champion, the challenger and every archived version as folders with plain files. */
import { isAbsolute, join, sep } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { createFolder } from "../fs.ts";
import { kindAt } from "../layout/folders.ts";
import { FileWork } from "../layout/note-files.ts";
import { type FolderState, findOwned, readFolder, removeLeftovers } from "../layout/owned-folder.ts";
import {
  assertNoConflicts,
  conflictsOf,
  filesOfVersion,
  isCurrent,
  placeVersion,
  removeVersion,
  type VersionFiles,
} from "../layout/place-version.ts";
import { ownMetadata } from "../layout/version-document.ts";
import type { Digest } from "../objects/digest.ts";
import { listArchived } from "../registry/archive-refs.ts";
import { listVersions, type VersionRow } from "../registry/version-list.ts";
import type { OwnedRepository, Repository } from "../repository.ts";
import { show } from "../show.ts";
import { ignoreIn } from "../worktree/ignore-in.ts";
import { reasonOf } from "../worktree/state.ts";
import { exclusively, findRoot } from "../worktree/worktree.ts";

const ROLES = ["champion", "challenger"] as const;
const ARCHIVE = "archive";
const VERSIONS_MAX = 10_000;
/** In the audit log. */
const FOLDERS_TOLD_MAX = 20;
const FOLDER_MODE = 0o777;

export interface LayoutOptions {
  readonly action: "sync";
  /** Absolute path. */
  readonly folder: string;
  readonly dryRun?: boolean;
}

export interface LayoutRow {
  /** `champion`, `challenger`, `archive/v1.0.0`. */
  readonly name: string;
  /** "absent": no version is in this role, and there is no folder of it. */
  readonly action: "written" | "unchanged" | "removed" | "absent";
  readonly version: string | null;
  readonly commit: Digest | null;
  readonly files: number;
  readonly sizeBytes: number;
  /** True when the version has a `metadata.json` that is not of smc: it stays as it is, and nothing is added. */
  readonly hasForeignMetadata: boolean;
  /** Symbolic links of the version, which are not made. */
  readonly skippedLinks: readonly string[];
}

export interface LayoutResult {
  readonly action: "sync";
  readonly folder: string;
  /** True: what is said to be written and removed only would be. */
  readonly dryRun: boolean;
  readonly folders: readonly LayoutRow[];
}

interface Step {
  readonly row: LayoutRow;
  readonly folder: string;
  /** Undefined for a folder that goes. */
  readonly wanted: VersionFiles | undefined;
  readonly state: FolderState;
}

/**
 * Folders that are as they should be are not touched. Throws WOULD_OVERWRITE naming files in the way that smc did not
 * write, or that were changed, with nothing changed; ARGUMENT_INVALID, LIMIT_EXCEEDED over 10,000 versions or files of
 * one, OBJECT_CORRUPT.
 */
export async function layout(
  repository: OwnedRepository,
  options: LayoutOptions,
  call: Call,
): Promise<LayoutResult> {
  const { folder, dryRun = false } = options;
  if (!isAbsolute(folder)) throw new SmcError("ARGUMENT_INVALID", "the folder is not an absolute path");
  if (`${folder}${sep}`.startsWith(`${repository.store.path}${sep}`))
    throw new SmcError("ARGUMENT_INVALID", `'${show(folder)}' is in the store; nothing was written`);
  return exclusively({ root: `layout ${folder}` }, call, async () => {
    const steps = await plan(repository, folder, call);
    const blocked = await blockedBy([folder, join(folder, ARCHIVE)]);
    assertNoConflicts([...blocked, ...steps.flatMap(conflictsIn)]);
    const changed = steps.filter(({ row }) => row.action === "written" || row.action === "removed");
    if (!dryRun) await sync(repository, { folder, steps, changed }, call);
    return { action: options.action, folder, dryRun, folders: steps.map(({ row }) => row) };
  });
}

/** The copies can be made again: that they are not in the journal is no reason to take them away. */
async function sync(
  repository: OwnedRepository,
  { folder, steps, changed }: { folder: string; steps: readonly Step[]; changed: readonly Step[] },
  call: Call,
): Promise<void> {
  if (changed.length === 0) return carryOut(repository, { folder, steps }, call);
  const { store, name } = repository;
  const { actor } = reasonOf(repository, "layout", "");
  const told = changed.slice(0, FOLDERS_TOLD_MAX).map(({ row }) => `${row.name} ${row.action}`);
  const more = changed.length > told.length ? ` and ${changed.length - told.length} more` : "";
  const what = `${show(folder)}: ${told.join(", ")}${more}`;
  const place = { store, actor, openRepository: async () => ({ name }) };
  await using work = await FileWork.begin(place, { op: "layout", what });
  await carryOut(repository, { folder, steps, work }, call);
  await work.record();
}

function conflictsIn({ row, folder, state }: Step): string[] {
  return row.action === "absent" ? [] : conflictsOf(folder, state, row.action === "unchanged");
}

/** What stands where a folder must be. */
async function blockedBy(folders: readonly string[]): Promise<string[]> {
  const kinds = await Promise.all(folders.map(kindAt));
  return folders.filter((_, index) => kinds[index] !== undefined && kinds[index] !== "folder");
}

async function plan(repository: Repository, folder: string, call: Call): Promise<Step[]> {
  const rows = await listVersions(repository, {}, call);
  const archived = await listArchived(repository, call);
  if (archived.length > VERSIONS_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${VERSIONS_MAX} archived versions; nothing was written`);
  const steps: Step[] = [];
  for (const role of ROLES) {
    const row = rows.find(({ roles }) => roles.includes(role));
    steps.push(await planOne(repository, { folder, name: role, row }, call));
  }
  const names = new Set<string>();
  for (const { version, commit } of archived) {
    const name = `${ARCHIVE}/${version}`;
    names.add(name);
    const row = rows.find((known) => known.commit === commit);
    steps.push(await planOne(repository, { folder, name, row }, call));
  }
  for (const found of await findOwned(join(folder, ARCHIVE), call)) {
    const name = `${ARCHIVE}/${found}`;
    if (!names.has(name)) steps.push(await planOne(repository, { folder, name, row: undefined }, call));
  }
  return steps;
}

async function planOne(
  repository: Repository,
  { folder: top, name, row }: { folder: string; name: string; row: VersionRow | undefined },
  call: Call,
): Promise<Step> {
  const folder = join(top, ...name.split("/"));
  const state = await readFolder(folder, call);
  const nothing = { files: 0, sizeBytes: 0, hasForeignMetadata: false, skippedLinks: [] };
  if (row === undefined) {
    const action = state.marker === undefined ? "absent" : "removed";
    const empty = { name, action, version: null, commit: null, ...nothing } as const;
    return { row: empty, folder, wanted: undefined, state };
  }
  const { commit, version } = row;
  const files = await filesOfVersion(repository, commit, call);
  const added = await ownMetadata(repository, { row, files }, call);
  const wanted = { ...files, added };
  const action = isCurrent(state, wanted) ? "unchanged" : "written";
  const sizeBytes = files.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const told = {
    files: files.files.length,
    sizeBytes,
    hasForeignMetadata: added === undefined,
    skippedLinks: files.links,
  };
  return { row: { name, action, version, commit, ...told }, folder, wanted, state };
}

async function carryOut(
  repository: Repository,
  { folder, steps, work }: { folder: string; steps: readonly Step[]; work?: FileWork },
  call: Call,
): Promise<void> {
  await createFolder(folder, { mode: FOLDER_MODE });
  for (const place of [folder, join(folder, ARCHIVE)]) await removeLeftovers(place, call);
  if ((await findRoot(folder)) !== undefined)
    await ignoreIn(folder, { names: [...ROLES, ARCHIVE], why: "copies of versions" });
  for (const { row, folder: target, wanted } of steps) {
    if (row.action === "removed") await removeVersion(target, call);
    else if (row.action === "written" && wanted !== undefined)
      await placeVersion(repository, { folder: target, wanted }, call);
    else continue;
    if (work !== undefined) work.hasChanged = true;
  }
}
