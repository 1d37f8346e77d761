/**
 * A file while it is downloaded: `.smc-part-NAME` beside its place, and `.smc-part-NAME.json`, which says how much of
 * it is on the disk for certain. It gets its name when it is whole and what it must be.
 */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { DigestCounter, type Digests, openFile, readRange } from "../backup/digests.ts";
import { type Call, createPacer } from "../call.ts";
import { isSmcError } from "../errors.ts";
import { AppendFile, createFolder, removeFile, replaceFile, syncFolder } from "../fs.ts";
import { parseJson } from "../json.ts";
import { assertFree, giveName } from "../new-file.ts";
import { readSmall } from "../worktree/head.ts";
import { PART_PREFIX } from "../worktree/ignore.ts";
import { kindOf, lstatOne } from "../worktree/stat.ts";

const STATE_BYTES_MAX = 64 * 1024;
const VERSION = 1;
/** So much may be downloaded again after a kill. */
const SYNC_BYTES = 64 * 1024 * 1024;
const FOLDER_MODE = 0o777;
const FILE_MODE = 0o666;

interface State {
  /** SHA-256 of the address: it may hold a key. */
  readonly url: string;
  /** A strong one. */
  readonly etag: string | undefined;
  /** Bytes from the start that are on the disk. */
  readonly sizeBytes: number;
}

export class PartFile implements AsyncDisposable {
  readonly path: string;
  /** Bytes that are there. */
  sizeBytes = 0;
  /** Of the file that the bytes are of, when the server says that it is always the same for these. */
  etag: string | undefined;
  /** True when bytes of more than one answer were put together. */
  isJoined = false;
  readonly #target: string;
  readonly #url: string;
  readonly #file: AppendFile;
  #counter = new DigestCounter();
  #syncedBytes = 0;

  private constructor(target: string, { url, file }: { url: string; file: AppendFile }) {
    this.#target = target;
    this.path = file.path;
    this.#url = url;
    this.#file = file;
  }

  /** Goes on with what an earlier download from this address left, else starts anew. Makes the folder. */
  static async open(target: string, url: string, call: Call): Promise<PartFile> {
    const folder = dirname(target);
    const path = join(folder, `${PART_PREFIX}${basename(target)}`);
    const urlDigest = createHash("sha256").update(url).digest("hex");
    await createFolder(folder, { mode: FOLDER_MODE });
    const state = await readState(path);
    const found = await lstatOne(path);
    const isOurs = found !== undefined && kindOf(found) === "file";
    if (isOurs && state?.url === urlDigest && found.sizeBytes >= state.sizeBytes) {
      const part = new PartFile(target, { url: urlDigest, file: await AppendFile.open(path) });
      try {
        await part.#goOn(state, call);
      } catch (error) {
        await part[Symbol.asyncDispose]();
        throw error;
      }
      return part;
    }
    if (found !== undefined) await removeFile(path);
    return new PartFile(target, { url: urlDigest, file: await AppendFile.create(path, { mode: FILE_MODE }) });
  }

  async #goOn({ sizeBytes, etag }: State, call: Call): Promise<void> {
    await this.#file.truncate(sizeBytes);
    const pace = createPacer(call);
    await using handle = await openFile(this.path);
    for await (const piece of readRange(handle, { path: this.path, from: 0, sizeBytes })) {
      this.#counter.add(piece);
      await pace();
    }
    this.sizeBytes = sizeBytes;
    this.#syncedBytes = sizeBytes;
    this.etag = etag;
    this.isJoined = sizeBytes > 0;
  }

  /** Forgets what is there: what comes now is the file from its first byte. */
  async begin(etag: string | undefined): Promise<void> {
    this.etag = etag;
    this.sizeBytes = 0;
    this.#syncedBytes = 0;
    this.isJoined = false;
    this.#counter = new DigestCounter();
    await this.#writeState();
    await this.#file.truncate(0);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#file.write(bytes, this.sizeBytes);
    this.#counter.add(bytes);
    this.sizeBytes += bytes.length;
    if (this.sizeBytes - this.#syncedBytes >= SYNC_BYTES) await this.save();
  }

  /** Makes what is there something that the next download can go on with. */
  async save(): Promise<void> {
    if (this.sizeBytes === this.#syncedBytes) return;
    await this.#file.sync();
    this.#syncedBytes = this.sizeBytes;
    await this.#writeState();
  }

  /** Of all that is there; once. */
  end(): Digests {
    return this.#counter.end();
  }

  /** Gives it its name, durably. Throws WOULD_OVERWRITE unless `force`. */
  async place(force: boolean): Promise<void> {
    await assertFree(this.#target, force);
    await this.#file.sync();
    await giveName(this.path, this.#target, force);
    await removeIfThere(stateOf(this.path));
    await syncFolder(dirname(this.#target));
  }

  /** Leaves nothing. */
  async discard(): Promise<void> {
    await removeIfThere(stateOf(this.path));
    await removeIfThere(this.path);
  }

  async #writeState(): Promise<void> {
    const etag = this.etag === undefined ? {} : { etag: this.etag };
    const state = { version: VERSION, url: this.#url, ...etag, sizeBytes: this.#syncedBytes };
    await replaceFile(stateOf(this.path), `${JSON.stringify(state)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}

function stateOf(path: string): string {
  return `${path}.json`;
}

/** Undefined where there is none that makes sense. */
async function readState(path: string): Promise<State | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readSmall(stateOf(path), STATE_BYTES_MAX);
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return undefined;
    throw error;
  }
  const { version, url, etag, sizeBytes } = (parseJson(bytes) ?? {}) as Record<string, unknown>;
  if (version !== VERSION || typeof url !== "string") return undefined;
  if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return undefined;
  return { url, etag: typeof etag === "string" ? etag : undefined, sizeBytes };
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await removeFile(path);
  } catch (error) {
    if (!isSmcError(error, "PATH_NOT_FOUND")) throw error;
  }
}
