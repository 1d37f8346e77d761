/** The first-parent history of a repository of git, with what Git LFS or DVC keep outside of it. */
import { join, resolve } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { FileMode } from "../objects/objects.ts";
import { show } from "../show.ts";
import { kindOf, lstatOne } from "../worktree/stat.ts";
import { DvcCache } from "./dvc-cache.ts";
import {
  FILES_MAX,
  type ForeignBytes,
  type ForeignFile,
  type ForeignHistory,
  type ForeignTag,
  type ForeignVersion,
  type LeftOut,
  VERSIONS_MAX,
} from "./foreign.ts";
import type { GitSource } from "./git-source.ts";
import { type GitEntry, parseGitCommit, parseGitTag, parseGitTree } from "./git-text.ts";
import { type LfsPointer, parsePointer, POINTER_BYTES_MAX } from "./lfs-pointer.ts";

const OBJECT_BYTES_MAX = 64 * 1024 * 1024;
const TREES_CACHED_MAX = 4096;
const BLOBS_KNOWN_MAX = 5_000_000;
const TAG_DEPTH_MAX = 10;
const LEFT_OUT_MAX = 1000;

/** A file of git, before what DVC keeps is added. */
export interface GitFile extends ForeignFile {
  /** Its blob. */
  readonly id: string;
}

interface KnownBlob {
  readonly sizeBytes: number;
  readonly pointer: LfsPointer | undefined;
}

export interface GitHistoryOptions {
  readonly kind: "git-lfs" | "dvc";
  readonly revision: string;
}

/** Throws REVISION_NOT_FOUND, OBJECT_CORRUPT, FILE_MALFORMED, PATH_INVALID, LIMIT_EXCEEDED, while it is read. */
export function gitHistory(git: GitSource, { kind, revision }: GitHistoryOptions): ForeignHistory {
  const reader = new GitReader(git);
  const dvc = kind === "dvc" ? new DvcCache(git) : undefined;
  return {
    kind,
    isLine: true,
    versions: (call) => reader.versions(revision, call),
    files: async (version, call) => {
      const files = await reader.files(version.id, call);
      return dvc === undefined ? files : dvc.resolve(files, call);
    },
    leftOut: () => [...reader.leftOut, ...(dvc?.leftOut ?? [])],
  };
}

class GitReader {
  readonly #git: GitSource;
  readonly #roots = new Map<string, string>();
  readonly #trees = new Map<string, readonly GitEntry[]>();
  readonly #blobs = new Map<string, KnownBlob>();
  readonly #left = new Map<string, LeftOut>();
  #lfsFolder: string | undefined;

  constructor(git: GitSource) {
    this.#git = git;
  }

  get leftOut(): readonly LeftOut[] {
    return [...this.#left.values()];
  }

  async versions(revision: string, call: Call): Promise<ForeignVersion[]> {
    const git = this.#git;
    const pace = createPacer(call);
    const ids = await git.commits(revision, call);
    if (ids.length > VERSIONS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `more than ${VERSIONS_MAX} commits; nothing was imported`);
    if (git.isShallow)
      this.#leave("older commits", 'the clone is shallow: "git fetch --unshallow" brings them');
    const tags = await this.#tags(call);
    const versions: ForeignVersion[] = [];
    for (const id of ids) {
      const { tree, ...commit } = parseGitCommit(await git.read(id, OBJECT_BYTES_MAX, call));
      this.#roots.set(id, tree);
      versions.push({ id, ...commit, tags: tags.get(id) ?? [], meta: {}, isUpon: false });
      await pace();
    }
    return versions;
  }

  async #tags(call: Call): Promise<Map<string, ForeignTag[]>> {
    const tags = new Map<string, ForeignTag[]>();
    for (const { name, id } of await this.#git.tags(call)) {
      const { commit, note } = await this.#peel(id, call);
      if (commit === undefined) continue;
      tags.set(commit, [...(tags.get(commit) ?? []), { name, note }]);
    }
    return tags;
  }

  async #peel(id: string, call: Call): Promise<{ commit: string | undefined; note: ForeignTag["note"] }> {
    let at = id;
    let note: ForeignTag["note"];
    for (let depth = 0; depth < TAG_DEPTH_MAX; depth += 1) {
      const { kind } = await this.#git.stat(at, call);
      if (kind === "commit") return { commit: at, note };
      if (kind !== "tag") break;
      const { object, ...said } = parseGitTag(await this.#git.read(at, OBJECT_BYTES_MAX, call));
      note ??= said;
      at = object;
    }
    return { commit: undefined, note };
  }

  async files(commit: string, call: Call): Promise<GitFile[]> {
    const root = this.#roots.get(commit);
    if (root === undefined) throw new SmcError("INTERNAL", "a commit that was not listed");
    const pace = createPacer(call);
    const files: GitFile[] = [];
    const waiting = [{ prefix: "", id: root }];
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      for (const { name, mode, id } of await this.#tree(folder.id, call)) {
        const path = folder.prefix + name;
        if (mode === "40000") waiting.push({ prefix: `${path}/`, id });
        else if (mode === "160000") this.#leave(path, "it is a submodule: import that repository by itself");
        else files.push(await this.#file({ path, mode: modeOf(mode), id }, call));
        await pace();
      }
      if (files.length > FILES_MAX)
        throw new SmcError(
          "LIMIT_EXCEEDED",
          `${show(commit, 80)} has more than ${FILES_MAX} files; nothing was imported`,
        );
    }
    return files;
  }

  async #tree(id: string, call: Call): Promise<readonly GitEntry[]> {
    const known = this.#trees.get(id);
    if (known !== undefined) return known;
    const entries = parseGitTree(await this.#git.read(id, OBJECT_BYTES_MAX, call), this.#git.idBytes);
    if (this.#trees.size >= TREES_CACHED_MAX) this.#trees.clear();
    this.#trees.set(id, entries);
    return entries;
  }

  async #file(
    { path, mode, id }: { path: string; mode: FileMode; id: string },
    call: Call,
  ): Promise<GitFile> {
    const { sizeBytes, pointer } = await this.#blob(id, call);
    if (pointer === undefined || mode === "120000") {
      const read = (now: Call): AsyncIterable<Uint8Array> => this.#git.stream(id, now);
      return { path, mode, id, key: `git:${id}`, sizeBytes, bytes: { kind: "stream", read } };
    }
    const bytes = await this.#lfsObject(pointer, call);
    return { path, mode, id, key: `sha256:${pointer.sha256}`, sizeBytes: pointer.sizeBytes, bytes };
  }

  async #blob(id: string, call: Call): Promise<KnownBlob> {
    const known = this.#blobs.get(id);
    if (known !== undefined) return known;
    const { sizeBytes } = await this.#git.stat(id, call);
    const isSmall = sizeBytes <= POINTER_BYTES_MAX;
    const pointer = isSmall ? parsePointer(await this.#git.read(id, POINTER_BYTES_MAX, call)) : undefined;
    if (this.#blobs.size >= BLOBS_KNOWN_MAX)
      throw new SmcError(
        "LIMIT_EXCEEDED",
        `more than ${BLOBS_KNOWN_MAX} different files; nothing was imported`,
      );
    const blob = { sizeBytes, pointer };
    this.#blobs.set(id, blob);
    return blob;
  }

  async #lfsObject({ sha256, sizeBytes, hasExtensions }: LfsPointer, call: Call): Promise<ForeignBytes> {
    const wanted = `LFS object ${sha256}`;
    if (hasExtensions) return { kind: "missing", wanted: `${wanted}, which an LFS extension has changed` };
    this.#lfsFolder ??= await this.#findLfs(call);
    const path = join(this.#lfsFolder, "objects", sha256.slice(0, 2), sha256.slice(2, 4), sha256);
    const found = await lstatOne(path);
    const isWhole = found !== undefined && kindOf(found) === "file" && found.sizeBytes === sizeBytes;
    return isWhole ? { kind: "disk", path, expected: { sha256 } } : { kind: "missing", wanted };
  }

  /** `lfs.storage`, as seen from `.git`. */
  async #findLfs(call: Call): Promise<string> {
    return resolve(this.#git.folder, (await this.#git.config("lfs.storage", call)) ?? "lfs");
  }

  #leave(what: string, why: string): void {
    if (this.#left.size < LEFT_OUT_MAX) this.#left.set(what, { what, why });
  }
}

function modeOf(mode: string): FileMode {
  if (mode === "120000") return mode;
  return (Number.parseInt(mode, 8) & 0o100) === 0 ? "100644" : "100755";
}
