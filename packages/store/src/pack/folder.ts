/** The packs folder: where a pack lies, what lies there, and how a pack gets into the object index. */
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Digest, isDigest } from "../objects/digest.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { createFolder, renamePath, syncFolder } from "../fs.ts";
import type { ChunklistPlace, ObjectIndex } from "../db/object-index.ts";
import { decodeChunklist } from "../objects/objects.ts";
import type { Pool } from "../pool/pool.ts";
import type { RecordRow } from "./format.ts";

const SUFFIX = ".pack";
const FOLDER = /^[0-9a-f]{2}$/;
const LISTS_PER_TASK = 32;
const NEVER = new AbortController().signal;

/** `packs/ab/<64 hex>.pack` below the store. */
export function packPath(storePath: string, name: Digest): string {
  return join(storePath, "packs", name.slice(0, 2), name + SUFFIX);
}

/** The pack that lies there; undefined for anything else. */
export function packAt(path: string): Digest | undefined {
  const name = basename(path, SUFFIX);
  return path.endsWith(SUFFIX) && isDigest(name) ? name : undefined;
}

/** Names of the packs on disk, and paths of anything else that lies among them. */
export async function listPacks(storePath: string): Promise<{ names: Digest[]; foreign: string[] }> {
  const parent = join(storePath, "packs");
  const names: Digest[] = [];
  const foreign: string[] = [];
  const folders: string[] = [];
  for (const entry of await list(parent)) {
    const path = join(parent, entry.name);
    if (FOLDER.test(entry.name) && !entry.isFile()) folders.push(path);
    else foreign.push(path);
  }
  const listed = await Promise.all(folders.map(list));
  for (const [index, folder] of folders.entries()) {
    for (const entry of listed[index] ?? []) {
      const name = entry.name.slice(0, -SUFFIX.length);
      const fits = entry.isFile() && entry.name.endsWith(SUFFIX) && folder.endsWith(name.slice(0, 2));
      if (fits && isDigest(name)) names.push(name);
      else foreign.push(join(folder, entry.name));
    }
  }
  return { names, foreign };
}

async function list(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw fromErrno(error, `cannot list '${folder}'`);
  }
}

/**
 * Renames packs into their places, durably; makes the folder of those that are the first in theirs. When one fails,
 * those before it are in their places, and nothing names them.
 */
export async function placePacks(
  storePath: string,
  packs: readonly { readonly name: Digest; readonly path: string }[],
): Promise<void> {
  const folders = new Set<string>();
  for (const { name, path } of packs) {
    const target = packPath(storePath, name);
    const folder = dirname(target);
    if (!folders.has(folder)) await createFolder(folder);
    folders.add(folder);
    await renamePath(path, target);
  }
  for (const folder of folders) await syncFolder(folder);
  // fsync(2) promises a folder's entries, not its own name; one that was there already may be as new.
  await syncFolder(join(storePath, "packs"));
}

interface IndexContext {
  readonly path: string;
  readonly index: ObjectIndex;
  readonly pool: Pool;
}

/**
 * The blobs that the chunklists of a pack describe; the pack need not be in its place. Throws OBJECT_INVALID,
 * OBJECT_CORRUPT.
 */
export async function readChunklists(
  pool: Pool,
  pack: string,
  rows: readonly RecordRow[],
): Promise<ChunklistPlace[]> {
  const lists = rows.filter(({ kind }) => kind === "chunklist");
  const chunklists: ChunklistPlace[] = [];
  for (let from = 0; from < lists.length; from += LISTS_PER_TASK) {
    const spans = lists.slice(from, from + LISTS_PER_TASK);
    const places = spans.map((span) => ({ pack, span }));
    const raws = await pool.run("read", { places }, { signal: NEVER, onlyThere: true });
    for (const [position, raw] of raws.entries()) {
      const { blob, sizeBytes } = decodeChunklist(raw);
      const digest = spans[position]?.digest;
      if (digest !== undefined) chunklists.push({ digest, blob, sizeBytes });
    }
  }
  return chunklists;
}

/** Adds a pack that lies in its place to the index; reads its chunklists to learn which blobs they describe. */
export async function indexPack(
  { path, index, pool }: IndexContext,
  pack: { name: Digest; sizeBytes: number; rows: readonly RecordRow[] },
  options: { replace?: boolean } = {},
): Promise<void> {
  const chunklists = await readChunklists(pool, packPath(path, pack.name), pack.rows);
  await index.addPack(pack, chunklists, options);
}

export interface LostPacks {
  /** Packs that are on disk but cannot be read. */
  readonly damaged: { readonly name: Digest; readonly message: string }[];
  readonly foreign: readonly string[];
}

/**
 * Makes the index agree with the packs folder: adds what it does not know, or knows in part; when it names a pack that
 * is gone, or knows one in part that cannot be read, it is built anew. Returns what could not be read.
 */
export async function reconcile(context: IndexContext, options: { rebuild: boolean }): Promise<LostPacks> {
  const { path, index, pool } = context;
  const { names, foreign } = await listPacks(path);
  const onDisk = new Set(names);
  const named = [...index.packs().map(({ name }) => name), ...index.partialPacks()];
  if (options.rebuild || named.some((name) => !onDisk.has(name))) await index.clear();
  const known = new Set(index.packs().map(({ name }) => name));
  const damaged: { name: Digest; message: string }[] = [];
  for (const name of names) {
    if (known.has(name)) continue;
    try {
      const contents = await pool.run("contents", { pack: packPath(path, name) }, { signal: NEVER });
      if (contents.name !== name) throw new SmcError("PACK_CORRUPT", "its name is not that of its contents");
      await indexPack(context, contents);
    } catch (error) {
      if (!(error instanceof SmcError) || error.exit !== 4) throw error;
      damaged.push({ name, message: error.message });
    }
  }
  // What LevelDB has of a pack that cannot be added whole would stay there for ever.
  const partial = new Set(index.partialPacks());
  if (!options.rebuild && damaged.some(({ name }) => partial.has(name)))
    return reconcile(context, { rebuild: true });
  return { damaged, foreign };
}
