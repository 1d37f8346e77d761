/**
 * Files that were uploaded: each is a branch `files/NAME` of a remote, whose commits hold that one file. Which there
 * are is known from the branches that were fetched or pushed; nobody is asked.
 */
import { posix } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { formatMoment } from "../history/dates.ts";
import { readCommit } from "../history/graph.ts";
import type { Digest } from "../objects/digest.ts";
import { parseRefName, refName, type RefName } from "../objects/names.ts";
import type { FileMode, MetaMap, MetaValue } from "../objects/objects.ts";
import { FILES_PREFIX } from "../refs/ref-find.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { readTree } from "../trees/tree-read.ts";
import { assertFileName } from "./file-name.ts";

const UPLOADS_MAX = 100_000;
const TRACKED = /^refs\/remotes\/([^/]+)\/files\/(.+)$/;

/** A file as one commit holds it. */
export interface UploadedFile {
  readonly name: string;
  readonly commit: Digest;
  readonly sizeBytes: number;
  /** What `sha256sum` prints. */
  readonly sha256: Digest;
  readonly md5: string | null;
  readonly mode: FileMode;
  /** ISO 8601. */
  readonly uploaded: string;
  /** Where it lay on the machine that uploaded it. */
  readonly originalPath: string | null;
  readonly description: string | null;
}

export interface KnownUpload extends UploadedFile {
  /** Name of the remote. */
  readonly remote: string;
}

/** The branch of an uploaded file, as it is called there. Throws PATH_INVALID. */
export function uploadRef(name: string): RefName {
  assertFileName(name);
  try {
    return refName(FILES_PREFIX, name);
  } catch (error) {
    if (!isSmcError(error, "REF_NAME_INVALID")) throw error;
    throw new SmcError(
      "PATH_INVALID",
      `'${show(name, 80)}' cannot be the name of an uploaded file: ${error.message}`,
      {
        hint: "give it another name there: smc upload FILE NAME",
        cause: error,
      },
    );
  }
}

/** What that branch is called here. */
export function trackedUpload(remoteName: string, ref: RefName): RefName {
  return parseRefName(`refs/remotes/${remoteName}/${ref.slice("refs/heads/".length)}`);
}

/** What a commit of `meta.file` says: what is not as it should be counts as absent. */
export function uploadMeta(file: Omit<UploadedFile, "commit" | "mode">): MetaMap {
  const { name, sizeBytes, sha256, md5, uploaded, originalPath, description } = file;
  return {
    file: {
      name,
      sizeBytes,
      sha256,
      ...(md5 === null ? {} : { md5 }),
      uploaded,
      ...(originalPath === null ? {} : { originalPath }),
      ...(description === null ? {} : { description }),
    },
  };
}

/**
 * The file that a commit of such a branch holds; undefined when it holds none of that name. Throws OBJECT_MISSING,
 * OBJECT_CORRUPT.
 */
export async function readUpload(
  store: Store,
  { commit, name }: { commit: Digest; name: string },
): Promise<UploadedFile | undefined> {
  const { tree, committed, meta } = await readCommit(store, commit);
  const entry = (await readTree(store.objects, tree)).find((row) => row.name === name);
  if (entry === undefined || (entry.mode !== "100644" && entry.mode !== "100755")) return undefined;
  const told = isMap(meta.file) ? meta.file : {};
  return {
    name,
    commit,
    sizeBytes: entry.sizeBytes,
    sha256: entry.digest,
    md5: textOf(told.md5),
    mode: entry.mode,
    uploaded: textOf(told.uploaded) ?? formatMoment(committed),
    originalPath: textOf(told.originalPath),
    description: textOf(told.description),
  };
}

/** The newest of each name, in the order of remotes and names. Throws LIMIT_EXCEEDED, OBJECT_CORRUPT. */
export async function listUploads({ store, name: own }: Repository, call: Call): Promise<KnownUpload[]> {
  const pace = createPacer(call);
  const uploads: KnownUpload[] = [];
  for (const { name: ref, digest: commit } of await store.refs.list(own, "refs/remotes/")) {
    const [, remote, name] = TRACKED.exec(ref) ?? [];
    await pace();
    if (remote === undefined || name === undefined) continue;
    if (uploads.length >= UPLOADS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `more than ${UPLOADS_MAX} files are uploaded`);
    const upload = await readUpload(store, { commit, name: posix.basename(name) });
    if (upload !== undefined) uploads.push({ ...upload, remote });
  }
  return uploads;
}

/** As `listUploads`; none where the user stands in no repository. */
export async function uploadsHere(
  { openRepository }: { readonly openRepository: () => Promise<Repository> },
  call: Call,
): Promise<KnownUpload[]> {
  try {
    return await listUploads(await openRepository(), call);
  } catch (error) {
    if (isSmcError(error, "WORKTREE_NOT_FOUND")) return [];
    throw error;
  }
}

function isMap(value: MetaValue | undefined): value is MetaMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: MetaValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}
