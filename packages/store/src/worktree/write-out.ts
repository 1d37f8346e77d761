/**
 * Makes files of the worktree what a plan says. New content is written below `.smc/tmp/` and renamed into place, so
 * that a kill leaves each file old or new, and nothing of ours among the user's files.
 */
import { randomBytes } from "node:crypto";
import { join, posix } from "node:path";
import { type Call, createPacer, type Progress } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { createFolder, createSymlink, removeFile, removeTree, renamePath } from "../fs.ts";
import { TREE_DEPTH_MAX } from "../objects/names.ts";
import { show } from "../show.ts";
import type { FileStat, ObjectStore } from "../store.ts";
import type { FlatEntry } from "../trees/tree-read.ts";
import { type HeldFolder, holdFolder, removeEmptyFolders, removeHollowFolder, renamed } from "./folders.ts";
import { cacheOf, comparePaths, type StatCache } from "./stage.ts";
import { kindOf, lstatMany, lstatOne, nowNs } from "./stat.ts";

/** Files written before they are moved: the more, the better the workers are used, and the more disk it takes. */
const BATCH_FILES_MAX = 8192;
const BATCH_BYTES_MAX = 1024 * 1024 * 1024;
/** Renames and removals at the same time. */
const AT_ONCE = 32;

export interface Removal {
  readonly path: string;
  /** As the disk spells it. */
  readonly disk: string;
  /** What the plan was made for. */
  readonly expected: FileStat;
}

export interface Writing {
  readonly path: string;
  readonly disk: string;
  readonly entry: FlatEntry;
  /** What is there now and goes; undefined where nothing may be. */
  readonly expected: FileStat | undefined;
}

export interface OutPlan {
  readonly removals: readonly Removal[];
  readonly writings: readonly Writing[];
  /** Symbolic links, made last; their targets are checked already. */
  readonly links: readonly (Writing & { readonly target: Buffer })[];
}

interface Place {
  readonly root: string;
  readonly objects: Pick<ObjectStore, "exportFiles">;
}

/**
 * Carries the plan out and gives the stat of each file written. Throws FILE_CHANGED when a file is no longer what the
 * plan was made for, WOULD_OVERWRITE, UNSAFE_PATH, PERMISSION_DENIED, DISK_FULL; what was done until then stays done.
 */
export async function writeOut(place: Place, plan: OutPlan, call: Call): Promise<Map<string, StatCache>> {
  const caches = new Map<string, StatCache>();
  const { root } = place;
  await removeFiles(root, plan.removals, call);
  if (plan.writings.length + plan.links.length === 0) return caches;
  const temporary = join(root, ".smc", "tmp");
  await removeTree(temporary);
  await createFolder(temporary);
  try {
    const writings = [...plan.writings].sort((a, b) => comparePaths(a.path, b.path));
    const total = sumOf(writings);
    let done = 0;
    for (const batch of batches(writings)) {
      const onProgress = (progress: Progress): void =>
        call.onProgress({ ...progress, done: done + progress.done, total });
      await writeBatch(place, { batch, temporary, caches }, { signal: call.signal, onProgress });
      done += sumOf(batch);
    }
    for (const link of plan.links) await writeLink(root, { link, temporary, caches });
  } finally {
    await removeTree(temporary);
  }
  return caches;
}

function sumOf(writings: readonly Writing[]): number {
  return writings.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);
}

function* batches(writings: readonly Writing[]): Generator<Writing[]> {
  let batch: Writing[] = [];
  let bytes = 0;
  for (const writing of writings) {
    const isFull = batch.length >= BATCH_FILES_MAX || bytes + writing.entry.sizeBytes > BATCH_BYTES_MAX;
    if (isFull && batch.length > 0) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(writing);
    bytes += writing.entry.sizeBytes;
  }
  if (batch.length > 0) yield batch;
}

async function writeBatch(
  place: Place,
  {
    batch,
    temporary,
    caches,
  }: { batch: readonly Writing[]; temporary: string; caches: Map<string, StatCache> },
  call: Call,
): Promise<void> {
  const prefix = randomBytes(6).toString("hex");
  const files = batch.map(({ entry }, index) => ({
    digest: entry.digest,
    path: join(temporary, `${prefix}-${index}`),
    executable: entry.mode === "100755",
  }));
  await place.objects.exportFiles(files, call);
  for (let from = 0; from < batch.length;) {
    const folder = posix.dirname(batch[from]?.disk ?? "");
    let to = from + 1;
    while (to < batch.length && posix.dirname(batch[to]?.disk ?? "") === folder) to += 1;
    const moves = batch.slice(from, to).map((writing, offset) => ({
      writing,
      from: files[from + offset]?.path ?? "",
    }));
    await moveInto(place, { folder: folder === "." ? "" : folder, moves, caches }, call);
    from = to;
  }
}

interface Move {
  readonly writing: Writing;
  readonly from: string;
}

async function moveInto(
  place: Place,
  { folder, moves, caches }: { folder: string; moves: readonly Move[]; caches: Map<string, StatCache> },
  call: Call,
): Promise<void> {
  const held = await holdFolder(place.root, folder, { create: true });
  if (held === undefined) throw folderGone(folder);
  try {
    const names = moves.map(({ writing }) => posix.basename(writing.disk));
    const before = await lstatMany(names.map((name) => held.entry(name)));
    await eachOf(moves, async ({ writing, from }, index) => {
      const target = held.entry(names[index] ?? "");
      await clearTarget(writing, { target, found: before[index] });
      await moveFile(place, { writing, from, held, target }, call);
    });
    const atNs = nowNs();
    const after = await lstatMany(names.map((name) => held.entry(name)));
    for (const [index, { writing }] of moves.entries()) {
      const stat = after[index];
      if (stat !== undefined) caches.set(writing.path, cacheOf(stat, atNs));
    }
  } finally {
    await held[Symbol.asyncDispose]();
  }
}

async function moveFile(
  place: Place,
  { writing, from, held, target }: { writing: Writing; from: string; held: HeldFolder; target: string },
  call: Call,
): Promise<void> {
  const what = `cannot write '${show(writing.path)}'`;
  try {
    await renamePath(from, target);
  } catch (error) {
    if (!isSmcError(error) || error.details.errno !== "EXDEV") throw renamed(error, what);
    // Another file system is mounted on this folder: the file is written beside its place.
    const beside = held.entry(`.smc-tmp-${randomBytes(6).toString("hex")}`);
    const { digest, mode } = writing.entry;
    try {
      await place.objects.exportFiles([{ digest, path: beside, executable: mode === "100755" }], call);
      await renamePath(beside, target);
    } catch (again) {
      await removeFile(beside).catch(() => undefined);
      throw renamed(again, what);
    }
  }
}

/** Throws unless what is there is what the plan was made for. An empty folder makes room. */
async function clearTarget(
  { path, expected }: Writing,
  { target, found }: { target: string; found: FileStat | undefined },
): Promise<void> {
  if (found === undefined) return;
  if (kindOf(found) === "folder") {
    try {
      await removeHollowFolder(target, TREE_DEPTH_MAX);
    } catch (error) {
      const errno = isSmcError(error) ? error.details.errno : undefined;
      if (errno !== "ENOTEMPTY" && errno !== "EEXIST")
        throw renamed(error, `cannot remove the folder '${show(path)}'`);
      throw new SmcError("WOULD_OVERWRITE", `'${show(path)}' is a folder with files where a file must go`, {
        details: { paths: [path], count: 1 },
      });
    }
    return;
  }
  if (expected === undefined || !isSameStat(expected, found)) throw changedMeanwhile(path);
}

export function isSameStat(a: FileStat, b: FileStat): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs &&
    a.mode === b.mode
  );
}

function changedMeanwhile(path: string): SmcError {
  return new SmcError("FILE_CHANGED", `'${show(path)}' changed meanwhile and was left as it is`, {
    details: { path },
  });
}

/** Some at the same time; waits for those that run when one fails. */
async function eachOf<T>(
  items: readonly T[],
  action: (item: T, index: number) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE) {
    const running = items.slice(from, from + AT_ONCE).map((item, offset) => action(item, from + offset));
    const failed = (await Promise.allSettled(running)).find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}

async function removeFiles(root: string, removals: readonly Removal[], call: Call): Promise<void> {
  const pace = createPacer(call);
  const folders = new Map<string, Removal[]>();
  for (const removal of removals) {
    const parent = posix.dirname(removal.disk) === "." ? "" : posix.dirname(removal.disk);
    const others = folders.get(parent);
    if (others === undefined) folders.set(parent, [removal]);
    else others.push(removal);
  }
  for (const [folder, files] of folders) {
    const held = await holdFolder(root, folder);
    if (held === undefined) continue;
    try {
      await eachOf(files, async (removal) => removeOne(held, removal));
    } finally {
      await held[Symbol.asyncDispose]();
    }
    await pace();
  }
  const deepestFirst = [...folders.keys()].sort((a, b) => b.length - a.length);
  for (const folder of deepestFirst) await removeEmptyFolders(root, folder);
}

async function removeOne(held: HeldFolder, { path, disk, expected }: Removal): Promise<void> {
  const target = held.entry(posix.basename(disk));
  const found = await lstatOne(target);
  if (found === undefined) return;
  if (!isSameStat(expected, found)) throw changedMeanwhile(path);
  try {
    await removeFile(target);
  } catch (error) {
    throw renamed(error, `cannot remove '${show(path)}'`);
  }
}

async function writeLink(
  root: string,
  {
    link,
    temporary,
    caches,
  }: { link: Writing & { readonly target: Buffer }; temporary: string; caches: Map<string, StatCache> },
): Promise<void> {
  const folder = posix.dirname(link.disk) === "." ? "" : posix.dirname(link.disk);
  const held = await holdFolder(root, folder, { create: true });
  if (held === undefined) throw folderGone(folder);
  try {
    const from = join(temporary, randomBytes(6).toString("hex"));
    const target = held.entry(posix.basename(link.disk));
    await createSymlink(link.target.toString("utf8"), from);
    await clearTarget(link, { target, found: await lstatOne(target) });
    await renamePath(from, target);
    const stat = await lstatOne(target);
    if (stat !== undefined) caches.set(link.path, cacheOf(stat, nowNs()));
  } catch (error) {
    throw renamed(error, `cannot make the link '${show(link.path)}'`);
  } finally {
    await held[Symbol.asyncDispose]();
  }
}

function folderGone(folder: string): SmcError {
  return new SmcError(
    "FILE_CHANGED",
    `another process removed the folder '${show(folder)}' while it was written`,
    {
      hint: "run the command again; what was written so far is whole",
      details: { folder },
    },
  );
}
