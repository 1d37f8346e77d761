/** Flat entries (path → file) → tree objects. */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { foldName } from "../objects/names.ts";
import { encodeTree, type TreeEntry } from "../objects/objects.ts";
import { show } from "../show.ts";
import type { WriteSession } from "../store.ts";
import type { FlatEntry } from "./tree-read.ts";
import { comparePaths } from "../worktree/stage.ts";

interface OpenFolder {
  readonly name: string;
  readonly entries: TreeEntry[];
  sizeBytes: number;
}

/**
 * Writes the trees of all folders and gives the digest of the root. Trees that the store has cost no write.
 * Throws NAME_COLLISION for names that are one file elsewhere, and for a file that is also a folder.
 */
export async function writeTree(
  session: Pick<WriteSession, "putObject">,
  files: ReadonlyMap<string, FlatEntry>,
  call: Call,
): Promise<Digest> {
  const pace = createPacer(call);
  const open: OpenFolder[] = [{ name: "", entries: [], sizeBytes: 0 }];
  const closeLast = async (): Promise<Digest> => {
    const folder = open.pop();
    if (folder === undefined) throw new SmcError("INTERNAL", "no folder is open");
    const digest = await putTree(session, folder, open);
    const parent = open.at(-1);
    if (parent !== undefined) {
      parent.entries.push({ name: folder.name, mode: "040000", digest, sizeBytes: folder.sizeBytes });
      parent.sizeBytes += folder.sizeBytes;
    }
    return digest;
  };
  for (const path of [...files.keys()].sort(comparePaths)) {
    const file = files.get(path);
    if (file === undefined) continue;
    const parts = path.split("/");
    const name = parts.pop() ?? "";
    // All paths of a folder follow each other: what the next path does not share is done.
    while (open.length - 1 > sharedDepth(open, parts)) await closeLast();
    for (const part of parts.slice(open.length - 1)) open.push({ name: part, entries: [], sizeBytes: 0 });
    const folder = open.at(-1);
    folder?.entries.push({ name, mode: file.mode, digest: file.digest, sizeBytes: file.sizeBytes });
    if (folder !== undefined) folder.sizeBytes += file.sizeBytes;
    const pause = pace();
    if (pause !== undefined) await pause;
  }
  while (open.length > 1) await closeLast();
  return closeLast();
}

function sharedDepth(open: readonly OpenFolder[], parts: readonly string[]): number {
  let depth = 0;
  while (depth < parts.length && open[depth + 1]?.name === parts[depth]) depth += 1;
  return depth;
}

async function putTree(
  session: Pick<WriteSession, "putObject">,
  folder: OpenFolder,
  parents: readonly OpenFolder[],
): Promise<Digest> {
  const collision = findCollision(folder.entries);
  if (collision !== undefined) {
    const where = [...parents, folder].map(({ name }) => name).filter((name) => name !== "");
    const [a, b] = collision.map((name) => show([...where, name].join("/"), 200));
    throw new SmcError("NAME_COLLISION", `'${a}' and '${b}' are one name on other systems`, {
      hint: "rename one of them",
      details: { folder: where.join("/"), names: collision },
    });
  }
  return session.putObject("tree", encodeTree(folder.entries));
}

/** Two names that are one where case or Unicode form does not count. */
function findCollision(entries: readonly TreeEntry[]): [string, string] | undefined {
  const known = new Map<string, string>();
  for (const { name } of entries) {
    const folded = PLAIN.test(name) ? name.toLowerCase() : foldName(name);
    const other = known.get(folded);
    if (other !== undefined) return [other, name];
    known.set(folded, name);
  }
  return undefined;
}

// Folding these is lowering their case.
const PLAIN = /^[\u0020-\u007e]*$/;
