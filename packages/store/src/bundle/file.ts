/** A bundle as a file that somebody else may have written: nothing of it is believed, and little of it is in memory. */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { breathe, type Call, createPacer } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { type Digest, digestFromBytes } from "../objects/digest.ts";
import { show } from "../show.ts";
import { BlockIndex, INDEX_CODEC } from "./block-index.ts";
import {
  blockHeadBytes,
  type Bundle,
  type CarSpan,
  decodeBundle,
  HEAD_BYTES_MAX,
  HEADER_BYTES,
  OUTER_BYTES,
  parseBlockHead,
  parseHeader,
  parseOuter,
  ROOT_BYTES_MAX,
  rootEnd,
} from "./format.ts";

/** Read ahead when little is asked for. */
const WINDOW_BYTES = 64 * 1024;

/** Hashed before others get the event loop. */
const HASHED_BYTES_MAX = 4 * 1024 * 1024;

export interface OpenBundleOptions {
  /** What messages call it, instead of its path. */
  readonly shownAs?: string;
  /** Of the whole file, when only its beginning is here; enough for `readRoot`. */
  readonly sizeBytes?: number;
}

/** Where the content of a block is. */
export interface BlockPlace {
  readonly at: number;
  readonly sizeBytes: number;
}

export interface Block extends BlockPlace {
  readonly digest: Digest;
  readonly isRaw: boolean;
  /** Compared with the digest. */
  readonly bytes: Uint8Array;
}

export interface Root {
  readonly bundle: Bundle;
  readonly digest: Digest;
  readonly place: BlockPlace;
  /** Of CAR. */
  readonly version: 1 | 2;
}

export class BundleFile implements AsyncDisposable {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  readonly #shown: string;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;
  /** Where the CARv1 is. */
  #span: CarSpan;

  private constructor(
    path: string,
    { handle, sizeBytes, shownAs }: { handle: FileHandle; sizeBytes: number; shownAs: string },
  ) {
    this.path = path;
    this.#handle = handle;
    this.#shown = shownAs;
    this.sizeBytes = sizeBytes;
    this.#span = { from: 0, end: sizeBytes, version: 1, indexAt: undefined };
  }

  /** A fifo or device is not waited for. Throws PATH_NOT_FOUND, FILE_UNSUPPORTED. */
  static async open(path: string, options: OpenBundleOptions = {}): Promise<BundleFile> {
    const what = `cannot read '${show(path)}'`;
    try {
      const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const found = await handle.stat();
      if (found.isFile()) {
        const { shownAs = show(path), sizeBytes = found.size } = options;
        return new BundleFile(path, { handle, sizeBytes, shownAs });
      }
      await handle.close();
    } catch (error) {
      throw fromErrno(error, what);
    }
    throw new SmcError("FILE_UNSUPPORTED", `'${show(path)}' is not a regular file`);
  }

  /** Where the root ends, by the first bytes of the file; undefined when they cannot be those of a bundle. */
  async rootEnd(): Promise<number | undefined> {
    return rootEnd(await this.#peek(0, OUTER_BYTES + HEADER_BYTES + HEAD_BYTES_MAX));
  }

  /** What the root says. Throws FILE_MALFORMED for what is no bundle, OBJECT_CORRUPT, FORMAT_UNSUPPORTED. */
  async readRoot(): Promise<Root> {
    const span = parseOuter(await this.#peek(0, OUTER_BYTES), this.sizeBytes);
    if (span === undefined) throw this.#malformed("it does not say where in it the CARv1 is");
    const { from, version } = span;
    this.#span = span;
    const digest = parseHeader(await this.#peek(from, HEADER_BYTES));
    if (digest === undefined) throw this.#malformed("it does not begin as a CAR file of one root");
    const place = await this.#blockAt(from + HEADER_BYTES);
    if (place === undefined || place.isRaw || place.digest !== digest)
      throw this.#malformed("its first block is not its root");
    if (place.sizeBytes > ROOT_BYTES_MAX)
      throw this.#malformed(`its root has more than ${ROOT_BYTES_MAX} bytes`);
    const bytes = await this.read(place, digest);
    try {
      return { bundle: decodeBundle(bytes), digest, place, version };
    } catch (error) {
      if (!isSmcError(error, "OBJECT_INVALID")) throw error;
      throw this.#malformed(error.message, error);
    }
  }

  /**
   * Every block from this offset to the end of the last one, its bytes compared with its digest. Throws OBJECT_CORRUPT.
   */
  async *blocks(from: number, call: Call): AsyncIterable<Block> {
    const pace = createPacer(call);
    const { end } = this.#span;
    for (let at = from; at < end;) {
      const place = await this.#blockAt(at);
      if (place === undefined) throw this.damaged(`there is no block at byte ${at}`);
      const bytes = await this.read(place, place.digest);
      yield { ...place, bytes };
      at = place.at + place.sizeBytes;
      call.onProgress({ phase: "verify", done: at, total: end, unit: "bytes" });
      await pace();
    }
  }

  /** The content of a block, compared with its digest. Throws OBJECT_CORRUPT. */
  async read({ at, sizeBytes }: BlockPlace, digest: Digest): Promise<Uint8Array> {
    const isNear = at >= this.#windowAt && at + sizeBytes <= this.#windowAt + this.#window.length;
    // A copy of exactly this size: it may go to another thread.
    const bytes = isNear
      ? this.#window.slice(at - this.#windowAt, at - this.#windowAt + sizeBytes)
      : await this.#fill(new Uint8Array(sizeBytes), at);
    if (bytes.length === sizeBytes && (await hash(bytes)) === digest) return bytes;
    throw this.damaged(`the bytes of block ${digest} are not what its digest says`);
  }

  /**
   * Compares an index of the codec that we write, of which the file says that it has every block, with these: all of
   * them. Others are not looked at. Throws OBJECT_CORRUPT.
   */
  async checkIndex(
    { root, place, blocks }: { root: Digest; place: BlockPlace; blocks: ReadonlyMap<Digest, BlockPlace> },
    call: Call,
  ): Promise<void> {
    const { indexAt, from } = this.#span;
    if (indexAt === undefined) return;
    const codec = await this.#fill(new Uint8Array(INDEX_CODEC.length), indexAt);
    if (!INDEX_CODEC.equals(codec)) return;
    const index = new BlockIndex(1 + blocks.size);
    const add = (digest: Digest, { at, sizeBytes }: BlockPlace): void =>
      index.add(digest, at - blockHeadBytes(sizeBytes) - from);
    add(root, place);
    for (const [digest, block] of blocks) add(digest, block);
    let at = indexAt;
    for await (const bytes of index.encode(createPacer(call))) {
      const found = await this.#fill(new Uint8Array(bytes.length), at);
      if (!bytes.equals(found)) throw this.damaged("its index does not say where its blocks are");
      at += bytes.length;
    }
  }

  /** Undefined for what is no block, or does not end in the file: so nothing is allocated that the file cannot fill. */
  async #blockAt(start: number): Promise<(BlockPlace & { digest: Digest; isRaw: boolean }) | undefined> {
    const head = parseBlockHead(await this.#peek(start, HEAD_BYTES_MAX));
    if (head === undefined) return undefined;
    const { digest, isRaw, sizeBytes } = head;
    const at = start + head.headBytes;
    return at + sizeBytes > this.#span.end ? undefined : { digest, isRaw, at, sizeBytes };
  }

  /** At most that many bytes: fewer at the end of the file. */
  async #peek(at: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.#span.end - at));
    if (at < this.#windowAt || at + wanted > this.#windowAt + this.#window.length) {
      const size = Math.min(WINDOW_BYTES, this.sizeBytes - at);
      this.#window = await this.#fill(new Uint8Array(size), at);
      this.#windowAt = at;
    }
    return this.#window.subarray(at - this.#windowAt, at - this.#windowAt + wanted);
  }

  async #fill(bytes: Uint8Array, at: number): Promise<Uint8Array> {
    let done = 0;
    try {
      for (let read = -1; read !== 0 && done < bytes.length; done += read)
        ({ bytesRead: read } = await this.#handle.read(bytes, done, bytes.length - done, at + done));
    } catch (error) {
      throw fromErrno(error, `cannot read '${show(this.path)}'`);
    }
    return done < bytes.length ? bytes.slice(0, done) : bytes;
  }

  #malformed(why: string, cause?: unknown): SmcError {
    return new SmcError("FILE_MALFORMED", `'${this.#shown}' is no bundle: ${why}`, {
      hint: 'make one with "smc bundle create FILE"',
      cause,
    });
  }

  damaged(why: string, unchanged = "nothing was imported"): SmcError {
    return new SmcError("OBJECT_CORRUPT", `'${this.#shown}' is damaged: ${why}; ${unchanged}`, {
      hint: "copy the file again, or make the bundle anew",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

async function hash(bytes: Uint8Array): Promise<Digest> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += HASHED_BYTES_MAX) {
    if (at > 0) await breathe();
    hash.update(bytes.subarray(at, at + HASHED_BYTES_MAX));
  }
  return digestFromBytes(hash.digest());
}
