/** Which stored files a new file may resemble, so that it can be stored as the difference to one of them. */
import { extname } from "node:path/posix";
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import type { Repository } from "../repository.ts";
import type { NewFile } from "../store.ts";
import type { FlatEntry } from "../trees/tree-read.ts";
import type { Found } from "./scan.ts";
import { filesOf } from "./state.ts";

/** Smaller files are stored whole. */
const FILE_BYTES_MIN = 64 * 1024;
/** Of one kind of file, so many are compared with each new one. */
const CANDIDATES_MAX = 256;
const OTHERS_MAX = 3;
/** A sibling has the same tensors in another precision: u8 is a quarter of f32. */
const SIZE_RATIO_MAX = 5;

type Parent = NonNullable<NewFile["parents"]>[number];

/** The stored files that the file at a path may resemble, the likeliest first. */
export type ParentsOf = (path: string, sizeBytes: number) => readonly Parent[];

/**
 * `trees` are where to look, the nearest first: HEAD's, then that of a declared base. The same path wins; a path that
 * none of them has is compared with files of its extension and about its size.
 */
export async function findParents(
  repository: Repository,
  { files, trees }: { files: readonly Found[]; trees: readonly (Digest | undefined)[] },
  call: Call,
): Promise<ParentsOf> {
  if (!files.some(({ stat }) => (stat?.sizeBytes ?? 0) >= FILE_BYTES_MIN)) return () => [];
  const known = await Promise.all(trees.map((tree) => filesOf(repository, tree, call)));
  const byExtension = new Map<string, [string, FlatEntry][]>();
  for (const flat of known) {
    for (const file of flat) {
      const [path, { mode, sizeBytes }] = file;
      if (mode === "120000" || sizeBytes < FILE_BYTES_MIN) continue;
      const others = byExtension.get(extname(path)) ?? [];
      byExtension.set(extname(path), others);
      if (others.length < CANDIDATES_MAX) others.push(file);
    }
  }
  return (path, sizeBytes) => {
    if (sizeBytes < FILE_BYTES_MIN) return [];
    const same = known.flatMap((flat) => {
      const entry = flat.get(path);
      return entry === undefined || entry.mode === "120000" ? [] : [parentAt(path, entry)];
    });
    if (same.length > 0) return same;
    return nearest(byExtension.get(extname(path)) ?? [], sizeBytes);
  };
}

function parentAt(path: string, { digest }: FlatEntry): Parent {
  return { digest, fileName: path.slice(path.lastIndexOf("/") + 1) };
}

function nearest(files: readonly [string, FlatEntry][], sizeBytes: number): Parent[] {
  const distance = (entry: FlatEntry): number => Math.abs(Math.log(entry.sizeBytes / sizeBytes));
  return files
    .filter(([, entry]) => distance(entry) <= Math.log(SIZE_RATIO_MAX))
    .sort(([, a], [, b]) => distance(a) - distance(b))
    .slice(0, OTHERS_MAX)
    .map(([path, entry]) => parentAt(path, entry));
}
