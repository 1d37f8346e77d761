/** Entry of a worker thread: runs one task at a time; files and packs are read and written here, never in the daemon's thread. */
import { closeSync } from "node:fs";
import { join } from "node:path";
import { parentPort, threadId } from "node:worker_threads";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { openPack, readContentsSync, verifyPackSync } from "../pack/reader.ts";
import { PackWriter } from "../pack/writer.ts";
import type { RecordKind } from "../pack/format.ts";
import type { Digest } from "../digest.ts";
import { exportPiece, hashPieces, OpenPacks } from "./export.ts";
import { hashFile, Ingest } from "./ingest.ts";
import type {
  FromWorker,
  SessionFolder,
  TaskInput,
  TaskMessage,
  TaskOutput,
  TaskType,
  ToWorker,
} from "./tasks.ts";

const HASH_BUFFER_BYTES = 1024 * 1024;
/** Bytes between two progress messages. */
const PROGRESS_BYTES = 8 * 1024 * 1024;

const port = parentPort;
if (port === null) throw new Error("worker.ts runs in a worker thread");
const send = (message: FromWorker): void => port.postMessage(message);

let answer: ((wanted: Uint8Array) => void) | undefined;
let ingest: Ingest | undefined;
const writers = new Map<string, PackWriter>();
let packCount = 0;

/** What one running task tells the daemon. */
class Running {
  readonly #task: TaskMessage;
  #bytes = 0;
  #files = 0;

  constructor(task: TaskMessage) {
    this.#task = task;
  }

  onBytes(bytes: number): void {
    if (Atomics.load(this.#task.stop, 0) !== 0) throw new SmcError("CANCELED", "stopped");
    this.#bytes += bytes;
    if (this.#bytes >= PROGRESS_BYTES) this.report();
  }

  onFile(): void {
    this.#files += 1;
  }

  report(): void {
    send({ kind: "progress", id: this.#task.id, bytes: this.#bytes, files: this.#files });
    this.#bytes = 0;
    this.#files = 0;
  }

  ask(digests: readonly Digest[]): Promise<Uint8Array> {
    return new Promise((resolve) => {
      answer = resolve;
      send({ kind: "ask", id: this.#task.id, digests });
    });
  }

  sealed(op: string): void {
    const writer = writers.get(op);
    if (writer === undefined) return;
    writers.delete(op);
    send({ kind: "pack", id: this.#task.id, pack: writer.finish() });
  }

  /** Appends to the session's pack of this worker; starts the next one when it is full. */
  store(session: SessionFolder, kind: RecordKind, digest: Digest, raw: Uint8Array): void {
    let writer = writers.get(session.op);
    if (writer === undefined) {
      packCount += 1;
      writer = new PackWriter(join(session.folder, `${threadId}-${packCount}.pack`), session.storeId);
      writers.set(session.op, writer);
    }
    writer.add(kind, digest, raw);
    if (writer.isFull()) this.sealed(session.op);
  }
}

type TaskRunners = { readonly [T in TaskType]: (input: TaskInput<T>, running: Running) => Promise<TaskOutput<T>> };

const RUNNERS: TaskRunners = {
  async add(input, running) {
    const files = [];
    const cutter = new Ingest({
      ask: (digests) => running.ask(digests),
      store: (kind, digest, raw) => running.store(input, kind, digest, raw),
      onRead: (bytes) => running.onBytes(bytes),
    });
    for (const path of input.paths) {
      files.push(await cutter.addFile(path));
      running.onFile();
    }
    await cutter.finish();
    return files;
  },
  async put(input, running) {
    for (const { kind, digest, raw } of input.objects) running.store(input, kind, digest, raw);
    return undefined;
  },
  async seal({ op }, running) {
    running.sealed(op);
    return undefined;
  },
  async drop({ op }) {
    writers.get(op)?.abandon();
    writers.delete(op);
    return undefined;
  },
  async hash({ paths }, running) {
    const buffer = new Uint8Array(HASH_BUFFER_BYTES);
    return paths.map((path) => {
      const file = hashFile(path, buffer, (bytes) => running.onBytes(bytes));
      running.onFile();
      return file;
    });
  },
  async export({ files }, running) {
    using packs = new OpenPacks();
    return files.map((file) => {
      const stat = exportPiece(packs, file, (bytes) => running.onBytes(bytes));
      running.onFile();
      return stat;
    });
  },
  async read({ pack, spans }) {
    using packs = new OpenPacks();
    return spans.map((span) => packs.read({ pack, span, at: 0 }));
  },
  async contents({ pack }) {
    const fd = openPack(pack);
    try {
      return readContentsSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  async verifyPack({ pack }, running) {
    let last = 0;
    return verifyPackSync(pack, (done) => {
      running.onBytes(done - last);
      last = done;
    });
  },
  async hashPieces({ pieces }, running) {
    using packs = new OpenPacks();
    return hashPieces(packs, pieces, (bytes) => running.onBytes(bytes));
  },
};

async function run<T extends TaskType>(task: TaskMessage, type: T): Promise<void> {
  const running = new Running(task);
  try {
    // The daemon's side is typed by the same table: `input` belongs to `type`.
    const output = await RUNNERS[type](task.input as TaskInput<T>, running);
    running.report();
    send({ kind: "done", id: task.id, output });
  } catch (error) {
    const known = fromErrno(error, "a worker failed");
    const failure = isSmcError(known) ? known : new SmcError("INTERNAL", String(error instanceof Error ? error.stack : error));
    send({ kind: "failed", id: task.id, error: failure.toJSON() });
  }
}

port.on("message", (message: ToWorker) => {
  if (message.kind === "wanted") answer?.(message.wanted);
  else void run(message.task, message.task.type);
});
