/** A version takes the place of another one in a folder that programs read meanwhile. */
import { dirname, join } from "node:path";
import type { Call } from "../call.ts";
import { isSmcError } from "../errors.ts";
import {
  createFolder,
  createOneFolder,
  linkFile,
  removeEmptyFolder,
  removeFile,
  renamePath,
  syncFolder,
} from "../fs.ts";
import { giveName, hasNoLinks, replaceWith } from "../new-file.ts";
import {
  encodeMarker,
  foldersOf,
  type Marker,
  MARKER,
  type OwnedFile,
  readFolder,
  readMarker,
  removeOwned,
} from "./owned-folder.ts";

interface Exchange {
  readonly folder: string;
  /** Beside it: the new version, whole and on the disk. */
  readonly temporary: string;
  /** Beside it, not there yet: where the old files are afterwards, with their marker. */
  readonly aside: string;
  /** The file that changes after all others. */
  readonly last: string | undefined;
}

/** A file that has its place: what is in `aside` of it, if anything, takes it back. */
interface Done {
  readonly path: string;
  readonly change: "replaced" | "added" | "removed";
}

/**
 * Every path of both versions holds a whole file of one of them at every moment, also after a kill: then the marker
 * names the files of both, and the next run goes on. False, and nothing has changed, where that cannot be: on file
 * systems without links, and where one version has a folder of the name that a file of the other has. When it throws
 * the old files are back. Throws WOULD_OVERWRITE for a file of somebody that came in meanwhile.
 */
export async function exchangeFiles(exchange: Exchange, call: Call): Promise<boolean> {
  const { folder, temporary, aside, last } = exchange;
  const { marker: old, own } = await readFolder(folder, call);
  const wanted = await readMarker(temporary);
  if (old === undefined || wanted === undefined) return false;
  const paths = wanted.files.map(({ path }) => path);
  if (hasClash(own, paths) || hasClash(paths, own)) return false;
  await createOneFolder(aside);
  try {
    await linkFile(join(folder, MARKER), join(aside, MARKER));
  } catch (error) {
    await removeEmptyFolder(aside);
    if (hasNoLinks(error)) return false;
    throw error;
  }
  for (const path of foldersOf(own)) await createOneFolder(join(aside, path));
  const both = { ...wanted, commit: "", metadata: null, files: filesOfBoth(old.files, wanted.files) };
  await replaceWith(join(folder, MARKER), encodeMarker(both), { mode: 0o666 });
  const done: Done[] = [];
  try {
    const ordered = [...paths.filter((path) => path !== last), ...paths.filter((path) => path === last)];
    await moveIn({ ...exchange, own: new Set(own), paths: ordered }, done);
    for (const path of ["", ...foldersOf(paths)]) await syncFolder(join(folder, path));
    await renamePath(join(temporary, MARKER), join(folder, MARKER));
  } catch (error) {
    // What failed first is what is told.
    await putBack({ folder, aside, old, done }, call).catch(() => undefined);
    throw error;
  }
  await removeEmpty(folder, { own, paths });
  await syncFolder(folder);
  return true;
}

/** True when a file of the one stands where the other has a folder. */
function hasClash(files: readonly string[], others: readonly string[]): boolean {
  const folders = new Set(foldersOf(others));
  return files.some((path) => folders.has(path));
}

function filesOfBoth(old: readonly OwnedFile[], wanted: readonly OwnedFile[]): OwnedFile[] {
  return [...new Map([...old, ...wanted].map((file) => [`${file.path}\0${file.sha256}`, file])).values()];
}

async function moveIn(
  { folder, temporary, aside, own, paths }: Exchange & { own: ReadonlySet<string>; paths: readonly string[] },
  done: Done[],
): Promise<void> {
  for (const path of paths) {
    const place = join(folder, path);
    if (own.has(path)) {
      // The old file keeps a name: somebody may be changing it at this moment.
      await linkFile(place, join(aside, path));
      await renamePath(join(temporary, path), place);
      done.push({ path, change: "replaced" });
    } else {
      await createFolder(dirname(place), { mode: 0o777 });
      await giveName(join(temporary, path), place, false);
      done.push({ path, change: "added" });
    }
  }
  const stays = new Set(paths);
  for (const path of own) {
    if (stays.has(path)) continue;
    await renamePath(join(folder, path), join(aside, path));
    done.push({ path, change: "removed" });
  }
}

/** The marker goes back last: until then it names the files of both. */
async function putBack(
  { folder, aside, old, done }: Pick<Exchange, "folder" | "aside"> & { old: Marker; done: readonly Done[] },
  call: Call,
): Promise<void> {
  for (const { path, change } of done.toReversed()) {
    if (change === "added") await removeFile(join(folder, path));
    else await renamePath(join(aside, path), join(folder, path));
  }
  await replaceWith(join(folder, MARKER), encodeMarker(old), { mode: 0o666 });
  await removeOwned(aside, call);
}

/** Folders that only the old version had. */
async function removeEmpty(
  folder: string,
  { own, paths }: { own: readonly string[]; paths: readonly string[] },
): Promise<void> {
  const stay = new Set(foldersOf(paths));
  for (const path of foldersOf(own).toReversed()) {
    if (stay.has(path)) continue;
    try {
      await removeEmptyFolder(join(folder, path));
    } catch (error) {
      if (!isSmcError(error) || error.details.errno !== "ENOTEMPTY") throw error;
    }
  }
}
