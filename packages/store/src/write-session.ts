/**
 * Everything that one command writes. Packs grow in `incoming/<op>/`; `finish` syncs them, moves them to their
 * place, syncs the folders and indexes them, in this order: what the index names is durable.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { breathe, type Call, throwIfCanceled } from "./call.ts";
import { type Digest, hashBytes } from "./objects/digest.ts";
import { assert, isSmcError, SmcError } from "./errors.ts";
import { createFolder, removeEmptyFolder, removeTree, syncFile } from "./fs.ts";
import type { Pins } from "./pins.ts";
import type { ObjectIndex } from "./db/object-index.ts";
import { CHUNK_BYTES_MAX, OBJECT_BYTES_MAX } from "./objects/objects.ts";
import { indexPack, packPath, placePacks } from "./pack/folder.ts";
import type { RecordKind, RecordRow } from "./pack/format.ts";
import type { WrittenPack } from "./pack/writer.ts";
import type { PackedObjects } from "./object-store.ts";
import type { Pool, TaskOptions } from "./pool/pool.ts";
import type { AddedFile, ParentFile, PiecedBlob, Recoded, TaskInput, TaskOutput } from "./pool/tasks.ts";
import type { NewFile, ReadFile, StoredBlob, WriteSession } from "./store.ts";

const FILES_PER_TASK_MAX = 256;
/** Encoded objects wait until this many bytes are together. */
const OBJECTS_BYTES_MAX = 4 * 1024 * 1024;
const OBJECTS_MAX = 2048;

/** From this size on a command's files are worth all storers. */
const LARGE_BYTES_MIN = 24 * 1024 * 1024;
const PARENT_FILES_MAX = 4;
/** Chunks of one task of `recode`: a quarter of a second of work. */
const RECODED_PIECES = 16;
/** Digests asked of the index at a time. */
const LOOKUP_MAX = 4096;
/** Such tasks that a storer has waiting. */
const RECODED_AT_ONCE = 2;
/** A smaller file helps nobody to become shorter. */
const PARENT_BYTES_MIN = 64 * 1024;

const NEVER = new AbortController().signal;

export interface SessionOwner {
  readonly path: string;
  readonly id: string;
  readonly pool: Pool;
  readonly index: ObjectIndex;
  readonly objects: PackedObjects;
  readonly pins: Pins;
  /** Throws when the store takes no writes. */
  assertWritable(): void;
}

type NewObject = TaskInput<"put">["objects"][number];

export class PackSession implements WriteSession {
  readonly #owner: SessionOwner;
  readonly #again: ReadonlySet<Digest>;
  readonly #op: string;
  readonly #folder: string;
  #folderMade: Promise<void> | undefined;
  /** What this session stores or has stored: asked twice, stored once. */
  readonly #claimed = new Map<Digest, RecordKind>();
  readonly #packs: { pack: WrittenPack; synced: Promise<void> }[] = [];
  readonly #storers = new Set<number>();
  #objects: NewObject[] = [];
  #objectsBytes = 0;
  #state: "open" | "finished" | "failed" = "open";

  /** Stores what is in `again` also when the index has it. */
  constructor(owner: SessionOwner, op: string, again: ReadonlySet<Digest> = new Set()) {
    this.#owner = owner;
    this.#again = again;
    this.#op = `${op}-${randomBytes(8).toString("hex")}`;
    this.#folder = join(owner.path, "incoming", this.#op);
  }

  async addFiles(files: readonly NewFile[], call: Call): Promise<ReadFile[]> {
    using _ = this.#owner.objects.readers.enter();
    const session = await this.#begin();
    const perTask = Math.ceil(files.length / (this.#owner.pool.size * 4));
    const step = Math.max(1, Math.min(perTask, FILES_PER_TASK_MAX));
    const stop = new AbortController();
    const signal = AbortSignal.any([call.signal, stop.signal]);
    const isLarge = files.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0) >= LARGE_BYTES_MIN;
    let done = 0;
    const onProgress = (bytes: number): void => {
      done += bytes;
      call.onProgress({ phase: "add", done, unit: "bytes" });
    };
    const tasks: Promise<readonly ReadFile[]>[] = [];
    for (let from = 0; from < files.length; from += step) {
      const part = files.slice(from, from + step);
      const task = this.#added(part).then((added) =>
        this.#run("add", { ...session, files: added }, { signal, onProgress, isLarge }),
      );
      tasks.push(task);
    }
    return (await this.#settle(tasks, stop)).flat();
  }

  /** With the stored files that each may resemble; one that cannot be found is left out. */
  #added(files: readonly NewFile[]): Promise<AddedFile[]> {
    return Promise.all(
      files.map(async ({ path, parents = [] }) => {
        const found: ParentFile[] = [];
        for (const { digest, fileName } of parents.slice(0, PARENT_FILES_MAX)) {
          this.#owner.pins.add([digest]);
          const blob = await this.#owner.objects.blob(digest).catch((error: unknown) => {
            if (isSmcError(error) && (error.exit === 4 || error.exit === 3)) return undefined;
            throw error;
          });
          if (blob !== undefined && blob.sizeBytes >= PARENT_BYTES_MIN) found.push({ blob, fileName });
        }
        return { path, parents: found };
      }),
    );
  }

  /** Waits for all tasks even when one fails: nothing may write into a session that is being given up. */
  async #settle<T>(tasks: readonly Promise<T>[], stop: AbortController): Promise<T[]> {
    for (const task of tasks) task.catch(() => stop.abort());
    const results = await Promise.allSettled(tasks);
    const failures = results
      .filter((result) => result.status === "rejected")
      .map(({ reason }) => reason as unknown);
    const cause =
      failures.find((error) => !(error instanceof SmcError && error.code === "CANCELED")) ?? failures[0];
    if (cause !== undefined) {
      this.#state = "failed";
      throw cause;
    }
    return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  }

  async putBlob(bytes: Uint8Array): Promise<StoredBlob> {
    assert(bytes.length <= CHUNK_BYTES_MAX, "putBlob() takes at most one chunk");
    return { digest: await this.#put("chunk", bytes), sizeBytes: bytes.length };
  }

  async putObject(kind: "tree" | "commit" | "tag", bytes: Uint8Array): Promise<Digest> {
    if (bytes.length > OBJECT_BYTES_MAX) {
      throw new SmcError(
        "LIMIT_EXCEEDED",
        `a ${kind} of ${bytes.length} bytes; the most is ${OBJECT_BYTES_MAX}`,
      );
    }
    return this.#put(kind, bytes);
  }

  /** Stores the bytes of a record of any kind. */
  async putRecord(kind: RecordKind, bytes: Uint8Array): Promise<Digest> {
    return this.#put(kind, bytes);
  }

  async #put(kind: NewObject["kind"], raw: Uint8Array): Promise<Digest> {
    assert(this.#state === "open", "the write session is over");
    const digest = hashBytes(raw);
    const [wanted] = await this.#claim([digest], kind);
    if (wanted === 1) {
      this.#objects.push({ kind, digest, raw });
      this.#objectsBytes += raw.length;
      if (this.#objectsBytes >= OBJECTS_BYTES_MAX || this.#objects.length >= OBJECTS_MAX) await this.#flush();
    }
    return digest;
  }

  /** Encodes chunks of a stored file again, against files it may resemble; keeps those that get shorter. */
  async recode(
    file: { digest: Digest; fileName: string; parents: NonNullable<NewFile["parents"]> },
    call: Call,
  ): Promise<Recoded> {
    const session = await this.#begin();
    const { objects, pool } = this.#owner;
    const blob = await objects.blob(file.digest);
    const [added] = await this.#added([{ path: file.fileName, ...file }]);
    const parents = added?.parents ?? [];
    const stop = new AbortController();
    const signal = AbortSignal.any([call.signal, stop.signal]);
    const tasks: Promise<Recoded>[] = [];
    const numbers = await this.#recodable(blob, parents);
    for (let from = 0; from < numbers.length; from += RECODED_PIECES) {
      // Each message copies the pieces of all these files: it takes milliseconds, and memory until it is read.
      await breathe();
      await tasks[tasks.length - RECODED_AT_ONCE * pool.size]?.catch(() => undefined);
      if (signal.aborted) break;
      const wanted = numbers.slice(from, from + RECODED_PIECES);
      const input = { ...session, blob, fileName: file.fileName, parents, wanted };
      tasks.push(this.#run("recode", input, { signal, storer: tasks.length % pool.size }));
    }
    const none = { tried: 0, shorter: 0, savedBytes: 0 };
    const done = await this.#settle(tasks, stop);
    throwIfCanceled(call);
    return done.reduce(
      (sum, { tried, shorter, savedBytes }) => ({
        tried: sum.tried + tried,
        shorter: sum.shorter + shorter,
        savedBytes: sum.savedBytes + savedBytes,
      }),
      none,
    );
  }

  /**
   * Numbers of the pieces that stand alone and that nothing is stored against, now or in this session: a chunk that
   * the parents have as well may become a parent, so no two chunks can come to need each other.
   */
  async #recodable({ pieces }: PiecedBlob, parents: readonly ParentFile[]): Promise<number[]> {
    if (parents.length === 0) return [];
    const fixed = new Set(parents.flatMap(({ blob }) => blob.pieces.map(({ span }) => span.digest)));
    const alone = [...pieces.keys()].filter((number) => {
      const piece = pieces[number];
      return piece !== undefined && piece.parents === undefined && !fixed.has(piece.span.digest);
    });
    const wanted: number[] = [];
    for (let from = 0; from < alone.length; from += LOOKUP_MAX) {
      const part = alone.slice(from, from + LOOKUP_MAX);
      const digests = part.map((number) => pieces[number]?.span.digest as Digest);
      const needed = await this.#owner.index.neededMany(digests);
      wanted.push(...part.filter((_, index) => needed[index] !== true));
    }
    return wanted;
  }

  /** Stores records of a pack again, as they are, each verified. Throws OBJECT_CORRUPT, PACK_CORRUPT. */
  async copy(pack: Digest, rows: readonly RecordRow[], call: Call): Promise<void> {
    await this.copyFrom(packPath(this.#owner.path, pack), { rows }, call);
  }

  /** As `copy`, from a file that holds records; what they are differences to must be stored. */
  async copyFrom(
    path: string,
    { rows, encode = false }: { rows: readonly RecordRow[]; encode?: boolean },
    call: Call,
  ): Promise<void> {
    const session = await this.#begin();
    const parents = await this.#owner.objects.parentsOf(rows);
    const input = { ...session, pack: path, rows, parents, encode };
    await this.#settle([this.#run("copy", input, { signal: call.signal })], new AbortController());
  }

  /** Ends the packs and leaves them in the session's folder, for who sends them elsewhere; disposing removes them. */
  async handOver(): Promise<readonly WrittenPack[]> {
    await this.#flush();
    assert(this.#state === "open", "the write session is over");
    for (const storer of this.#storers) await this.#run("seal", { op: this.#op }, { signal: NEVER, storer });
    this.#state = "failed";
    return this.#packs.map(({ pack }) => pack);
  }

  /** One byte a digest: 1 = neither the store nor this session has it. Throws when it is there as something else. */
  async #claim(digests: readonly Digest[], kind: RecordKind): Promise<Uint8Array> {
    this.#owner.pins.add(digests);
    const places = await this.#owner.index.findMany(digests);
    return Uint8Array.from(digests, (digest, index) => {
      const known = places[index]?.kind ?? this.#claimed.get(digest);
      if (known !== undefined && known !== kind) throw otherKind(digest, { known, kind });
      const isKnown = places[index] !== undefined && !this.#again.has(digest);
      if (isKnown || this.#claimed.has(digest)) return 0;
      this.#claimed.set(digest, kind);
      return 1;
    });
  }

  async #flush(): Promise<void> {
    if (this.#objects.length === 0) return;
    const session = await this.#begin();
    const objects = this.#objects;
    this.#objects = [];
    this.#objectsBytes = 0;
    const [storer] = this.#storers;
    await this.#run(
      "put",
      { ...session, objects },
      { signal: NEVER, ...(storer === undefined ? {} : { storer }) },
    );
  }

  async #begin(): Promise<{ op: string; folder: string; storeId: string }> {
    assert(this.#state === "open", "the write session is over");
    this.#owner.assertWritable();
    this.#folderMade ??= createFolder(this.#folder);
    await this.#folderMade;
    return { op: this.#op, folder: this.#folder, storeId: this.#owner.id };
  }

  #run<T extends "add" | "put" | "recode" | "copy" | "seal" | "drop">(
    type: T,
    input: TaskInput<T>,
    options: Pick<TaskOptions, "signal" | "storer" | "isLarge" | "onProgress">,
  ): Promise<TaskOutput<T>> {
    return this.#owner.pool.run(type, input, {
      ...options,
      onStorers: (storers) => {
        for (const storer of storers) this.#storers.add(storer);
      },
      ask: (digests, record) => this.#claim(digests, record),
      onPack: (pack) => {
        // Starts now, while the workers go on; a failure is met in finish().
        const synced = syncFile(pack.path);
        synced.catch(() => undefined);
        this.#packs.push({ pack, synced });
      },
    });
  }

  /** With `replace`, what it stored is what is read from now on, also of what the store has already. */
  async finish(options: { replace?: boolean } = {}): Promise<void> {
    await this.#flush();
    assert(this.#state === "open", "the write session is over");
    if (this.#folderMade !== undefined) await this.#publish(options.replace === true);
    this.#state = "finished";
  }

  async #publish(replace: boolean): Promise<void> {
    const { path, index, pool } = this.#owner;
    for (const storer of this.#storers) await this.#run("seal", { op: this.#op }, { signal: NEVER, storer });
    for (const { synced } of this.#packs) await synced;
    await placePacks(
      path,
      this.#packs.map(({ pack }) => pack),
    );
    if (replace) await this.#readBack();
    for (const { pack } of this.#packs) await indexPack({ path, index, pool }, pack, { replace });
    await removeEmptyFolder(this.#folder);
  }

  /** Every byte of the packs, from the disk: what they replace may be removed later. Throws PACK_CORRUPT. */
  async #readBack(): Promise<void> {
    const { path, objects, pool } = this.#owner;
    for (const { pack } of this.#packs) {
      const parents = await objects.parentsOf(pack.rows);
      const input = { pack: packPath(path, pack.name), parents };
      const [problem] = await pool.run("verifyPack", input, { signal: NEVER });
      if (problem === undefined) continue;
      throw new SmcError("PACK_CORRUPT", `the new pack ${pack.name} is damaged: ${problem.message}`, {
        hint: "nothing was replaced; check the disk",
      });
    }
  }

  /** Forgets what was not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "finished" || this.#folderMade === undefined) return;
    this.#state = "failed";
    for (const storer of this.#storers) {
      await this.#run("drop", { op: this.#op }, { signal: NEVER, storer }).catch(() => undefined);
    }
    for (const { synced } of this.#packs) await synced.catch(() => undefined);
    // What led here is what is told, not that the disk does not let us clean up either; opening the store does.
    await removeTree(this.#folder).catch(() => undefined);
  }
}

/** A digest says nothing of the kind: one who knows the bytes of a folder's record can make a file of them. */
function otherKind(digest: Digest, { known, kind }: { known: RecordKind; kind: RecordKind }): SmcError {
  const isFile = kind === "chunk" || kind === "chunklist";
  const what = isFile ? "a file with these bytes cannot be stored" : `this ${kind} cannot be stored`;
  return new SmcError(
    isFile ? "FILE_UNSUPPORTED" : "OBJECT_INVALID",
    `${what}: the store has ${digest} as a ${known}`,
    { details: { digest } },
  );
}
