/** Marked blocks in a `.gitignore`: what smc keeps, git need not see. What others wrote there stays as it is. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { replaceWith } from "../new-file.ts";
import { kindOf, lstatOne } from "./stat.ts";

const FOLDERS_MAX = 4096;
const GITIGNORE_BYTES_MAX = 16 * 1024 * 1024;

export interface GitBlock {
  /** Stands in its first and its last line. */
  readonly name: string;
  /** Lines of gitignore(5) between them. */
  readonly rules: readonly string[];
}

export interface HiddenFromGit {
  /** The `.gitignore` with the block. */
  readonly path: string;
  /** False when it was there, just so. */
  readonly isNew: boolean;
}

/**
 * Puts the block into the `.gitignore` of a folder in a git work tree, or in the place of an older one of that name.
 * Null outside of a work tree, and where the `.gitignore` is no plain file: then nothing is written.
 */
export async function hideFromGit(root: string, { name, rules }: GitBlock): Promise<HiddenFromGit | null> {
  if (!(await isInGit(root))) return null;
  const path = join(root, ".gitignore");
  const block = [`# >>> ${name} >>>`, ...rules, `# <<< ${name} <<<`];
  const found = await lstatOne(path);
  if (found === undefined) {
    await replaceWith(path, `${block.join("\n")}\n`);
    return { path, isNew: true };
  }
  if (kindOf(found) !== "file" || found.sizeBytes > GITIGNORE_BYTES_MAX) return null;
  // Bytes, not text: what others wrote stays as it is, valid UTF-8 or not.
  const text = await readFile(path, "latin1");
  const next = withBlock(text, block.map(asLatin1));
  if (next === text) return { path, isNew: false };
  await replaceWith(path, Buffer.from(next, "latin1"), { mode: found.mode & 0o777 });
  return { path, isNew: true };
}

/** A block whose end somebody took away is left alone: nobody knows which lines are whose. */
function withBlock(text: string, block: readonly string[]): string {
  const newLine = text.includes("\r\n") ? "\r\n" : "\n";
  const added = block.map((line) => line + newLine).join("");
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const bare = lines.map((line) => line.replace(/\r?\n$/, ""));
  const first = bare.indexOf(block[0] ?? "");
  if (first < 0) return text + (text === "" || text.endsWith("\n") ? "" : newLine) + added;
  const last = bare.indexOf(block.at(-1) ?? "", first);
  if (last < 0 || bare.slice(first, last + 1).join("\n") === block.join("\n")) return text;
  return lines.slice(0, first).join("") + added + lines.slice(last + 1).join("");
}

/** UTF-8, one character for each byte. */
function asLatin1(line: string): string {
  return Buffer.from(line, "utf8").toString("latin1");
}

/** The rule for one folder, by its path from the folder of the `.gitignore`. */
export function gitRule(path: string): string {
  return `/${path.replace(/[\\*?[\]]/g, String.raw`\$&`)}/`;
}

async function isInGit(root: string): Promise<boolean> {
  let folder = root;
  for (let step = 0; step < FOLDERS_MAX; step += 1) {
    if ((await lstatOne(join(folder, ".git"))) !== undefined) return true;
    const parent = dirname(folder);
    if (parent === folder) return false;
    folder = parent;
  }
  return false;
}
