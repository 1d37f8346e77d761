/** Files of an installed npm package, copied into the worktree: what is versioned must not lie in node_modules. */
import { readdir } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { readSteady } from "../backup/digests.ts";
import type { Call } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { createFolder } from "../fs.ts";
import { kindAt } from "../layout/folders.ts";
import { assertFree, writeNewFile } from "../new-file.ts";
import { assertPath } from "../objects/names.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";

const FILES_MAX = 100_000;
const BYTES_MAX = 2 ** 31;
const DEPTH_MAX = 16;
const PACKAGE_JSON_BYTES_MAX = 1024 * 1024;
const FOLDER_MODE = 0o777;
const SOURCE = /^npm:((?:@[a-z0-9._~-]{1,100}\/)?[a-z0-9._~-]{1,200})(?:\/(.+))?$/;

export interface PackageSource {
  readonly name: string;
  /** Below the package; "" for all of it. */
  readonly path: string;
}

/** Of a word such as `npm:iris/data.csv`; undefined for one that is none. Throws PATH_INVALID. */
export function parseSource(word: string): PackageSource | undefined {
  const match = SOURCE.exec(word);
  if (match === null) return undefined;
  const path = match[2] ?? "";
  if (path !== "") assertPath(path, { allowNonportable: true });
  return { name: match[1] ?? "", path };
}

export interface CopiedPackage {
  /** `npm:iris@1.0.0/data.csv`. */
  readonly from: string;
  /** Path of the copy below the worktree. */
  readonly path: string;
}

/**
 * Copies a file, or a folder without its links and hidden files, to `data/NAME`; files get their end with it. Throws
 * PATH_NOT_FOUND when the package is not installed at or above the worktree, WOULD_OVERWRITE unless `force`,
 * LIMIT_EXCEEDED over 2 GiB and 100,000 files; what was copied until then stays.
 */
export async function copyPackage(
  { root }: { root: string },
  { source, name, force }: { source: PackageSource; name: string; force: boolean },
  call: Call,
): Promise<CopiedPackage> {
  const folder = await findPackage(root, source.name);
  const full = join(folder, source.path);
  const kind = await kindAt(full);
  if (kind !== "file" && kind !== "folder")
    throw new SmcError(
      "PATH_NOT_FOUND",
      `the package ${source.name} has no '${show(source.path)}'; nothing was added`,
    );
  const path = `data/${name}${kind === "file" ? extname(source.path).toLowerCase() : ""}`;
  const target = join(root, path);
  const files = kind === "file" ? [""] : await listBelow(full);
  if (!force) for (const file of files) await assertFree(join(target, file), false);
  let copiedBytes = 0;
  for (const file of files) {
    await createFolder(dirname(join(target, file)), { mode: FOLDER_MODE });
    await writeNewFile(join(target, file), { force }, async (copy) => {
      let offset = 0;
      for await (const piece of readSteady(join(full, file), call)) {
        copiedBytes += piece.length;
        if (copiedBytes > BYTES_MAX) throw tooMuch(source, `${BYTES_MAX} bytes`);
        await copy.write(piece, offset);
        offset += piece.length;
      }
    });
  }
  const version = await versionOf(folder);
  return { from: `npm:${source.name}${version}${source.path === "" ? "" : `/${source.path}`}`, path };
}

function tooMuch({ name }: PackageSource, limit: string): SmcError {
  return new SmcError(
    "LIMIT_EXCEEDED",
    `the package ${name} has more than ${limit} there; nothing was added`,
  );
}

/** As Node looks for it: in node_modules of the worktree, then of the folders above. */
async function findPackage(root: string, name: string): Promise<string> {
  for (let folder = root; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if ((await kindAt(candidate)) === "folder") return candidate;
    if (folder === dirname(folder)) break;
  }
  throw new SmcError(
    "PATH_NOT_FOUND",
    `the package ${name} is not installed at '${show(root)}'; nothing was added`,
    {
      hint: `install it first: npm install ${name}`,
    },
  );
}

async function versionOf(folder: string): Promise<string> {
  try {
    const bytes = await readSmall(join(folder, "package.json"), PACKAGE_JSON_BYTES_MAX);
    const { version } = JSON.parse(bytes.toString("utf8")) as { version?: unknown };
    return typeof version === "string" && /^[0-9A-Za-z.+-]{1,100}$/.test(version) ? `@${version}` : "";
  } catch (error) {
    if (error instanceof SyntaxError || isSmcError(error, "PATH_NOT_FOUND")) return "";
    throw error;
  }
}

/** Regular files below a folder, sorted. */
async function listBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  const walk = async (below: string, depth: number): Promise<void> => {
    if (depth > DEPTH_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `'${show(folder)}' is deeper than ${DEPTH_MAX} folders`);
    let entries;
    try {
      entries = await readdir(join(folder, below), { withFileTypes: true });
    } catch (error) {
      throw fromErrno(error, `cannot list '${show(join(folder, below))}'`);
    }
    for (const entry of entries) {
      const path = join(below, entry.name);
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      if (entry.isDirectory()) await walk(path, depth + 1);
      else if (entry.isFile()) files.push(path);
      if (files.length > FILES_MAX)
        throw new SmcError("LIMIT_EXCEEDED", `'${show(folder)}' has more than ${FILES_MAX} files`);
    }
  };
  await walk("", 0);
  return files.sort();
}
