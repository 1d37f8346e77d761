/** `smc download`: an uploaded file, fetched from a remote and written as a plain file. */
import { dirname, isAbsolute, join, relative } from "node:path";
import { DigestCounter, type Digests } from "../backup/digests.ts";
import { digestOf } from "../backup/restore-backup.ts";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { SmcError } from "../errors.ts";
import { createFolder } from "../fs.ts";
import { suggest } from "../history/suggest.ts";
import { assertRecordFree, NO_ORIGIN, readRecord, writeRecord } from "../layout/file-record.ts";
import { FileWork } from "../layout/note-files.ts";
import { type FilesPlace, hideCopies, targetOf } from "../layout/folders.ts";
import { readUpload, trackedUpload, type UploadedFile, uploadRef } from "../layout/uploads.ts";
import { assertFree, writeNewFile } from "../new-file.ts";
import type { RefName } from "../objects/names.ts";
import { FILES_PREFIX } from "../refs/ref-find.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import type { Remote } from "../transfer/remote.ts";
import { exclusively } from "../worktree/worktree.ts";
import { fetchAs } from "./fetch.ts";

const FOLDER_MODE = 0o777;

export interface DownloadOptions {
  /** Of an uploaded file. */
  readonly name: string;
  /** A folder or a path; `downloads/` of the layout when left out. */
  readonly destination?: string;
  /** Replaces another file that is there. */
  readonly force?: boolean;
  readonly remote: Remote;
  /** Its name here. */
  readonly remoteName: string;
}

export interface DownloadResult extends UploadedFile, Digests {
  readonly sha256: UploadedFile["sha256"];
  readonly md5: string;
  readonly remote: string;
  readonly url: string;
  /** Absolute path of the file. */
  readonly path: string;
  /** False when the same bytes were there already. */
  readonly written: boolean;
  /** In the audit log; false when nothing changed, and when the store takes no writes. */
  readonly recorded: boolean;
}

/**
 * Every byte is compared with its SHA-256 before the file has its place. Throws REVISION_NOT_FOUND for a name that is
 * not there, WOULD_OVERWRITE, OBJECT_CORRUPT, REMOTE_UNREACHABLE, REMOTE_FAILED: then the destination is as it was.
 */
export async function download(
  place: FilesPlace,
  options: DownloadOptions,
  call: Call,
): Promise<DownloadResult> {
  const { name, destination, force = false, remote, remoteName } = options;
  const ref = uploadRef(name);
  const repository = await place.openRepository();
  const { file, isRecorded } = await take(repository, { ...options, ref }, call);
  const path =
    destination === undefined
      ? join(place.models, "downloads", name)
      : await targetOf(place, destination, name);
  return exclusively({ root: `download of ${path}` }, call, async () => {
    const written = (await digestOf(path, call)) !== file.sha256;
    const isDescribed = isBelow(place.models, path);
    if (written) await assertFree(path, force);
    if (isDescribed) await assertRecordFree(path);
    const what = `${show(name, 200)} from ${show(remoteName, 100)}`;
    await using work = await FileWork.begin(place, { op: "download", what });
    if (destination === undefined) work.hasChanged = (await hideCopies(place.models)) !== undefined;
    await createFolder(dirname(path), { mode: FOLDER_MODE });
    const md5 = written ? await write(repository.store, { path, file, force }, call) : file.md5;
    const told = { ...file, remote: remoteName, url: remote.url, path, written };
    const whole = { ...told, md5: md5 ?? (await md5Of(repository.store, file, call)) };
    if (isDescribed) await describe(path, whole);
    if (!written || isRecorded) return { ...whole, recorded: isRecorded };
    return { ...whole, recorded: await work.record() };
  });
}

/**
 * Fetched into the store; `isRecorded` when that moved a ref, which the audit log tells then. Throws
 * REVISION_NOT_FOUND.
 */
async function take(
  repository: OwnedRepository,
  { name, remote, remoteName, ref }: DownloadOptions & { readonly ref: RefName },
  call: Call,
): Promise<{ file: UploadedFile; isRecorded: boolean }> {
  const there = await remote.refs(call);
  if (!there.some((row) => row.name === ref)) {
    const names = there.flatMap((row) =>
      row.name.startsWith(FILES_PREFIX) ? [row.name.slice(FILES_PREFIX.length)] : [],
    );
    const near = suggest(name, names);
    throw new SmcError(
      "REVISION_NOT_FOUND",
      `'${show(remoteName, 80)}' has no file '${show(name, 80)}'; nothing was downloaded`,
      {
        hint:
          near.length === 0
            ? `see what it has with "smc ls-remote ${show(remoteName, 40)} 'files/*'"`
            : `did you mean ${near.map((text) => show(text)).join(", ")}?`,
        details: { candidates: near },
      },
    );
  }
  const { refs } = await fetchAs(repository, { remote, remoteName, refs: [ref], op: "download" }, call);
  const commit = await repository.store.refs.read(repository.name, trackedUpload(remoteName, ref));
  const file = commit === undefined ? undefined : await readUpload(repository.store, { commit, name });
  if (file !== undefined) return { file, isRecorded: refs.length > 0 };
  throw new SmcError(
    "REVISION_INVALID",
    `the branch 'files/${show(name, 80)}' of '${show(remoteName, 80)}' holds no file '${show(name, 80)}'; nothing was written`,
    { hint: "somebody pushed something else to it; files are put there by smc upload" },
  );
}

/** Gives the MD5 of what was written. Throws OBJECT_CORRUPT. */
async function write(
  { objects }: Store,
  { path, file, force }: { path: string; file: UploadedFile; force: boolean },
  call: Call,
): Promise<string> {
  const mode = file.mode === "100755" ? 0o777 : 0o666;
  return writeNewFile(path, { force, mode }, async (target) => {
    const counter = new DigestCounter();
    let at = 0;
    for await (const piece of counter.count(objects.readBlob(file.sha256, call), call)) {
      await target.write(piece, at);
      at += piece.length;
      call.onProgress({ phase: "write", done: at, total: file.sizeBytes, unit: "bytes" });
    }
    const { sha256, md5 } = counter.end();
    if (sha256 === file.sha256 && (file.md5 === null || file.md5 === md5)) return md5;
    throw new SmcError(
      "OBJECT_CORRUPT",
      `'${show(file.name, 80)}' has SHA-256 ${sha256} and MD5 ${md5}, not ${file.sha256} and ${file.md5}; nothing was written`,
    );
  });
}

/** For one that others uploaded without telling it. */
async function md5Of({ objects }: Store, { sha256 }: UploadedFile, call: Call): Promise<string> {
  const counter = new DigestCounter();
  const pieces = counter.count(objects.readBlob(sha256, call), call)[Symbol.asyncIterator]();
  let isDone = false;
  while (!isDone) isDone = (await pieces.next()).done === true;
  return counter.end().md5;
}

async function describe(path: string, file: Omit<DownloadResult, "recorded">): Promise<void> {
  const { remote, commit, originalPath, uploaded, description, sizeBytes, sha256, md5 } = file;
  const known = await readRecord(path);
  const downloaded = file.written ? null : known?.sha256 === sha256 ? known.downloaded : null;
  const origin = { ...NO_ORIGIN, remote, commit, originalPath, uploaded, description };
  await writeRecord(path, {
    ...origin,
    sizeBytes,
    sha256,
    md5,
    downloaded: downloaded ?? new Date(nowMs()).toISOString(),
    notes: known?.notes ?? [],
  });
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && !isAbsolute(way) && !/^\.\.(?:[/\\]|$)/.test(way);
}
