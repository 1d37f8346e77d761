/** Regular files below a folder that is imported. Hidden ones and those of version control are no model files. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { fileModeOf, lstatEach } from "../worktree/stat.ts";
import type { FoundFile } from "./folder-versions.ts";

const ENTRIES_MAX = 200_000;

/** In the order of their paths. Throws PATH_NOT_FOUND, LIMIT_EXCEEDED, PERMISSION_DENIED. */
export async function findFiles(
  folder: string,
  leave: (what: string, why: string) => void,
  call: Call,
): Promise<FoundFile[]> {
  const pace = createPacer(call);
  const paths: string[] = [];
  const waiting = [""];
  for (let prefix = waiting.pop(); prefix !== undefined; prefix = waiting.pop()) {
    for (const entry of await listFolder(join(folder, prefix))) {
      const path = prefix + entry.name;
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory()) waiting.push(`${path}/`);
      else if (entry.isFile()) paths.push(path);
      else leave(path, "it is no regular file");
      await pace();
    }
    if (paths.length + waiting.length > ENTRIES_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `'${show(folder)}' holds more than ${ENTRIES_MAX} files`);
  }
  paths.sort();
  const files: FoundFile[] = [];
  let index = 0;
  for await (const stat of lstatEach(
    paths.map((path) => join(folder, path)),
    call,
  )) {
    const path = paths[index] ?? "";
    index += 1;
    if (stat === undefined) continue;
    const mtimeMs = Number(stat.mtimeNs / 1_000_000n);
    files.push({ path, sizeBytes: stat.sizeBytes, mtimeMs, isExecutable: fileModeOf(stat) === "100755" });
  }
  return files;
}

async function listFolder(
  folder: string,
): Promise<{ name: string; isDirectory(): boolean; isFile(): boolean }[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw fromErrno(error, `cannot list the folder '${show(folder)}'`);
  }
}
