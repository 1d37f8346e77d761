/**
 * Whether a bundle is whole: every block is what its digest says, and all that its refs need is in it or below `since`.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Call, createPacer, type Pacer } from "../call.ts";
import { isSmcError } from "../errors.ts";
import { DigestSet } from "../objects/digest-set.ts";
import { type Digest, digestFromBytes } from "../objects/digest.ts";
import { decodeChunklist, decodeCommit, decodeTag, decodeTree } from "../objects/objects.ts";
import type { RecordKind } from "../pack/format.ts";
import type { BlockPlace, BundleFile } from "./file.ts";
import { type Bundle, kindOfObject } from "./format.ts";

export interface BundleBlock extends BlockPlace {
  readonly kind: RecordKind;
  /** CRC-32 of its content. */
  readonly crc: number;
}

/** A bundle whose blocks are what their digests say. */
export interface ReadBundle {
  readonly file: BundleFile;
  readonly bundle: Bundle;
  /** Of CAR. */
  readonly version: 1 | 2;
  readonly blocks: ReadonlyMap<Digest, BundleBlock>;
  /** Of blobs of several chunks: their lists. */
  readonly lists: ReadonlyMap<Digest, Digest>;
}

export interface BundleCounts {
  readonly commits: number;
  readonly trees: number;
  readonly tags: number;
  readonly chunks: number;
  /** Of the content of all blocks. */
  readonly bytes: number;
}

/** Reads and hashes every block. Throws FILE_MALFORMED, OBJECT_CORRUPT, FORMAT_UNSUPPORTED. */
export async function readBundle(file: BundleFile, call: Call): Promise<ReadBundle> {
  const { bundle, digest: root, place, version } = await file.readRoot();
  const blocks = new Map<Digest, BundleBlock>();
  const lists = new Map<Digest, Digest>();
  for await (const { digest, isRaw, at, sizeBytes, bytes } of file.blocks(place.at + place.sizeBytes, call)) {
    if (blocks.has(digest) || digest === root) throw file.damaged(`it holds block ${digest} twice`);
    if (blocks.size >= bundle.records)
      throw file.damaged(`it holds more than the ${bundle.records} records that it should`);
    const kind = isRaw ? "chunk" : kindOfObject(bytes);
    if (kind === undefined) throw file.damaged(`block ${digest} is no object of smc`);
    blocks.set(digest, { kind, at, sizeBytes, crc: crc32(bytes) });
    if (kind !== "chunklist") continue;
    const { blob } = decoded(file, digest, () => decodeChunklist(bytes));
    if (lists.has(blob)) throw file.damaged(`it says twice what blob ${blob} is made of`);
    lists.set(blob, digest);
  }
  if (blocks.size < bundle.records)
    throw file.damaged(`it ends after ${blocks.size} of ${bundle.records} records`);
  await file.checkIndex({ root, place, blocks }, call);
  return { file, bundle, version, blocks, lists };
}

/**
 * Follows the refs to everything that they need. What is not in the bundle is below `since`, and nobody can say here
 * whether the receiver has it. Tells how many files, different ones, are in it. Throws OBJECT_CORRUPT.
 */
export async function checkClosure(read: ReadBundle, call: Call): Promise<{ files: number }> {
  const closure = new Closure(read, call);
  await closure.visit();
  return { files: closure.files };
}

type Wanted = "commit" | "tree" | "outline" | "tag" | "blob" | "unknown";

class Closure {
  files = 0;
  readonly #read: ReadBundle;
  readonly #pace: Pacer;
  readonly #pruned: ReadonlySet<Digest>;
  readonly #seen = new DigestSet();
  readonly #outlines = new DigestSet();
  /** Blocks that something needs. */
  readonly #needed = new DigestSet();
  readonly #stack: { digest: Digest; wanted: Wanted }[] = [];

  constructor(read: ReadBundle, call: Call) {
    this.#read = read;
    this.#pace = createPacer(call);
    this.#pruned = new Set(read.bundle.pruned);
  }

  async visit(): Promise<void> {
    const { file, bundle, blocks } = this.#read;
    for (const { digest } of bundle.refs) this.#push(digest, "unknown");
    for (let next = this.#stack.pop(); next !== undefined; next = this.#stack.pop()) {
      await this.#step(next.digest, next.wanted);
      await this.#pace();
    }
    // Below what the receiver has there may be more that it does not have: files of a pruned version.
    if (bundle.since.length === 0 && this.#needed.size < blocks.size)
      throw file.damaged(`it holds ${blocks.size - this.#needed.size} blocks that no ref needs`);
  }

  #push(digest: Digest, wanted: Wanted): void {
    const isNew =
      wanted === "outline" ? !this.#seen.has(digest) && this.#outlines.add(digest) : this.#seen.add(digest);
    if (isNew) this.#stack.push({ digest, wanted });
  }

  async #step(digest: Digest, wanted: Wanted): Promise<void> {
    const { file, blocks, lists } = this.#read;
    const block = blocks.get(digest);
    const list = lists.get(digest);
    if (list !== undefined && (wanted === "blob" || wanted === "unknown")) return this.#list(list);
    if (block === undefined) return this.#below(digest, wanted);
    if (!fits(wanted, block.kind))
      throw file.damaged(`object ${digest} is a ${block.kind} where a ${wanted} must be`);
    this.#needed.add(digest);
    if (block.kind === "chunk") {
      this.files += 1;
      return;
    }
    const bytes = await file.read(block, digest);
    decoded(file, digest, () => this.#follow(digest, wanted, bytes));
  }

  #follow(digest: Digest, wanted: Wanted, bytes: Uint8Array): void {
    const kind = kindOfObject(bytes);
    if (kind === "tag") {
      const { target, targetKind } = decodeTag(bytes);
      this.#push(target, targetKind);
    } else if (kind === "commit") {
      const { tree, parents } = decodeCommit(bytes);
      for (const parent of parents) this.#push(parent, "commit");
      this.#push(tree, this.#pruned.has(digest) ? "outline" : "tree");
    } else {
      for (const entry of decodeTree(bytes)) {
        if (entry.mode === "040000") this.#push(entry.digest, wanted === "outline" ? "outline" : "tree");
        else if (wanted !== "outline") this.#push(entry.digest, "blob");
      }
    }
  }

  async #list(list: Digest): Promise<void> {
    const { file, blocks } = this.#read;
    const block = blocks.get(list);
    if (block === undefined) return;
    this.#needed.add(list);
    this.files += 1;
    const { chunks } = decodeChunklist(await file.read(block, list));
    for (const { digest, sizeBytes } of chunks) {
      const chunk = blocks.get(digest);
      if (chunk === undefined) this.#below(digest, "chunk");
      else if (chunk.kind !== "chunk" || chunk.sizeBytes !== sizeBytes)
        throw file.damaged(`list ${list} names ${digest}, which is no chunk of ${sizeBytes} bytes`);
      else this.#needed.add(digest);
      await this.#pace();
    }
  }

  /** It must be what the receiver has. */
  #below(digest: Digest, what: string): void {
    const { file, bundle } = this.#read;
    if (bundle.since.length > 0) return;
    throw file.damaged(`it lacks ${what === "unknown" ? "object" : what} ${digest}`);
  }
}

function fits(wanted: Wanted, kind: RecordKind): boolean {
  if (wanted === "outline") return kind === "tree";
  if (wanted === "blob") return kind === "chunk";
  return wanted === "unknown" ? kind !== "chunklist" : wanted === kind;
}

/** What a decoder refuses is damage of the file. */
function decoded<T>(file: BundleFile, digest: Digest, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!isSmcError(error, "OBJECT_INVALID")) throw error;
    throw file.damaged(`block ${digest}: ${error.message}`);
  }
}

/**
 * Computes the SHA-256 of every blob of several chunks anew, from its chunks. Returns how many could not
 * be because a chunk of theirs is below `since`. Throws OBJECT_CORRUPT.
 */
export async function checkBlobs(
  { file, blocks, lists }: ReadBundle,
  call: Call,
): Promise<{ partialFiles: number }> {
  const pace = createPacer(call);
  let partialFiles = 0;
  let done = 0;
  for (const [blob, list] of lists) {
    const place = blocks.get(list);
    if (place === undefined) continue;
    const { chunks } = decodeChunklist(await file.read(place, list));
    if (!chunks.every(({ digest }) => blocks.has(digest))) {
      partialFiles += 1;
      continue;
    }
    const hash = createHash("sha256");
    for (const { digest } of chunks) {
      const chunk = blocks.get(digest);
      if (chunk !== undefined) hash.update(await file.read(chunk, digest));
      await pace();
    }
    const found = digestFromBytes(hash.digest());
    if (found !== blob) throw file.damaged(`the chunks of blob ${blob} give ${found}`);
    done += 1;
    call.onProgress({ phase: "verify", done, total: lists.size, unit: "files" });
  }
  return { partialFiles };
}

export function countBlocks({ blocks }: ReadBundle): BundleCounts {
  const counts = { chunk: 0, chunklist: 0, tree: 0, commit: 0, tag: 0 };
  let bytes = 0;
  for (const { kind, sizeBytes } of blocks.values()) {
    counts[kind] += 1;
    bytes += sizeBytes;
  }
  return { commits: counts.commit, trees: counts.tree, tags: counts.tag, chunks: counts.chunk, bytes };
}
