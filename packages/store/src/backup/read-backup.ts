/** A backup that somebody else may have written: nothing of it is believed. */
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { AppendFile, createFolder, syncFolder } from "../fs.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";
import { DigestCounter, openFile, readRange } from "./digests.ts";
import {
  type BackupFile,
  type BackupManifest,
  MANIFEST_BYTES_MAX,
  MANIFEST_NAME,
  parseManifest,
} from "./manifest.ts";
import { isTar, readAt, readTarEntries, type TarSource } from "./tar-read.ts";
import { besideOf, FILES_FOLDER } from "./write-backup.ts";

const HEAD_BYTES = 512;

interface State {
  readonly handle: FileHandle;
  readonly manifest: BackupManifest;
  readonly sizeBytes: number;
  /** Where the content of each file begins. */
  readonly places: readonly number[];
}

export class Backup implements AsyncDisposable {
  readonly path: string;
  readonly manifest: BackupManifest;
  /** Of the file that it is. */
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  readonly #places: readonly number[];

  private constructor(path: string, { handle, manifest, sizeBytes, places }: State) {
    this.path = path;
    this.manifest = manifest;
    this.sizeBytes = sizeBytes;
    this.#handle = handle;
    this.#places = places;
  }

  /**
   * Reads what it says of itself and, of a tar file, every header. Throws FILE_MALFORMED for what is no backup,
   * OBJECT_CORRUPT for a damaged or unsafe one, FORMAT_UNSUPPORTED, PATH_NOT_FOUND.
   */
  static async open(path: string, call: Call): Promise<Backup> {
    const handle = await openFile(path);
    try {
      const { size: sizeBytes } = await handle.stat();
      const source: TarSource = { handle, sizeBytes, damaged: (why) => damaged(path, why) };
      const first = await readAt(source, 0, Math.min(HEAD_BYTES, sizeBytes));
      const beside = await readBeside(path);
      if (beside !== undefined) {
        if (beside.files[0]?.sizeBytes !== sizeBytes || beside.files.length !== 1)
          throw damaged(path, `it has ${sizeBytes} bytes, not ${beside.files[0]?.sizeBytes ?? 0}`);
        return new Backup(path, { handle, manifest: beside, sizeBytes, places: [0] });
      }
      if (!isTar(first)) {
        if (path.endsWith(".tar")) throw damaged(path, "it does not begin as a tar file");
        throw noBackup(path);
      }
      return new Backup(path, { handle, sizeBytes, ...(await readTar(source, path, call)) });
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Compares every byte of every file. Throws OBJECT_CORRUPT. */
  async verify(call: Call): Promise<void> {
    const progress = this.#progress("verify", call);
    for (const index of this.manifest.files.keys()) {
      // Only reads.
      for await (const piece of this.#content(index, call)) progress(piece.length);
    }
  }

  /**
   * Writes one file, which must not be there, durably but for its name. Throws OBJECT_CORRUPT: then it is not whole.
   */
  async writeFile(index: number, target: Pick<AppendFile, "write">, call: Call): Promise<void> {
    let at = 0;
    for await (const piece of this.#content(index, call)) {
      await target.write(piece, at);
      at += piece.length;
    }
  }

  /** Writes all files below a new folder, durably but for its own name; the modes are those of a store or of others. */
  async writeFiles(folder: string, { isPrivate }: { isPrivate: boolean }, call: Call): Promise<void> {
    const progress = this.#progress("restore", call);
    const folderMode = isPrivate ? 0o700 : 0o777;
    const folders = new Set([folder]);
    await createFolder(folder, { mode: folderMode });
    for (const [index, { path, executable }] of this.manifest.files.entries()) {
      const target = join(folder, path);
      for (let parent = dirname(target); !folders.has(parent); parent = dirname(parent)) folders.add(parent);
      await createFolder(dirname(target), { mode: folderMode });
      await using file = await AppendFile.create(target, {
        mode: isPrivate ? 0o600 : executable ? 0o777 : 0o666,
      });
      let at = 0;
      for await (const piece of this.#content(index, call)) {
        await file.write(piece, at);
        at += piece.length;
        progress(piece.length);
      }
      await file.sync();
    }
    for (const path of folders) await syncFolder(path);
  }

  /** Ends with OBJECT_CORRUPT when its bytes are not those of the manifest. */
  async *#content(index: number, call: Call): AsyncIterable<Uint8Array> {
    const file = this.manifest.files[index];
    const from = this.#places[index];
    if (file === undefined || from === undefined) throw new SmcError("INTERNAL", `file ${index} of a backup`);
    const counter = new DigestCounter();
    const range = { path: this.path, from, sizeBytes: file.sizeBytes };
    yield* counter.count(readRange(this.#handle, range), call);
    this.#compare(file, counter);
  }

  #compare({ path, sizeBytes, sha256, md5 }: BackupFile, counter: DigestCounter): void {
    const found = counter.end();
    if (counter.sizeBytes !== sizeBytes)
      throw damaged(this.path, `'${show(path, 200)}' has ${counter.sizeBytes} bytes, not ${sizeBytes}`);
    if (found.sha256 !== sha256)
      throw damaged(this.path, `'${show(path, 200)}' gives SHA-256 ${found.sha256}, not ${sha256}`);
    if (found.md5 !== md5)
      throw damaged(this.path, `'${show(path, 200)}' gives MD5 ${found.md5}, not ${md5}`);
  }

  #progress(phase: string, call: Call): (bytes: number) => void {
    const total = this.manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let done = 0;
    return (bytes) => {
      done += bytes;
      call.onProgress({ phase, done, total, unit: "bytes" });
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** The manifest beside the copy of a file; undefined where there is none, or another file. */
async function readBeside(path: string): Promise<BackupManifest | undefined> {
  try {
    const manifest = parseManifest(await readSmall(besideOf(path), MANIFEST_BYTES_MAX));
    return manifest?.kind === "file" ? manifest : undefined;
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function readTar(
  source: TarSource,
  path: string,
  call: Call,
): Promise<{ manifest: BackupManifest; places: number[] }> {
  const [head, ...entries] = await readTarEntries(source, call);
  if (head?.name !== MANIFEST_NAME) throw damaged(path, `its first file is not ${MANIFEST_NAME}`);
  if (head.sizeBytes > MANIFEST_BYTES_MAX)
    throw damaged(path, `its manifest has more than ${MANIFEST_BYTES_MAX} bytes`);
  const manifest = parseManifest(await readAt(source, head.at, head.sizeBytes));
  if (manifest === undefined || manifest.kind === "file")
    throw damaged(path, "its manifest is none of a backup");
  const { files } = manifest;
  for (const [index, { name, sizeBytes }] of entries.entries()) {
    const file = files[index];
    if (file === undefined || name !== FILES_FOLDER + file.path || sizeBytes !== file.sizeBytes)
      throw damaged(path, `'${show(name, 200)}' is not what its manifest says`);
  }
  if (entries.length < files.length)
    throw damaged(path, `it holds ${entries.length} of ${files.length} files`);
  return { manifest, places: entries.map(({ at }) => at) };
}

function noBackup(path: string): SmcError {
  return new SmcError(
    "FILE_MALFORMED",
    `'${show(path)}' is no backup: it is no tar file, and '${show(basename(besideOf(path)))}' is not beside it`,
    { hint: 'list backups with "smc backups list"' },
  );
}

function damaged(path: string, why: string): SmcError {
  return new SmcError(
    "OBJECT_CORRUPT",
    `the backup '${show(path)}' is damaged: ${why}; nothing was restored`,
    {
      hint: 'take another copy of it; see "smc backups verify"',
    },
  );
}
