/**
 * Trees, commits, tags and chunklists: types and their canonical DAG-CBOR. Pure.
 * Every byte is described in docs/design/format.md.
 */
import { decodeCanonical, encodeCanonical, Shape } from "./cbor.ts";
import { type Digest, digestFromBytes, digestToBytes } from "./digest.ts";
import { SmcError } from "../errors.ts";

export {
  decodeTree,
  encodeTree,
  type EntryMode,
  type FileMode,
  TREE_ENTRIES_MAX,
  type TreeEntry,
} from "./tree.ts";

/** What the store keeps. A blob is a file's bytes; it is stored as chunks. */
export type ObjectKind = "blob" | "chunk" | "chunklist" | "tree" | "commit" | "tag";

export const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** A tree, commit, tag or chunklist is one record. */
export const OBJECT_BYTES_MAX = 256 * 1024 * 1024;
export const PARENTS_MAX = 64;
export const LINK_TARGET_BYTES_MAX = 4096;

export interface Identity {
  readonly name: string;
  readonly email: string;
}

/** A moment and the writer's offset from UTC. */
export interface Moment {
  readonly ms: number;
  readonly offsetMinutes: number;
}

export type MetaValue = string | number | boolean | null | readonly MetaValue[] | MetaMap;
export interface MetaMap {
  readonly [key: string]: MetaValue;
}

export interface CommitMeta extends MetaMap {
  readonly metrics?: Readonly<Record<string, number>>;
  readonly params?: Readonly<Record<string, string | number | boolean | null>>;
}

export interface Commit {
  readonly tree: Digest;
  readonly parents: readonly Digest[];
  readonly author: Identity;
  readonly authored: Moment;
  readonly committer: Identity;
  readonly committed: Moment;
  readonly message: string;
  /** `metrics`, `params` and any further keys: data, framework, lineage … */
  readonly meta: CommitMeta;
}

export interface Tag {
  readonly target: Digest;
  readonly targetKind: "commit" | "tree" | "blob" | "tag";
  readonly name: string;
  readonly tagger: Identity;
  readonly tagged: Moment;
  readonly message: string;
}

export interface Chunk {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** The chunks of one blob, in order. `plan` says which cutting rules made it. */
export interface Chunklist {
  readonly blob: Digest;
  readonly sizeBytes: number;
  readonly plan: number;
  readonly chunks: readonly Chunk[];
}

function invalid(message: string): SmcError {
  return new SmcError("OBJECT_INVALID", message);
}

function momentOut(moment: Moment): unknown {
  return [moment.ms, moment.offsetMinutes];
}

export function encodeCommit(commit: Commit): Uint8Array {
  const bytes = encodeCanonical({
    type: "commit",
    tree: digestToBytes(commit.tree),
    parents: commit.parents.map(digestToBytes),
    author: { ...commit.author },
    authored: momentOut(commit.authored),
    committer: { ...commit.committer },
    committed: momentOut(commit.committed),
    message: commit.message,
    meta: commit.meta,
  });
  decodeCommit(bytes);
  return bytes;
}

const COMMIT_FIELDS = ["tree", "parents", "author", "authored", "committer", "committed", "message", "meta"];

/** Throws OBJECT_INVALID unless the bytes are the one canonical encoding of a valid commit. */
export function decodeCommit(bytes: Uint8Array): Commit {
  const shape = new Shape(decodeCanonical(bytes, "commit"), "commit", COMMIT_FIELDS);
  const parents = shape.list("parents", PARENTS_MAX).map((_, index) => shape.digestAt("parents", index));
  if (new Set(parents).size !== parents.length) throw invalid("commit: a parent is named twice");
  return {
    tree: shape.digest("tree"),
    parents,
    author: shape.identity("author"),
    authored: shape.moment("authored"),
    committer: shape.identity("committer"),
    committed: shape.moment("committed"),
    message: shape.message("message"),
    meta: shape.meta("meta"),
  };
}

export function encodeTag(tag: Tag): Uint8Array {
  const bytes = encodeCanonical({
    type: "tag",
    target: digestToBytes(tag.target),
    targetKind: tag.targetKind,
    name: tag.name,
    tagger: { ...tag.tagger },
    tagged: momentOut(tag.tagged),
    message: tag.message,
  });
  decodeTag(bytes);
  return bytes;
}

/** Throws OBJECT_INVALID unless the bytes are the one canonical encoding of a valid tag. */
export function decodeTag(bytes: Uint8Array): Tag {
  const fields = ["target", "targetKind", "name", "tagger", "tagged", "message"];
  const shape = new Shape(decodeCanonical(bytes, "tag"), "tag", fields);
  const targetKind = shape.text("targetKind");
  if (targetKind !== "commit" && targetKind !== "tree" && targetKind !== "blob" && targetKind !== "tag") {
    throw invalid(`tag: a target of kind '${targetKind}'`);
  }
  return {
    target: shape.digest("target"),
    targetKind,
    name: shape.text("name"),
    tagger: shape.identity("tagger"),
    tagged: shape.moment("tagged"),
    message: shape.message("message"),
  };
}

const CHUNK_ROW_BYTES = 36;

export function encodeChunklist(list: Chunklist): Uint8Array {
  const rows = Buffer.alloc(list.chunks.length * CHUNK_ROW_BYTES);
  for (const [index, chunk] of list.chunks.entries()) {
    rows.set(digestToBytes(chunk.digest), index * CHUNK_ROW_BYTES);
    rows.writeUInt32LE(chunk.sizeBytes, index * CHUNK_ROW_BYTES + 32);
  }
  return encodeCanonical({
    type: "chunklist",
    blob: digestToBytes(list.blob),
    size: list.sizeBytes,
    plan: list.plan,
    chunks: new Uint8Array(rows),
  });
}

/** Throws OBJECT_INVALID unless the sizes of the chunks add up to the blob's. */
export function decodeChunklist(bytes: Uint8Array): Chunklist {
  const shape = new Shape(decodeCanonical(bytes, "chunklist"), "chunklist", [
    "blob",
    "size",
    "plan",
    "chunks",
  ]);
  const rows = shape.bytes("chunks");
  if (rows.length % CHUNK_ROW_BYTES !== 0) throw invalid("chunklist: broken rows");
  const view = Buffer.from(rows.buffer, rows.byteOffset, rows.length);
  const chunks: Chunk[] = [];
  let total = 0;
  for (let at = 0; at < rows.length; at += CHUNK_ROW_BYTES) {
    const sizeBytes = view.readUInt32LE(at + 32);
    if (sizeBytes === 0 || sizeBytes > CHUNK_BYTES_MAX)
      throw invalid(`chunklist: a chunk of ${sizeBytes} bytes`);
    total += sizeBytes;
    chunks.push({ digest: digestFromBytes(rows.subarray(at, at + 32)), sizeBytes });
  }
  const sizeBytes = shape.integer("size");
  if (total !== sizeBytes) throw invalid(`chunklist: chunks of ${total} bytes for a blob of ${sizeBytes}`);
  return { blob: shape.digest("blob"), sizeBytes, plan: shape.integer("plan"), chunks };
}
