/** A new file of the worktree that is no file of a commit: written aside, then moved to its place. */
import { randomBytes } from "node:crypto";
import { join, posix } from "node:path";
import { isSmcError, SmcError } from "../errors.ts";
import { createFolder, removeFile, renamePath } from "../fs.ts";
import { show } from "../show.ts";
import type { FileStat } from "../store.ts";
import { holdFolder, renamed } from "./folders.ts";
import { locate } from "./locate.ts";
import { linkInTheWay } from "./paths.ts";
import { kindOf, lstatOne } from "./stat.ts";
import type { Worktree } from "./worktree.ts";
import { isSameStat } from "./write-out.ts";

export interface Target {
  /** From the root of the worktree. */
  readonly path: string;
  /** Replaces what is there, unless it is a folder. */
  readonly force: boolean;
}

/** What stands at the target now. Throws WOULD_OVERWRITE for what must stay, UNSAFE_PATH for a link on the way. */
export async function assertFree(
  worktree: Pick<Worktree, "root">,
  { path, force }: Target,
): Promise<{ disk: string; expected: FileStat | undefined }> {
  const located = (await locate(worktree.root, [path])).get(path);
  const { disk = path, stat, blocked } = located ?? {};
  if (blocked?.isLink === true) throw linkInTheWay(blocked.path);
  if (blocked !== undefined) throw isTaken(blocked.path, "is a file where a folder must go");
  if (stat !== undefined && kindOf(stat) === "folder") throw isTaken(path, "is a folder");
  if (stat !== undefined && !force) throw isTaken(path, "is there already");
  return { disk, expected: stat };
}

/**
 * Lets `write` make a file at the path that it is given, and moves that to the target; when anything fails the target
 * is as it was. Nothing is fsynced. The caller holds the worktree. Throws as `assertFree`, FILE_CHANGED when something
 * came to the target meanwhile, and what `write` throws.
 */
export async function placeFile(
  worktree: Pick<Worktree, "root">,
  target: Target,
  write: (path: string) => Promise<void>,
): Promise<void> {
  const { root } = worktree;
  const place = await assertFree(worktree, target);
  const folder = join(root, ".smc", "tmp");
  await createFolder(folder);
  const aside = join(folder, randomBytes(6).toString("hex"));
  try {
    await write(aside);
    await moveTo(root, { ...place, path: target.path, aside }, write);
  } finally {
    await removeIfThere(aside);
  }
}

interface Move {
  readonly path: string;
  readonly disk: string;
  readonly expected: FileStat | undefined;
  readonly aside: string;
}

async function moveTo(root: string, move: Move, write: (path: string) => Promise<void>): Promise<void> {
  const { path, disk, expected, aside } = move;
  const parent = posix.dirname(disk);
  const held = await holdFolder(root, parent === "." ? "" : parent, { create: true });
  if (held === undefined) throw changed(path);
  const goal = held.entry(posix.basename(disk));
  try {
    const found = await lstatOne(goal);
    const isExpected = found === undefined ? true : expected !== undefined && isSameStat(expected, found);
    if (!isExpected) throw changed(path);
    try {
      await renamePath(aside, goal);
    } catch (error) {
      if (!isSmcError(error) || error.details.errno !== "EXDEV") throw error;
      // Another file system is mounted on this folder: the file is written again, beside its place.
      const beside = held.entry(`.smc-tmp-${randomBytes(6).toString("hex")}`);
      try {
        await write(beside);
        await renamePath(beside, goal);
      } finally {
        await removeIfThere(beside);
      }
    }
  } catch (error) {
    throw renamed(error, `cannot write '${show(path)}'`);
  } finally {
    await held[Symbol.asyncDispose]();
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await removeFile(path);
  } catch (error) {
    if (!isSmcError(error, "PATH_NOT_FOUND")) throw error;
  }
}

function isTaken(path: string, why: string): SmcError {
  return new SmcError("WOULD_OVERWRITE", `'${show(path)}' ${why}; nothing was written`, {
    hint: "choose another name, or replace a file with --force",
    details: { paths: [path], count: 1 },
  });
}

function changed(path: string): SmcError {
  return new SmcError("FILE_CHANGED", `'${show(path)}' changed meanwhile and was left as it is`, {
    details: { path },
  });
}
