/** A store: everything below one `$SMC_HOME`. One process owns it at a time. */
import type { Call } from "./call.ts";
import type { ScrubState } from "./check/scrub.ts";
import type { Pins } from "./pins.ts";
import type { StoreUsage } from "./db/usage.ts";
import type { Digest } from "./objects/digest.ts";
import type { TensorTable } from "./formats/table.ts";
import type { ObjectKind } from "./objects/objects.ts";
import type { Pool } from "./pool/pool.ts";
import type { PiecedBlob } from "./pool/tasks.ts";
import type { Readers } from "./readers.ts";
import type { RefStore } from "./refs/refs.ts";

/** What tells whether a file changed without reading it. */
export interface FileStat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** st_mode, with the type bits. */
  readonly mode: number;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** A regular file, read once; `stat` was equal before and after reading. */
export interface ReadFile extends StoredBlob {
  readonly stat: FileStat;
}

/** A local file to be stored. */
export interface NewFile {
  readonly path: string;
  /** As far as it is known; decides how many threads are worth it. */
  readonly sizeBytes?: number;
  /**
   * Stored files that it may resemble, the likeliest first: an older version, its base, a sibling. At most four count.
   */
  readonly parents?: readonly { readonly digest: Digest; readonly fileName: string }[];
}

export interface ExportFile {
  readonly digest: Digest;
  /** Created with O_EXCL and without following a link; may be a `/proc/self/fd/<n>/<name>` path. */
  readonly path: string;
  readonly executable: boolean;
}

/** From the first byte to before the last; `to` beyond the end means the end. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export interface ObjectStore {
  /** The kind and size of an object, or undefined when the store does not have it. */
  stat(digest: Digest): Promise<{ kind: ObjectKind; sizeBytes: number } | undefined>;
  /** Bytes of a tree, commit or tag, verified. Throws OBJECT_NOT_FOUND, OBJECT_CORRUPT, OBJECT_INVALID (other kind). */
  read(digest: Digest, kind: "tree" | "commit" | "tag"): Promise<Uint8Array>;
  /**
   * Bytes of a blob, or of a range of it, in pieces of at most 4 MiB, each verified. Throws OBJECT_NOT_FOUND,
   * OBJECT_CORRUPT.
   */
  readBlob(digest: Digest, call: Call, range?: ByteRange): AsyncIterable<Uint8Array>;
  /** Keeps packs in their place while somebody reads what `blob` told. */
  readonly readers: Pick<Readers, "enter">;
  /** Size of a blob and where its chunks are. Throws OBJECT_NOT_FOUND, OBJECT_MISSING, OBJECT_CORRUPT. */
  blob(digest: Digest): Promise<PiecedBlob>;
  /**
   * Where the tensors of a stored file are, by its bytes and its name; undefined when its format is not known.
   * Throws OBJECT_NOT_FOUND, OBJECT_CORRUPT, FILE_MALFORMED.
   */
  tensors(digest: Digest, fileName: string, call: Call): Promise<TensorTable | undefined>;
  /** What the packs hold, codec by codec; reads the whole object index. */
  usage(call: Call): Promise<StoreUsage>;
  /** At most `limit` digests of blobs, trees, commits, tags (not bare chunks) that start with these hex digits. */
  findPrefix(hex: string, limit: number): Promise<{ digest: Digest; kind: ObjectKind }[]>;
  /** Writes verified blobs into new files with the worker pool; nothing is fsynced. Results in order. */
  exportFiles(files: readonly ExportFile[], call: Call): Promise<FileStat[]>;
  /** SHA-256 of local files with the worker pool; stores nothing. Throws FILE_CHANGED, FILE_UNSUPPORTED. */
  hashFiles(paths: readonly string[], call: Call): Promise<ReadFile[]>;
}

/** Everything that one command writes; nothing of it is visible before `finish`. */
export interface WriteSession extends AsyncDisposable {
  /** Stores local files with the worker pool. Results in order. Throws FILE_CHANGED, FILE_UNSUPPORTED, DISK_FULL … */
  addFiles(files: readonly NewFile[], call: Call): Promise<ReadFile[]>;
  /** Stores a small blob (≤ 4 MiB): the target of a symbolic link, a note. */
  putBlob(bytes: Uint8Array): Promise<StoredBlob>;
  putObject(kind: "tree" | "commit" | "tag", bytes: Uint8Array): Promise<Digest>;
  /** Returns when all of it would survive a power cut and is indexed. Without it, disposing forgets everything. */
  finish(): Promise<void>;
}

export interface Store extends AsyncDisposable {
  readonly path: string;
  /** 32 hex digits, made by init. */
  readonly id: string;
  readonly objects: ObjectStore;
  readonly refs: RefStore;
  /** For work that reads much or burns CPU. */
  readonly pool: Pick<Pool, "run" | "size">;
  /** For what a verb relies on although no ref names it: it stays while gc runs. */
  readonly pins: Pick<Pins, "add">;
  /** `op` names the verb; it is part of the temporary folder's name. */
  write(op: string): WriteSession;
  /** What reading packs again from time to time has found. Throws INDEX_CORRUPT. */
  scrubState(): Promise<ScrubState>;
  /** Undefined while the store takes writes, else why it does not. */
  readonly readOnlyReason: string | undefined;
}
