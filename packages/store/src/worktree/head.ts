/** HEAD: the file `.smc/HEAD`, which names a branch (`ref: refs/heads/main`) or a commit (64 hex digits). */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, isDigest } from "../objects/digest.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { replaceFile } from "../fs.ts";
import { parseRefName, refName, type RefName } from "../objects/names.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { show } from "../show.ts";
import type { Worktree } from "./worktree.ts";

const HEAD_BYTES_MAX = 1024;

export type HeadTarget =
  | { readonly kind: "branch"; readonly ref: RefName }
  | { readonly kind: "detached"; readonly digest: Digest };

export type Head = {
  /** The ref whose log is HEAD's: the worktree's own, or the branch where there is no worktree. */
  readonly log: RefName;
} & (
  | {
      readonly kind: "branch";
      readonly ref: RefName;
      /** Undefined before the branch's first commit. */
      readonly digest: Digest | undefined;
    }
  | { readonly kind: "detached"; readonly ref: undefined; readonly digest: Digest }
);

/** The ref that keeps the last commit a worktree had checked out: the reflog of its HEAD. */
export function worktreeRef(worktree: Pick<Worktree, "id">): RefName {
  return parseRefName(`refs/worktrees/${worktree.id}/HEAD`);
}

/** Where HEAD is; without a worktree the default branch. Throws STORE_CORRUPT for a file that is not ours. */
export async function readHead(repository: Repository): Promise<Head> {
  const { worktree } = repository;
  const target: HeadTarget =
    worktree === undefined
      ? { kind: "branch", ref: refName("refs/heads/", repository.defaultBranch) }
      : await readHeadFile(worktree.root);
  if (target.kind === "detached")
    return { ...target, ref: undefined, log: worktreeRef(requireWorktree(repository)) };
  const digest = await repository.store.refs.read(repository.name, target.ref);
  return { ...target, digest, log: worktree === undefined ? target.ref : worktreeRef(worktree) };
}

/** What the `.smc/HEAD` below a worktree's root says. */
export async function readHeadFile(root: string): Promise<HeadTarget> {
  const path = join(root, ".smc", "HEAD");
  const text = (await readSmall(path, HEAD_BYTES_MAX)).toString("utf8");
  const line = text.endsWith("\n") ? text.slice(0, -1) : text;
  if (isDigest(line)) return { kind: "detached", digest: line };
  if (line.startsWith("ref: refs/heads/") && !line.includes("\n")) {
    return { kind: "branch", ref: parseRefName(line.slice("ref: ".length)) };
  }
  throw new SmcError("STORE_CORRUPT", `'${show(path)}' names neither a branch nor a commit`, {
    hint: 'write "ref: refs/heads/main" into it',
  });
}

/** Bytes of a small file, not followed when it is a link. Throws LIMIT_EXCEEDED over `bytesMax`, PATH_NOT_FOUND … */
export async function readSmall(path: string, bytesMax: number): Promise<Buffer> {
  try {
    const handle = await open(
      path,
      constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
    );
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new SmcError("FILE_UNSUPPORTED", `'${show(path)}' is not a regular file`);
      if (stat.size > bytesMax) {
        throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' is larger than ${bytesMax} bytes`);
      }
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
}

/** Moves HEAD. Atomic and durable. */
export async function writeHead(worktree: Pick<Worktree, "root">, target: HeadTarget): Promise<void> {
  await replaceFile(join(worktree.root, ".smc", "HEAD"), formatHead(target));
}

export function formatHead(target: HeadTarget): string {
  return target.kind === "branch" ? `ref: ${target.ref}\n` : `${target.digest}\n`;
}

/** `main` for a branch, null for a detached HEAD. */
export function branchOf(head: HeadTarget): string | null {
  return head.kind === "branch" ? head.ref.slice("refs/heads/".length) : null;
}
