/**
 * Everything that one command writes. Packs grow in `incoming/<op>/`; `finish` syncs them, moves them to their
 * place, syncs the folders and indexes them, in this order: what the index names is durable.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Call } from "./call.ts";
import { type Digest, hashBytes } from "./objects/digest.ts";
import { assert, SmcError } from "./errors.ts";
import { createFolder, removeEmptyFolder, removeTree, renamePath, syncFile, syncFolder } from "./fs.ts";
import type { ObjectIndex } from "./db/object-index.ts";
import { CHUNK_BYTES_MAX, OBJECT_BYTES_MAX } from "./objects/objects.ts";
import { indexPack, packPath } from "./pack/folder.ts";
import type { WrittenPack } from "./pack/writer.ts";
import type { Pool } from "./pool/pool.ts";
import type { TaskInput, TaskOutput } from "./pool/tasks.ts";
import type { ReadFile, StoredBlob, WriteSession } from "./store.ts";

const FILES_PER_TASK_MAX = 256;
/** Encoded objects wait until this many bytes are together. */
const OBJECTS_BYTES_MAX = 4 * 1024 * 1024;
const OBJECTS_MAX = 2048;

const NEVER = new AbortController().signal;

export interface SessionOwner {
  readonly path: string;
  readonly id: string;
  readonly pool: Pool;
  readonly index: ObjectIndex;
  /** Throws when the store takes no writes. */
  assertWritable(): void;
}

type NewObject = TaskInput<"put">["objects"][number];

export class PackSession implements WriteSession {
  readonly #owner: SessionOwner;
  readonly #op: string;
  readonly #folder: string;
  #folderMade: Promise<void> | undefined;
  /** Digests that this session stores or has stored: asked twice, stored once. */
  readonly #claimed = new Set<Digest>();
  readonly #packs: { pack: WrittenPack; synced: Promise<void> }[] = [];
  readonly #workers = new Set<number>();
  #objects: NewObject[] = [];
  #objectsBytes = 0;
  #state: "open" | "finished" | "failed" = "open";

  constructor(owner: SessionOwner, op: string) {
    this.#owner = owner;
    this.#op = `${op}-${randomBytes(8).toString("hex")}`;
    this.#folder = join(owner.path, "incoming", this.#op);
  }

  async addFiles(paths: readonly string[], call: Call): Promise<ReadFile[]> {
    const session = await this.#begin();
    const perTask = Math.ceil(paths.length / (this.#owner.pool.size * 4));
    const step = Math.max(1, Math.min(perTask, FILES_PER_TASK_MAX));
    const stop = new AbortController();
    const signal = AbortSignal.any([call.signal, stop.signal]);
    let done = 0;
    const onProgress = (bytes: number): void => {
      done += bytes;
      call.onProgress({ phase: "add", done, unit: "bytes" });
    };
    const tasks: Promise<readonly ReadFile[]>[] = [];
    for (let from = 0; from < paths.length; from += step) {
      const input = { ...session, paths: paths.slice(from, from + step) };
      tasks.push(this.#run("add", input, { signal, onProgress }));
    }
    return (await this.#settle(tasks, stop)).flat();
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

  async #put(kind: NewObject["kind"], raw: Uint8Array): Promise<Digest> {
    assert(this.#state === "open", "the write session is over");
    const digest = hashBytes(raw);
    const [wanted] = await this.#claim([digest]);
    if (wanted === 1) {
      this.#objects.push({ kind, digest, raw });
      this.#objectsBytes += raw.length;
      if (this.#objectsBytes >= OBJECTS_BYTES_MAX || this.#objects.length >= OBJECTS_MAX) await this.#flush();
    }
    return digest;
  }

  /** One byte a digest: 1 = neither the store nor this session has it. */
  async #claim(digests: readonly Digest[]): Promise<Uint8Array> {
    const places = await this.#owner.index.findMany(digests);
    return Uint8Array.from(digests, (digest, index) => {
      if (places[index] !== undefined || this.#claimed.has(digest)) return 0;
      this.#claimed.add(digest);
      return 1;
    });
  }

  async #flush(): Promise<void> {
    if (this.#objects.length === 0) return;
    const session = await this.#begin();
    const objects = this.#objects;
    this.#objects = [];
    this.#objectsBytes = 0;
    const [worker] = this.#workers;
    await this.#run(
      "put",
      { ...session, objects },
      { signal: NEVER, ...(worker === undefined ? {} : { worker }) },
    );
  }

  async #begin(): Promise<{ op: string; folder: string; storeId: string }> {
    assert(this.#state === "open", "the write session is over");
    this.#owner.assertWritable();
    this.#folderMade ??= createFolder(this.#folder);
    await this.#folderMade;
    return { op: this.#op, folder: this.#folder, storeId: this.#owner.id };
  }

  #run<T extends "add" | "put" | "seal" | "drop">(
    type: T,
    input: TaskInput<T>,
    options: { signal: AbortSignal; worker?: number; onProgress?(bytes: number): void },
  ): Promise<TaskOutput<T>> {
    return this.#owner.pool.run(type, input, {
      ...options,
      onStart: (worker) => this.#workers.add(worker),
      ask: (digests) => this.#claim(digests),
      onPack: (pack) => {
        // Starts now, while the workers go on; a failure is met in finish().
        const synced = syncFile(pack.path);
        synced.catch(() => undefined);
        this.#packs.push({ pack, synced });
      },
    });
  }

  async finish(): Promise<void> {
    await this.#flush();
    assert(this.#state === "open", "the write session is over");
    if (this.#folderMade !== undefined) await this.#publish();
    this.#state = "finished";
  }

  async #publish(): Promise<void> {
    const { path, index, pool } = this.#owner;
    for (const worker of this.#workers) await this.#run("seal", { op: this.#op }, { signal: NEVER, worker });
    for (const { synced } of this.#packs) await synced;
    const folders = new Set<string>();
    for (const { pack } of this.#packs) {
      const target = packPath(path, pack.name);
      await renamePath(pack.path, target);
      folders.add(join(target, ".."));
    }
    for (const folder of folders) await syncFolder(folder);
    for (const { pack } of this.#packs) await indexPack({ path, index, pool }, pack);
    await removeEmptyFolder(this.#folder);
  }

  /** Forgets what was not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "finished" || this.#folderMade === undefined) return;
    this.#state = "failed";
    for (const worker of this.#workers) {
      await this.#run("drop", { op: this.#op }, { signal: NEVER, worker }).catch(() => undefined);
    }
    for (const { synced } of this.#packs) await synced.catch(() => undefined);
    await removeTree(this.#folder);
  }
}
