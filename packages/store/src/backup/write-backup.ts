/** Writes backups: the copy of a file with a manifest beside it, or a tar file with the manifest as its first entry. */
import { join } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { type AppendFile, createFolder, removeFile } from "../fs.ts";
import { kindAt } from "../layout/folders.ts";
import { writeNewFile } from "../new-file.ts";
import { show } from "../show.ts";
import { DigestCounter, readSteady } from "./digests.ts";
import { type BackupFile, type BackupManifest, encodeManifest, MANIFEST_NAME } from "./manifest.ts";
import { TarWriter } from "./tar-write.ts";

export const FILES_FOLDER = "files/";
/** The content of the first entry stands behind its header. */
const MANIFEST_AT = 512;
const FOLDER_MODE = 0o777;
const NO_DIGESTS = { sha256: "0".repeat(64), md5: "0".repeat(32) };

/** A file of a backup before it is read. */
export interface BackupPart {
  readonly path: string;
  readonly sizeBytes: number;
  readonly executable: boolean;
  /** The bytes, each time anew. */
  readonly read: (call: Call) => AsyncIterable<Uint8Array>;
  /** Throws when these are not the bytes that they must be. */
  readonly check?: (sha256: string) => void;
}

export interface NewBackup {
  /** Without the digests of its files. */
  readonly manifest: Omit<BackupManifest, "files">;
  readonly parts: readonly BackupPart[];
}

export interface WrittenBackup {
  readonly path: string;
  readonly sizeBytes: number;
  readonly files: readonly BackupFile[];
}

/** Path of the manifest of a file's copy. */
export function besideOf(path: string): string {
  return `${path}.json`;
}

/** Durable when it returns; when it fails nothing is left. Throws WOULD_OVERWRITE, DISK_FULL, FILE_CHANGED … */
export async function writeFileBackup(
  folder: string,
  { manifest, parts }: NewBackup,
  call: Call,
): Promise<WrittenBackup> {
  const [part] = parts;
  if (part === undefined || parts.length > 1) throw new SmcError("INTERNAL", "a copy of no file");
  await createFolder(folder, { mode: FOLDER_MODE });
  const path = join(folder, manifest.name);
  let hasManifest = false;
  const fill = async (target: AppendFile): Promise<BackupFile> => {
    const counter = new DigestCounter();
    let at = 0;
    for await (const piece of counter.count(part.read(call), call)) {
      await target.write(piece, at);
      at += piece.length;
    }
    const file = { ...fieldsOf(part), sizeBytes: counter.sizeBytes, ...counter.end() };
    // Before the copy has its name: a copy without it could not be restored.
    const text = encodeManifest({ ...manifest, files: [file] });
    await writeNewFile(besideOf(path), { force: true }, (beside) => beside.write(text, 0));
    hasManifest = true;
    return file;
  };
  let file: BackupFile;
  try {
    file = await writeNewFile(path, { force: false, mode: modeOf(part) }, fill);
  } catch (error) {
    // What failed first is what is told.
    const isAlone = hasManifest && (await kindAt(path)) === undefined;
    if (isAlone) await removeFile(besideOf(path)).catch(() => undefined);
    throw error;
  }
  return { path, sizeBytes: file.sizeBytes, files: [file] };
}

/** As `writeFileBackup`, for a tar file. */
export async function writeTarBackup(
  folder: string,
  { manifest, parts }: NewBackup,
  call: Call,
): Promise<WrittenBackup> {
  await createFolder(folder, { mode: FOLDER_MODE });
  const path = join(folder, manifest.name);
  const changedMs = Date.parse(manifest.created);
  const blank = parts.map((part) => ({ ...fieldsOf(part), ...NO_DIGESTS }));
  const room = encodeManifest({ ...manifest, files: blank });
  return writeNewFile(path, { force: false }, async (target) => {
    const tar = new TarWriter(target);
    try {
      const head = { name: MANIFEST_NAME, sizeBytes: room.length, executable: false, changedMs };
      await tar.add(head, once(room));
      const files: BackupFile[] = [];
      const progress = progressOf(parts, call);
      for (const part of parts) {
        const { sizeBytes, executable } = part;
        const counter = new DigestCounter();
        const name = FILES_FOLDER + part.path;
        const content = progress(exactly(part, counter.count(part.read(quiet(call)), call)));
        await tar.add({ name, sizeBytes, executable, changedMs }, content);
        const digests = counter.end();
        part.check?.(digests.sha256);
        files.push({ ...fieldsOf(part), ...digests });
      }
      const { sizeBytes } = await tar.finish();
      // The digests are known only now; they take the room that was left for them.
      await target.write(encodeManifest({ ...manifest, files }), MANIFEST_AT);
      return { path, sizeBytes, files };
    } catch (error) {
      tar.abandon();
      throw error;
    }
  });
}

/** A file on the disk, read whole. */
export function partOfFile(
  from: string,
  { path, sizeBytes, executable }: Pick<BackupPart, "path" | "sizeBytes" | "executable">,
): BackupPart {
  return { path, sizeBytes, executable, read: (call) => readSteady(from, call) };
}

function fieldsOf({ path, sizeBytes, executable }: BackupPart): Omit<BackupFile, "sha256" | "md5"> {
  return { path, sizeBytes, executable };
}

function modeOf({ executable }: BackupPart): number {
  return executable ? 0o777 : 0o666;
}

function quiet({ signal }: Call): Call {
  return { signal, onProgress: () => undefined };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** An entry of a tar file has the size that its header says. Throws FILE_CHANGED. */
async function* exactly(
  { path, sizeBytes }: BackupPart,
  content: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  let done = 0;
  for await (const piece of content) {
    done += piece.length;
    if (done > sizeBytes) break;
    yield piece;
  }
  if (done !== sizeBytes)
    throw new SmcError("FILE_CHANGED", `'${show(path)}' changed while it was read; nothing was written`);
}

function progressOf(
  parts: readonly BackupPart[],
  call: Call,
): (content: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array> {
  const total = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let done = 0;
  return async function* told(content) {
    for await (const piece of content) {
      yield piece;
      done += piece.length;
      call.onProgress({ phase: "backup", done, total, unit: "bytes" });
    }
  };
}
