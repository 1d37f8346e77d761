/** What goes into a backup of a file, of a version, of the whole store. */
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Call } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import { resolveCommit } from "../history/revision.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";
import { flattenTree } from "../trees/tree-read.ts";
import { readStart } from "./digests.ts";
import type { BackupManifest } from "./manifest.ts";
import { type BackupPart, partOfFile } from "./write-backup.ts";

/** Files of a store besides packs and journal. Tokens and logins are left out: they open doors. */
const STORE_FILES = ["format.json", "config.json", "remotes.json"];
const LINK_BYTES_MAX = 16 * 1024;

export interface Contents {
  readonly parts: readonly BackupPart[];
  readonly source: BackupManifest["source"];
  readonly links: BackupManifest["links"];
}

/** Throws PATH_NOT_FOUND, FILE_UNSUPPORTED for what is no regular file. */
export async function contentsOfFile(path: string): Promise<Contents> {
  const { sizeBytes, executable } = await statFile(path);
  const part = partOfFile(path, { path: basename(path), sizeBytes, executable });
  return { parts: [part], source: { path }, links: [] };
}

async function statFile(path: string): Promise<{ sizeBytes: number; executable: boolean }> {
  try {
    const { size, mode } = await stat(path);
    return { sizeBytes: size, executable: (mode & 0o111) !== 0 };
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
}

/** All files of a version. Throws REVISION_NOT_FOUND, OBJECT_MISSING. */
export async function contentsOfRevision(
  repository: OwnedRepository,
  revision: string,
  call: Call,
): Promise<Contents> {
  const { store } = repository;
  const commit = await resolveCommit(repository, revision, call);
  const { tree, message, meta } = await readCommit(store, commit);
  const parts: BackupPart[] = [];
  const links: { path: string; target: string }[] = [];
  for (const [path, { mode, digest, sizeBytes }] of await flattenTree(store.objects, tree, call)) {
    if (mode === "120000") {
      if (sizeBytes > LINK_BYTES_MAX)
        throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' is a link to a long name`);
      links.push({ path, target: await readText(store.objects.readBlob(digest, call)) });
      continue;
    }
    const check = (sha256: string): void => {
      if (sha256 === digest) return;
      throw new SmcError(
        "OBJECT_CORRUPT",
        `the bytes of '${show(path)}' give ${sha256}, not ${digest}; nothing was written`,
      );
    };
    const read = (now: Call): AsyncIterable<Uint8Array> => store.objects.readBlob(digest, now);
    parts.push({ path, sizeBytes, executable: mode === "100755", read, check });
  }
  const source = { repository: repository.name, revision, commit, message, meta: { ...meta } };
  return { parts, source, links };
}

async function readText(content: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

/**
 * Everything of which the store can be made again, as it is at one moment: the journal first, then the packs, which are
 * there before the journal says so. The caller keeps packs from being taken away meanwhile.
 */
export async function contentsOfStore(store: OwnedStore): Promise<Contents> {
  const { files, position } = await store.journal.snapshot();
  const parts: BackupPart[] = [];
  for (const name of STORE_FILES) {
    const from = join(store.path, name);
    const found = await statOrUndefined(from);
    if (found !== undefined) parts.push(partOfFile(from, { path: name, ...found }));
  }
  for (const { path, sizeBytes } of files) {
    const part = { path: `journal/${basename(path)}`, sizeBytes, executable: false };
    parts.push({ ...part, read: () => readStart(path, sizeBytes) });
  }
  for (const { name, sizeBytes } of store.index.packs()) {
    const from = packPath(store.path, name);
    const path = `packs/${name.slice(0, 2)}/${name}.pack`;
    parts.push(partOfFile(from, { path, sizeBytes, executable: false }));
  }
  return { parts, source: { path: store.path, storeId: store.id, seq: position.seq }, links: [] };
}

async function statOrUndefined(
  path: string,
): Promise<{ sizeBytes: number; executable: boolean } | undefined> {
  try {
    return { ...(await statFile(path)), executable: false };
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return undefined;
    throw error;
  }
}
