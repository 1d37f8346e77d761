/** Names of backups: `best_backup_20260115_101112.pt`. */
import { lstat } from "node:fs/promises";
import { extname, join } from "node:path";
import { nowMs } from "../clock.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { assertPath } from "../objects/names.ts";
import { show } from "../show.ts";

/** Seconds that a name is moved on while there is a backup of that second. */
const SECONDS_MAX = 3600;
/** Characters of what is backed up that its name tells. */
const STEM_LENGTH_MAX = 150;

/** The local time, as `date +%Y%m%d_%H%M%S` prints it. */
export function stampOf(ms: number): string {
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}`;
  return `${day}_${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}`;
}

/** A name that no folder has yet; of two in one second the other gets the next second. Throws LIMIT_EXCEEDED. */
export async function freeName(
  folders: readonly string[],
  { stem, suffix }: { stem: string; suffix: string },
): Promise<string> {
  const short = stem.slice(0, STEM_LENGTH_MAX);
  const now = nowMs();
  for (let second = 0; second < SECONDS_MAX; second += 1) {
    const name = `${short}_backup_${stampOf(now + second * 1000)}${suffix}`;
    const found = await Promise.all(folders.map((folder) => isTaken(join(folder, name))));
    if (!found.includes(true)) return name;
  }
  throw new SmcError(
    "LIMIT_EXCEEDED",
    `there are ${SECONDS_MAX} backups of '${show(stem, 80)}' of this hour`,
    {
      hint: "give it a name of its own",
    },
  );
}

async function isTaken(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return false;
    throw known;
  }
}

/** The user's own name for a backup; a tar file ends with `.tar`. Throws PATH_INVALID. */
export function ownName(name: string, kind: "file" | "tar"): string {
  if (name.includes("/") || name.startsWith(".") || name.endsWith(".json"))
    throw new SmcError("PATH_INVALID", `'${show(name, 80)}' is no name for a backup; nothing was written`, {
      hint: "a name has no '/', does not start with '.' and does not end with .json; folders go with --to",
    });
  assertPath(name, { allowNonportable: true });
  return kind === "tar" && !name.endsWith(".tar") ? `${name}.tar` : name;
}

/** `runs/best.pt` → `best`, `.pt`. */
export function splitName(name: string): { stem: string; suffix: string } {
  const suffix = extname(name);
  return { stem: name.slice(0, name.length - suffix.length), suffix };
}

/** Text from a user as a part of a file's name. */
export function asStem(text: string): string {
  return text.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[.-]+/, "") || "version";
}
