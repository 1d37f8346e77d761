/** Files that DVC keeps in its cache, added to those of a commit of git. */
import { isAbsolute, join, posix, resolve } from "node:path";
import { digestsOf } from "../backup/digests.ts";
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";
import { kindOf, lstatOne } from "../worktree/stat.ts";
import {
  cachePaths,
  type DvcOutput,
  type DvcOutputs,
  parseCacheFolder,
  parseDvcFile,
  parseDvcLock,
  parseManifest,
} from "./dvc-outputs.ts";
import type { ForeignBytes, ForeignFile, LeftOut } from "./foreign.ts";
import type { GitFile } from "./git-history.ts";
import type { GitSource } from "./git-source.ts";

const DVC_FILE_BYTES_MAX = 64 * 1024;
const LOCK_BYTES_MAX = 1024 * 1024;
const CONFIG_BYTES_MAX = 64 * 1024;
const MANIFEST_BYTES_MAX = 256 * 1024 * 1024;
const CACHED_MAX = 10_000;
const FOUND_MAX = 1_000_000;
const LEFT_OUT_MAX = 1000;

export class DvcCache {
  readonly #git: GitSource;
  readonly #parsed = new Map<string, DvcOutputs>();
  readonly #manifests = new Map<string, readonly { path: string; md5: string }[]>();
  readonly #left = new Map<string, LeftOut>();
  readonly #found = new Map<string, { bytes: ForeignBytes; sizeBytes: number }>();
  #folder: string | undefined;

  constructor(git: GitSource) {
    this.#git = git;
  }

  get leftOut(): readonly LeftOut[] {
    return [...this.#left.values()];
  }

  /**
   * The files without `.dvc` files and settings of DVC, and with what these name. A path that git has stays git's.
   * Throws FILE_MALFORMED, OBJECT_CORRUPT for a damaged list of a folder.
   */
  async resolve(files: readonly GitFile[], call: Call): Promise<ForeignFile[]> {
    const found = new Map<string, ForeignFile>();
    const byPath = new Map(files.map((file) => [file.path, file]));
    for (const file of files) if (!isOfDvc(file.path)) found.set(file.path, file);
    for (const file of files) {
      const parsed = await this.#outputsOf(file, byPath, call);
      for (const row of parsed?.leftOut ?? [])
        if (this.#left.size < LEFT_OUT_MAX) this.#left.set(row.what, row);
      for (const output of parsed?.outputs ?? [])
        for (const each of await this.#filesOf(output, call))
          if (!found.has(each.path)) found.set(each.path, each);
    }
    return [...found.values()];
  }

  async #outputsOf(
    file: GitFile,
    byPath: ReadonlyMap<string, GitFile>,
    call: Call,
  ): Promise<DvcOutputs | undefined> {
    const { path, id } = file;
    const isLock = posix.basename(path) === "dvc.lock";
    if (!isLock && (!path.endsWith(".dvc") || path.startsWith(".dvc/"))) return undefined;
    const pipeline = isLock ? byPath.get(path.replace(/lock$/, "yaml")) : undefined;
    const key = `${path}\0${id}\0${pipeline?.id ?? ""}`;
    const known = this.#parsed.get(key);
    if (known !== undefined) return known;
    const text = async (one: GitFile, max: number): Promise<string> =>
      (await this.#git.read(one.id, max, call)).toString("utf8");
    const parsed = isLock
      ? parseDvcLock(
          path,
          await text(file, LOCK_BYTES_MAX),
          pipeline === undefined ? undefined : await text(pipeline, LOCK_BYTES_MAX),
        )
      : parseDvcFile(path, await text(file, DVC_FILE_BYTES_MAX));
    if (this.#parsed.size >= CACHED_MAX) this.#parsed.clear();
    this.#parsed.set(key, parsed);
    return parsed;
  }

  async #filesOf(output: DvcOutput, call: Call): Promise<ForeignFile[]> {
    const mode = output.isExecutable ? "100755" : "100644";
    const key = `md5:${output.md5}`;
    const normal = output.path.normalize("NFC");
    if (!output.isFolder) {
      const { bytes, sizeBytes } = await this.#find(output);
      return [{ path: normal, mode, key, sizeBytes, bytes }];
    }
    const rows = await this.#manifest(output, call);
    if (rows === undefined) {
      const bytes: ForeignBytes = { kind: "missing", wanted: `DVC object ${output.md5}` };
      return [{ path: normal, mode, key, sizeBytes: 0, bytes }];
    }
    const files: ForeignFile[] = [];
    for (const { path, md5 } of rows) {
      const { bytes, sizeBytes } = await this.#find({ md5, isLegacy: output.isLegacy });
      const whole = posix.join(output.path, path);
      if (!whole.startsWith(`${output.path}/`) && output.path !== ".")
        throw new SmcError("FILE_MALFORMED", `the list ${output.md5} of DVC names '${show(path, 200)}'`);
      files.push({ path: whole.normalize("NFC"), mode, key: `md5:${md5}`, sizeBytes, bytes });
    }
    return files;
  }

  async #find(
    object: Pick<DvcOutput, "md5" | "isLegacy">,
  ): Promise<{ bytes: ForeignBytes; sizeBytes: number }> {
    const known = this.#found.get(object.md5);
    if (known !== undefined) return known;
    for (const path of cachePaths(object)) {
      const whole = join(await this.#cacheFolder(), path);
      const found = await lstatOne(whole);
      if (found === undefined || kindOf(found) !== "file") continue;
      const expected = { md5: object.md5, isLegacyText: object.isLegacy };
      const here = { bytes: { kind: "disk", path: whole, expected } as const, sizeBytes: found.sizeBytes };
      if (this.#found.size >= FOUND_MAX) this.#found.clear();
      this.#found.set(object.md5, here);
      return here;
    }
    return { bytes: { kind: "missing", wanted: `DVC object ${object.md5}` }, sizeBytes: 0 };
  }

  async #manifest(
    output: DvcOutput,
    call: Call,
  ): Promise<readonly { path: string; md5: string }[] | undefined> {
    const known = this.#manifests.get(output.md5);
    if (known !== undefined) return known;
    const { bytes } = await this.#find(output);
    if (bytes.kind !== "disk") return undefined;
    const { md5: found } = await digestsOf(bytes.path, call);
    if (`${found}.dir` !== output.md5)
      throw new SmcError(
        "OBJECT_CORRUPT",
        `'${show(bytes.path)}' has MD5 ${found}, not ${output.md5}; nothing was imported`,
      );
    const rows = parseManifest(
      bytes.path,
      (await readSmall(bytes.path, MANIFEST_BYTES_MAX)).toString("utf8"),
    );
    if (this.#manifests.size >= CACHED_MAX) this.#manifests.clear();
    this.#manifests.set(output.md5, rows);
    return rows;
  }

  /** `cache.dir` as seen from `.dvc/`, else `.dvc/cache`. */
  async #cacheFolder(): Promise<string> {
    if (this.#folder !== undefined) return this.#folder;
    const { root } = this.#git;
    if (root === undefined)
      throw new SmcError("ARGUMENT_INVALID", "a bare repository has no cache of DVC; nothing was imported");
    const own = join(root, ".dvc");
    let folder = "cache";
    for (const name of ["config", "config.local"])
      folder = parseCacheFolder(await readText(join(own, name))) ?? folder;
    this.#folder = isAbsolute(folder) ? folder : resolve(own, folder);
    return this.#folder;
  }
}

function isOfDvc(path: string): boolean {
  return path.startsWith(".dvc/") || path.endsWith(".dvc") || posix.basename(path) === ".dvcignore";
}

async function readText(path: string): Promise<string> {
  try {
    return (await readSmall(path, CONFIG_BYTES_MAX)).toString("utf8");
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return "";
    throw error;
  }
}
