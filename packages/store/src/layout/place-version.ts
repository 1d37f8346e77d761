/** The files of a version in a folder of their own, put there whole: written beside it, then renamed. */
import { dirname, join } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { createFile, createFolder, createOneFolder, renamePath, syncFile, syncFolder } from "../fs.ts";
import { readCommit } from "../history/graph.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { besidePath, replaceWith } from "../new-file.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { flattenTree } from "../trees/tree-read.ts";
import { lstatOne } from "../worktree/stat.ts";
import { exchangeFiles } from "./exchange-files.ts";
import {
  encodeMarker,
  FOLDER_FILES_MAX,
  foldersOf,
  type FolderState,
  MARKER,
  type OwnedFile,
  readFolder,
  removeOwned,
} from "./owned-folder.ts";

const FOLDER_MODE = 0o777;
const CONFLICTS_TOLD = 1000;
const CONFLICTS_SHOWN = 10;

/** What a folder shall hold. */
export interface VersionFiles {
  readonly commit: Digest;
  readonly files: readonly { path: string; digest: Digest; sizeBytes: number; executable: boolean }[];
  /** Symbolic links, which are not made. */
  readonly links: readonly string[];
  /** A file that is added, in place of one of the version's of that name. */
  readonly added: { readonly path: string; readonly text: string } | undefined;
}

/** Throws LIMIT_EXCEEDED over 10,000 files, NAME_COLLISION for a version with a file of the marker's name. */
export async function filesOfVersion(
  repository: Repository,
  commit: Digest,
  call: Call,
): Promise<VersionFiles> {
  const { objects } = repository.store;
  const tree = await flattenTree(objects, (await readCommit(repository.store, commit)).tree, call);
  if (tree.size > FOLDER_FILES_MAX)
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `${commit} has more than ${FOLDER_FILES_MAX} files; nothing was written`,
    );
  if (tree.has(MARKER))
    throw new SmcError("NAME_COLLISION", `${commit} has a file '${MARKER}' of its own; nothing was written`);
  const all = [...tree].map(([path, { mode, digest, sizeBytes }]) => ({ path, mode, digest, sizeBytes }));
  return {
    commit,
    files: all
      .filter(({ mode }) => mode !== "120000")
      .map(({ path, mode, digest, sizeBytes }) => ({
        path,
        digest,
        sizeBytes,
        executable: mode === "100755",
      })),
    links: all.filter(({ mode }) => mode === "120000").map(({ path }) => path),
    added: undefined,
  };
}

/** True when the folder holds just that, and everything as it was written. */
export function isCurrent(state: FolderState, wanted: VersionFiles): boolean {
  const { marker, own } = state;
  if (marker === undefined || marker.commit !== wanted.commit) return false;
  return marker.metadata === digestOfAdded(wanted) && own.length === marker.files.length;
}

function digestOfAdded({ added }: VersionFiles): string | null {
  return added === undefined ? null : hashBytes(Buffer.from(added.text));
}

/**
 * Files that would be lost if the folder were written anew or taken away; those that were changed also when it stays.
 */
export function conflictsOf(folder: string, state: FolderState, stays: boolean): string[] {
  const paths = stays ? state.changed : [...state.changed, ...state.foreign];
  return paths.map((path) => (path === "" ? folder : join(folder, path)));
}

/** Throws WOULD_OVERWRITE naming them, unless there are none. */
export function assertNoConflicts(paths: readonly string[]): void {
  if (paths.length === 0) return;
  const shown = paths.slice(0, CONFLICTS_SHOWN).map((path) => `'${show(path, 300)}'`);
  const more = paths.length > CONFLICTS_SHOWN ? ` and ${paths.length - CONFLICTS_SHOWN} more` : "";
  throw new SmcError(
    "WOULD_OVERWRITE",
    `smc did not write these files as they are: ${shown.join(", ")}${more}; nothing was changed`,
    {
      hint: "move them away, or name another folder",
      details: { paths: paths.slice(0, CONFLICTS_TOLD), count: paths.length },
    },
  );
}

/**
 * Durable when it returns. The caller has looked for conflicts, and holds the folder. A reader finds whole files of the
 * old version or of the new one, as `exchangeFiles` says; where that cannot be the folder is renamed, and for a moment
 * there is none. Throws FILE_CHANGED when a file of somebody came into the old one meanwhile: it is kept.
 */
export async function placeVersion(
  repository: Repository,
  { folder, wanted }: { folder: string; wanted: VersionFiles },
  call: Call,
): Promise<void> {
  const parent = dirname(folder);
  await createFolder(parent, { mode: FOLDER_MODE });
  const temporary = besidePath(folder);
  try {
    await fill(repository, { folder: temporary, wanted }, call);
    await exchange({ folder, temporary, last: wanted.added?.path }, call);
  } catch (error) {
    // What failed first is what is told.
    await removeOwned(temporary, quiet(call)).catch(() => undefined);
    throw error;
  }
}

/** Taken away whole. Throws as placeVersion. */
export async function removeVersion(folder: string, call: Call): Promise<void> {
  const aside = besidePath(folder);
  await renamePath(folder, aside);
  await syncFolder(dirname(folder));
  await removeAside(aside, folder, call);
}

async function exchange(
  { folder, temporary, last }: { folder: string; temporary: string; last: string | undefined },
  call: Call,
): Promise<void> {
  const isThere = (await lstatOne(folder)) !== undefined;
  const aside = besidePath(folder);
  if (isThere && (await exchangeFiles({ folder, temporary, aside, last }, quiet(call)))) {
    await removeAside(aside, folder, call);
    // What is left of it are folders.
    await removeOwned(temporary, quiet(call));
    return;
  }
  if (isThere) await renamePath(folder, aside);
  try {
    await renamePath(temporary, folder);
  } catch (error) {
    if (isThere) await renamePath(aside, folder).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(folder));
  if (isThere) await removeAside(aside, folder, call);
}

async function removeAside(aside: string, folder: string, call: Call): Promise<void> {
  if (await removeOwned(aside, quiet(call))) return;
  const { foreign, changed } = await readFolder(aside, quiet(call));
  throw new SmcError(
    "FILE_CHANGED",
    `files came into '${show(folder)}' while it was written; they are kept in '${show(aside)}'`,
    { details: { paths: [...foreign, ...changed].slice(0, CONFLICTS_TOLD), folder: aside } },
  );
}

/** Once it has begun, a folder is put into its place. */
function quiet(call: Call): Call {
  return { ...call, signal: new AbortController().signal };
}

async function fill(
  repository: Repository,
  { folder, wanted }: { folder: string; wanted: VersionFiles },
  call: Call,
): Promise<void> {
  const { objects } = repository.store;
  const { commit, added } = wanted;
  const files = wanted.files.filter(({ path }) => path !== added?.path);
  const listed = files.map(({ path, digest, sizeBytes }) => ({ path, sha256: digest as string, sizeBytes }));
  const bytes = added === undefined ? undefined : Buffer.from(added.text);
  if (added !== undefined && bytes !== undefined)
    listed.push({ path: added.path, sha256: hashBytes(bytes), sizeBytes: bytes.length });
  const marker = { repository: repository.name, commit, metadata: digestOfAdded(wanted) };
  await createOneFolder(folder, { mode: FOLDER_MODE });
  // First, so that what a kill leaves is known as ours.
  const begun: OwnedFile[] = listed.map((file) => ({ ...file, mtimeNs: null }));
  await createFile(join(folder, MARKER), encodeMarker({ ...marker, files: begun }), { mode: 0o666 });
  const folders = foldersOf(listed.map(({ path }) => path));
  for (const path of folders) await createOneFolder(join(folder, path), { mode: FOLDER_MODE });
  const exported = files.map(({ path, digest, executable }) => ({
    path: join(folder, path),
    digest,
    executable,
  }));
  await objects.exportFiles(exported, call);
  if (added !== undefined && bytes !== undefined)
    await createFile(join(folder, added.path), bytes, { mode: 0o666 });
  const done: OwnedFile[] = [];
  for (const file of listed) {
    const path = join(folder, file.path);
    await syncFile(path);
    done.push({ ...file, mtimeNs: String((await lstatOne(path))?.mtimeNs) });
  }
  for (const path of folders) await syncFolder(join(folder, path));
  await replaceWith(join(folder, MARKER), encodeMarker({ ...marker, files: done }));
}
