/**
 * Packs that gc took away and that can be brought back: `trash/<epoch>/`, one folder a gc. What lies there is in no
 * index; it goes for good when a later gc finds it older than the window.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../objects/digest.ts";
import { isDigest } from "../objects/digest.ts";
import { fromErrno, isSmcError } from "../errors.ts";
import { createFolder, removeTree, renamePath, replaceFile, syncFolder } from "../fs.ts";
import { packPath, placePacks } from "../pack/folder.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";

const NOTE = "gc.json";
const EXPIRED = "expired.json";
const NOTE_BYTES_MAX = 64 * 1024;
const EPOCHS_MAX = 10_000;
/** 20261121T142233Z, and a number when there were several in that second. */
const EPOCH = /^\d{8}T\d{6}Z(-\d{1,4})?$/;

export interface Epoch {
  readonly name: string;
  readonly ms: number;
  readonly packs: readonly { readonly name: Digest; readonly sizeBytes: number }[];
  readonly sizeBytes: number;
}

export interface Expired {
  /** When that change was made; in notes of before there were numbers, up to when changes count. */
  readonly ms: number | undefined;
  readonly seq: number | undefined;
}

function trashPath(storePath: string, ...names: string[]): string {
  return join(storePath, "trash", ...names);
}

/** The last change of refs that protects nothing any more; what it and those before it named may be gone. */
export async function readExpired(storePath: string): Promise<Expired | undefined> {
  const { ms, seq } = await readNote(trashPath(storePath, EXPIRED));
  return ms === undefined && seq === undefined ? undefined : { ms, seq };
}

/** Durable before anything that only they name goes. */
export async function writeExpired(
  storePath: string,
  { seq, ms }: { readonly seq: number; readonly ms: number },
): Promise<void> {
  await createFolder(trashPath(storePath));
  await replaceFile(trashPath(storePath, EXPIRED), `${JSON.stringify({ ms, seq })}\n`);
  await syncFolder(storePath);
}

/** Nothing when there is no such file, or nothing of ours in it. */
async function readNote(path: string): Promise<Expired> {
  try {
    const note = JSON.parse((await readSmall(path, NOTE_BYTES_MAX)).toString("utf8")) as
      | {
          readonly [Key in keyof Expired]?: unknown;
        }
      | null;
    const [ms, seq] = [note?.ms, note?.seq].map((value) =>
      typeof value === "number" && Number.isSafeInteger(value) ? value : undefined,
    );
    return { ms, seq };
  } catch (error) {
    if (error instanceof SyntaxError || isSmcError(error, "PATH_NOT_FOUND"))
      return { ms: undefined, seq: undefined };
    throw error;
  }
}

/** Makes the folder of a gc that runs now; durable when it returns. */
export async function createEpoch(storePath: string, nowMs: number): Promise<string> {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const known = new Set(await names(trashPath(storePath)));
  let name = stamp;
  for (let number = 2; known.has(name); number += 1) name = `${stamp}-${number}`;
  await createFolder(trashPath(storePath, name));
  await replaceFile(trashPath(storePath, name, NOTE), `${JSON.stringify({ ms: nowMs })}\n`);
  await syncFolder(trashPath(storePath));
  await syncFolder(storePath);
  return name;
}

/** Moves packs, which no index names any more, out of `packs/`. A kill in between leaves each in one place. */
export async function throwAway(storePath: string, epoch: string, packs: readonly Digest[]): Promise<void> {
  const folders = new Set<string>();
  for (const name of packs) {
    const from = packPath(storePath, name);
    await renamePath(from, trashPath(storePath, epoch, `${name}.pack`));
    folders.add(join(from, ".."));
  }
  await syncFolder(trashPath(storePath, epoch));
  for (const folder of folders) await syncFolder(folder);
}

/** Moves packs back, durably; the caller indexes them. */
export async function takeBack(storePath: string, { name: epoch, packs }: Epoch): Promise<void> {
  await placePacks(
    storePath,
    packs.map(({ name }) => ({ name, path: trashPath(storePath, epoch, `${name}.pack`) })),
  );
  await syncFolder(trashPath(storePath, epoch));
}

/** The newest first. */
export async function listTrash(storePath: string): Promise<Epoch[]> {
  const epochs: Epoch[] = [];
  for (const name of (await names(trashPath(storePath))).slice(0, EPOCHS_MAX)) {
    if (!EPOCH.test(name)) continue;
    const packs: { name: Digest; sizeBytes: number }[] = [];
    for (const file of await names(trashPath(storePath, name))) {
      const digest = file.slice(0, -".pack".length);
      if (!file.endsWith(".pack") || !isDigest(digest)) continue;
      packs.push({ name: digest, sizeBytes: await sizeOf(trashPath(storePath, name, file)) });
    }
    const sizeBytes = packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
    epochs.push({ name, ms: await momentOf(storePath, name), packs, sizeBytes });
  }
  return epochs.sort((a, b) => (a.name < b.name ? 1 : -1));
}

/** For good. */
export async function emptyEpoch(storePath: string, { name }: Epoch): Promise<void> {
  await removeTree(trashPath(storePath, name));
}

async function names(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    const known = fromErrno(error, `cannot list '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw fromErrno(error, `cannot look at '${show(path)}'`);
  }
}

/** When it was made; without a readable note, by its name. */
async function momentOf(storePath: string, epoch: string): Promise<number> {
  const { ms } = await readNote(trashPath(storePath, epoch, NOTE));
  if (ms !== undefined) return ms;
  const [, year, month, day, hour, minute, second] = /^(....)(..)(..)T(..)(..)(..)Z/.exec(epoch) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
