/** `smc activate`: makes a file the one in `active/`, after the old one was backed up. */
import { basename, join } from "node:path";
import { readSteady } from "../backup/digests.ts";
import { backupsFolder } from "../backup/find-backup.ts";
import { ownName } from "../backup/names.ts";
import { digestOf } from "../backup/restore-backup.ts";
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import { resolveRevision } from "../history/revision.ts";
import { activateFile } from "../layout/activate-file.ts";
import { type FilesPlace, hideCopies, kindAt, listFiles, pathOf } from "../layout/folders.ts";
import { FileWork, noteFiles } from "../layout/note-files.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";
import { flattenTree } from "../trees/tree-read.ts";
import { exclusively } from "../worktree/worktree.ts";

const FILES_MAX = 10_000;

export interface ActivateOptions {
  /** A file, a name in `trained/` or `downloads/`, else a revision with one file, or `REV:path`. */
  readonly target: string;
  /** Its name in `active/`; its own when left out. */
  readonly as?: string;
  /** "plan" tells what would be done, "yes" does it, "no" writes into the audit log that it was declined. */
  readonly answer?: "plan" | "yes" | "no";
}

export interface ActivateResult {
  /** Absolute path of the file in `active/`. */
  readonly path: string;
  readonly sha256: string;
  /** What it is made of: a path, or what was asked for. */
  readonly from: string;
  /** The active file that goes, absolute; null when there is none. */
  readonly old: string | null;
  /** Where the old one is kept; null as long as nothing was done. */
  readonly backup: string | null;
  /** False: only planned, declined, or active already. */
  readonly activated: boolean;
  /** The same bytes are active under that name already. */
  readonly isActive: boolean;
  /** In the audit log; false when it was only planned or is active already, and when the store takes no writes. */
  readonly recorded: boolean;
}

interface Source {
  readonly from: string;
  readonly name: string;
  readonly sha256: string;
  readonly executable: boolean;
  readonly read: (call: Call) => AsyncIterable<Uint8Array>;
}

/**
 * The file of the same name goes, else the only one that is there, unless `as` names it. Throws CONFIRMATION_NEEDED
 * without an answer, PATH_NOT_FOUND, REVISION_NOT_FOUND, ARGUMENT_INVALID for a version of several files, FILE_CHANGED,
 * DISK_FULL: the old file is active then.
 */
export async function activate(
  place: FilesPlace,
  options: ActivateOptions,
  call: Call,
): Promise<ActivateResult> {
  const folder = join(place.models, "active");
  return exclusively({ root: `files of ${folder}` }, call, async () => {
    const source = await sourceOf(place, options.target, call);
    const path = join(folder, ownName(options.as ?? source.name, "file"));
    if ((await kindAt(path)) === "folder")
      throw new SmcError("WOULD_OVERWRITE", `'${show(path)}' is a folder; nothing was activated`);
    const isActive = (await digestOf(path, call)) === source.sha256;
    const old = isActive ? undefined : await oldOf(folder, path, options);
    const { sha256, from } = source;
    const plan = {
      path,
      sha256,
      from,
      old: old ?? null,
      backup: null,
      activated: false,
      isActive,
      recorded: false,
    };
    if (isActive || options.answer === "plan") return plan;
    const what = `${show(from)} as ${show(path)}, ${sha256}`;
    if (options.answer === "no")
      return { ...plan, recorded: await noteFiles(place, { op: "activate", what: `declined: ${what}` }) };
    if (options.answer === undefined)
      throw new SmcError("CONFIRMATION_NEEDED", `'${show(path)}' would be replaced; nothing was activated`);
    await using work = await FileWork.begin(place, { op: "activate", what });
    work.hasChanged = (await hideCopies(place.models)) !== undefined;
    const { executable, read } = source;
    const { actor } = place;
    const next = { content: read(call), sha256, executable, path, old, backups: backupsFolder(place), actor };
    const kept = await activateFile(next, call);
    const before = old === undefined ? "" : `; before: ${show(old)}, kept as ${show(kept ?? "nothing")}`;
    const recorded = await work.record(before);
    return { ...plan, backup: kept, activated: true, recorded };
  });
}

/** The active file that goes. */
async function oldOf(
  folder: string,
  path: string,
  { as }: Pick<ActivateOptions, "as">,
): Promise<string | undefined> {
  const files = await listFiles(folder, FILES_MAX);
  const same = files.find((file) => file.path === path);
  if (same !== undefined || as !== undefined || files.length !== 1) return same?.path;
  return files[0]?.path;
}

async function sourceOf(place: FilesPlace, target: string, call: Call): Promise<Source> {
  const isName = !/[/\\:]/.test(target);
  const named = ["trained", "downloads"].map((folder) => join(place.models, folder, target));
  for (const path of [pathOf(place, target), ...(isName ? named : [])]) {
    if ((await kindAt(path)) !== "file") continue;
    const sha256 = await digestOf(path, call);
    if (sha256 === undefined) break;
    return {
      from: path,
      name: basename(path),
      sha256,
      executable: false,
      read: (now) => readSteady(path, now),
    };
  }
  return sourceOfRevision(place, target, call);
}

async function sourceOfRevision(place: FilesPlace, target: string, call: Call): Promise<Source> {
  const repository = await repositoryOf(place, target);
  const { objects } = repository.store;
  const found = await resolveTarget(repository, target, call);
  const source = (name: string, digest: typeof found.digest): Source => ({
    from: target,
    name,
    sha256: digest,
    executable: false,
    read: (now) => objects.readBlob(digest, now),
  });
  if (found.kind === "blob") return source(basename(found.path ?? target), found.digest);
  const tree =
    found.kind === "commit" ? (await readCommit(repository.store, found.digest)).tree : found.digest;
  const files = [...(await flattenTree(objects, tree, call))].filter(
    ([path, { mode }]) => mode !== "120000" && !basename(path).startsWith("."),
  );
  const [only] = files;
  if (only === undefined || files.length > 1)
    throw new SmcError(
      "ARGUMENT_INVALID",
      `'${show(target, 80)}' holds ${files.length} files, and one is activated; nothing was changed`,
      { hint: `name one: smc activate ${show(target, 80)}:PATH` },
    );
  return source(basename(only[0]), only[1].digest);
}

/** Throws PATH_NOT_FOUND where there is no repository: then only a file was meant. */
async function repositoryOf(place: FilesPlace, target: string): Promise<OwnedRepository> {
  try {
    return await place.openRepository();
  } catch (error) {
    if (!isSmcError(error, "WORKTREE_NOT_FOUND")) throw error;
    throw new SmcError("PATH_NOT_FOUND", `there is no file '${show(target, 200)}'; nothing was activated`, {
      hint: 'see what there is with "smc list"',
    });
  }
}

async function resolveTarget(
  repository: OwnedRepository,
  target: string,
  call: Call,
): ReturnType<typeof resolveRevision> {
  try {
    return await resolveRevision(repository, target, call);
  } catch (error) {
    // What is no plain name was meant as a revision.
    if (!isSmcError(error, "REVISION_NOT_FOUND") || /[:~^@{]/.test(target)) throw error;
    const what = `there is neither a file nor a version '${show(target, 200)}'; nothing was activated`;
    const { hint = 'see what there is with "smc list"', details } = error;
    throw new SmcError(error.code, what, { hint, details });
  }
}
