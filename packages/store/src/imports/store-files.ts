/** Bytes of another program's store → blobs of this one, each compared with the digest that the other one names. */
import { randomBytes } from "node:crypto";
import { join, posix } from "node:path";
import { digestsOf } from "../backup/digests.ts";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { AppendFile, removeTree } from "../fs.ts";
import { CHUNK_BYTES_MAX } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import type { NewFile, StoredBlob, WriteSession } from "../store.ts";
import type { FlatTree } from "../trees/tree-read.ts";
import type { ForeignFile } from "./foreign.ts";
import { legacyTextMd5 } from "./dvc-md5.ts";

/** A smaller file helps nobody to become shorter. */
const PARENT_BYTES_MIN = 64 * 1024;
/** Different files of one import. */
const BLOBS_MAX = 5_000_000;

/** Stores each key once. A session ends before files come that may be stored as the difference to what is in it. */
export class FileStorer implements AsyncDisposable {
  readonly #repository: Pick<Repository, "store">;
  readonly #blobs = new Map<string, StoredBlob>();
  #session: WriteSession | undefined;
  #hasParents = false;

  constructor(repository: Pick<Repository, "store">) {
    this.#repository = repository;
  }

  get session(): WriteSession {
    this.#session ??= this.#repository.store.write("import");
    return this.#session;
  }

  /** Undefined for a key that was not stored. */
  blobOf(key: string): StoredBlob | undefined {
    return this.#blobs.get(key);
  }

  /**
   * `before` are the files of the version before. Throws OBJECT_CORRUPT for bytes with another digest, FILE_CHANGED,
   * DISK_FULL.
   */
  async store(files: readonly ForeignFile[], before: FlatTree, call: Call): Promise<void> {
    const wanted = new Map<string, ForeignFile>();
    for (const file of files) if (!this.#blobs.has(file.key)) wanted.set(file.key, file);
    if (this.#blobs.size + wanted.size > BLOBS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `more than ${BLOBS_MAX} different files; nothing was imported`);
    const hasLarge = [...wanted.values()].some(({ sizeBytes }) => sizeBytes >= PARENT_BYTES_MIN);
    if (hasLarge && this.#hasParents) await this.finish();
    const onDisk = [...wanted.values()].filter(({ bytes }) => bytes.kind === "disk");
    await this.#storeFromDisk(onDisk, before, call);
    for (const file of wanted.values())
      if (file.bytes.kind === "stream") await this.#storeStream(file, before, call);
    this.#hasParents ||= hasLarge;
  }

  async #storeFromDisk(files: readonly ForeignFile[], before: FlatTree, call: Call): Promise<void> {
    const named: { file: ForeignFile; sha256: string | undefined; newFile: NewFile }[] = [];
    for (const file of files) {
      if (file.bytes.kind !== "disk") continue;
      const { path, expected } = file.bytes;
      const sha256 = expected.md5 === undefined ? expected.sha256 : await verifyMd5(file, call);
      const newFile = { path, sizeBytes: file.sizeBytes, parents: parentsOf(file, before) };
      named.push({ file, sha256, newFile });
    }
    if (named.length === 0) return;
    const read = await this.session.addFiles(
      named.map(({ newFile }) => newFile),
      call,
    );
    for (const [index, { file, sha256 }] of named.entries()) {
      const blob = read[index];
      if (blob === undefined) throw new SmcError("INTERNAL", "a file was not read");
      if (sha256 !== undefined && blob.digest !== sha256)
        throw corrupt(file, `SHA-256 ${blob.digest}`, sha256);
      this.#blobs.set(file.key, { digest: blob.digest, sizeBytes: blob.sizeBytes });
    }
  }

  async #storeStream(file: ForeignFile, before: FlatTree, call: Call): Promise<void> {
    if (file.bytes.kind !== "stream") return;
    const content = file.bytes.read(call);
    if (file.sizeBytes > CHUNK_BYTES_MAX) {
      this.#blobs.set(file.key, await this.#storeLong(file, { content, before }, call));
      return;
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of content) pieces.push(piece);
    this.#blobs.set(file.key, await this.session.putBlob(Buffer.concat(pieces)));
  }

  /** By a file beside the packs: workers read files. */
  async #storeLong(
    file: ForeignFile,
    { content, before }: { content: AsyncIterable<Uint8Array>; before: FlatTree },
    call: Call,
  ): Promise<StoredBlob> {
    const name = `import-${randomBytes(8).toString("hex")}`;
    const path = join(this.#repository.store.path, "incoming", name);
    try {
      {
        await using spool = await AppendFile.create(path);
        let at = 0;
        for await (const piece of content) {
          await spool.write(piece, at);
          at += piece.length;
        }
      }
      const parents = parentsOf(file, before);
      const [blob] = await this.session.addFiles([{ path, sizeBytes: file.sizeBytes, parents }], call);
      if (blob === undefined) throw new SmcError("INTERNAL", "a file was not read");
      return { digest: blob.digest, sizeBytes: blob.sizeBytes };
    } finally {
      await removeTree(path);
    }
  }

  /** Durable when it returns; no ref names it yet. */
  async finish(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#hasParents = false;
    if (session === undefined) return;
    await using ending = session;
    await ending.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.[Symbol.asyncDispose]();
    this.#session = undefined;
  }
}

function parentsOf({ path, sizeBytes }: ForeignFile, before: FlatTree): NonNullable<NewFile["parents"]> {
  const old = before.get(path);
  if (old === undefined || old.mode === "120000") return [];
  if (Math.min(sizeBytes, old.sizeBytes) < PARENT_BYTES_MIN) return [];
  return [{ digest: old.digest, fileName: posix.basename(path) }];
}

/** Gives the SHA-256 of the bytes that have the MD5 which was promised. Throws OBJECT_CORRUPT. */
async function verifyMd5(file: ForeignFile, call: Call): Promise<string | undefined> {
  if (file.bytes.kind !== "disk") return undefined;
  const { path, expected } = file.bytes;
  const { sha256, md5 } = await digestsOf(path, call);
  if (md5 === expected.md5) return sha256;
  if (
    expected.isLegacyText === true &&
    (await legacyTextMd5(path, { ...call, onProgress: () => undefined })) === expected.md5
  )
    return sha256;
  throw corrupt(file, `MD5 ${md5}`, expected.md5 ?? "");
}

function corrupt(file: ForeignFile, found: string, wanted: string): SmcError {
  if (file.bytes.kind === "disk" && file.bytes.expected.isOwn === true)
    return new SmcError(
      "FILE_CHANGED",
      `'${show(file.bytes.path)}' changed while it was imported; nothing was imported`,
    );
  const where = file.bytes.kind === "disk" ? file.bytes.path : file.key;
  return new SmcError(
    "OBJECT_CORRUPT",
    `'${show(where)}', which is '${show(file.path, 300)}', has ${found}, not ${wanted}; nothing was imported`,
    { hint: "it is damaged there; bring it back from another copy and import again" },
  );
}
