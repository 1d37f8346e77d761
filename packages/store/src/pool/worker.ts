/**
 * Entry of a worker thread: runs one task at a time; files and packs are read and written here, never in the daemon's
 * thread.
 */
import { closeSync } from "node:fs";
import { type MessagePort, parentPort } from "node:worker_threads";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { parseTensors } from "../formats/formats.ts";
import { OpenPacks } from "../pack/open-packs.ts";
import {
  openPack,
  type PackContents,
  readContentsSync,
  scanRecordsSync,
  verifyPackSync,
} from "../pack/reader.ts";
import { askElsewhere } from "./ask-elsewhere.ts";
import { type ChunksOfWindow, Cutter, type StoredChunks, type Storer, Window } from "./cutter.ts";
import { BlobSource } from "./blob-source.ts";
import { stepBack } from "./priority.ts";
import { exportPart, hashPieces } from "./export.ts";
import { hashFile } from "./read-file.ts";
import { matchTensors } from "../tensors/subset.ts";
import {
  compareTensors,
  composePart,
  inspectFile,
  localTensors,
  sealArchive,
  writeSubset,
} from "./tensor-tasks.ts";
import {
  type FromWorker,
  type SessionFolder,
  STORER_TASKS,
  type StorerTask,
  memoryOf,
  type Stored,
  type StoreReply,
  type StoreRequest,
  type TaskInput,
  type TaskMessage,
  type TaskOutput,
  type TaskType,
  type ToWorker,
} from "./tasks.ts";

const HASH_BUFFER_BYTES = 1024 * 1024;
/** Bytes between two progress messages. */
const PROGRESS_BYTES = 8 * 1024 * 1024;
/** Of 12 MiB each. */
const WINDOWS_MAX = 4;

const port = parentPort;
if (port === null) throw new Error("worker.ts runs in a worker thread");
stepBack();
const send = (message: FromWorker, transfer: readonly (MessagePort | ArrayBuffer)[] = []): void =>
  port.postMessage(message, transfer);

/** A storer, and requests that it has not answered yet, oldest first. */
interface ConnectedStorer {
  readonly port: MessagePort;
  readonly waiting: ((reply: StoreReply) => void)[];
}

let windows: Window[] = [];
/** For its memory, which is used again; no pack stays open. */
let wholePacks: OpenPacks | undefined;
const storers = new Map<number, ConnectedStorer>();

/** Sends windows and chunklists of one task to the storers in turn. */
class StorerPorts implements Storer {
  readonly #id: number;
  readonly #session: SessionFolder;
  readonly #storers: readonly ConnectedStorer[];
  #next = 0;

  constructor(id: number, { op, folder, storeId }: SessionFolder, indexes: readonly number[]) {
    this.#id = id;
    this.#session = { op, folder, storeId };
    this.#storers = indexes.flatMap((index) => storers.get(index) ?? []);
  }

  get count(): number {
    return this.#storers.length;
  }

  async storeChunks(window: ArrayBuffer, chunks: ChunksOfWindow): Promise<StoredChunks> {
    const storer = this.#storers[this.#next % this.#storers.length];
    this.#next += 1;
    const { id, session } = { id: this.#id, session: this.#session };
    const stored = await this.#send(storer, { id, session, kind: "chunks", window, ...chunks });
    if (stored.window === undefined) throw new SmcError("INTERNAL", "a storer kept the memory of a window");
    return { digests: stored.digests, window: stored.window };
  }

  async storeChunklists(raws: readonly Uint8Array[]): Promise<void> {
    await this.#send(this.#storers[0], { id: this.#id, session: this.#session, kind: "lists", raws });
  }

  #send(storer: ConnectedStorer | undefined, request: StoreRequest): Promise<Stored> {
    return new Promise((resolve, reject) => {
      if (storer === undefined) return reject(new SmcError("INTERNAL", "a worker without a storer"));
      storer.waiting.push((reply) => {
        if ("error" in reply) return reject(SmcError.fromJSON(reply.error));
        for (const pack of reply.packs) send({ kind: "pack", id: this.#id, pack });
        resolve(reply);
      });
      storer.port.postMessage(request, memoryOf(request));
    });
  }
}

/** What one running task tells the daemon. */
class Running {
  readonly #task: TaskMessage;
  #bytes = 0;
  #files = 0;

  constructor(task: TaskMessage) {
    this.#task = task;
  }

  get id(): number {
    return this.#task.id;
  }

  onBytes(bytes: number): void {
    if (Atomics.load(this.#task.stop, 0) !== 0) throw new SmcError("CANCELED", "stopped");
    this.#bytes += bytes;
    if (this.#bytes >= PROGRESS_BYTES) this.report();
  }

  /** Reads around damage. */
  openPacks(): OpenPacks {
    return new OpenPacks({ elsewhere: askElsewhere(this.id, send) });
  }

  onFile(): void {
    this.#files += 1;
  }

  report(): void {
    send({ kind: "progress", id: this.#task.id, bytes: this.#bytes, files: this.#files });
    this.#bytes = 0;
    this.#files = 0;
  }
}

type WorkerTask = Exclude<TaskType, StorerTask>;
type TaskRunners = {
  readonly [T in WorkerTask]: (
    input: TaskInput<T>,
    running: Running,
    storers: readonly number[],
  ) => Promise<TaskOutput<T>>;
};

const RUNNERS: TaskRunners = {
  async add(input, running, indexes) {
    const ports = new StorerPorts(running.id, input, indexes);
    windows = windows.filter(({ bytes }) => bytes.length > 0);
    // One is filled while each storer works on another; more than a few only take memory.
    const count = Math.min(ports.count + 1, WINDOWS_MAX);
    while (windows.length < count) windows.push(new Window());
    const cutter = new Cutter(ports, windows.slice(0, count), (bytes) => running.onBytes(bytes));
    try {
      for (const file of input.files) {
        await cutter.addFile(file);
        running.onFile();
      }
      return await cutter.finish();
    } finally {
      await cutter.settle();
    }
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
    using packs = running.openPacks();
    return files.map((file) => {
      const stat = exportPart(packs, file, (bytes) => running.onBytes(bytes));
      running.onFile();
      return stat;
    });
  },
  async read({ places }, running) {
    using packs = running.openPacks();
    return places.map((place) => packs.read(place).slice());
  },
  async verify({ places }, running) {
    using packs = new OpenPacks({ crc: true });
    for (const place of places) running.onBytes(packs.read(place).length);
    return undefined;
  },
  async readWhole({ places, window }, running) {
    wholePacks ??= new OpenPacks({ crc: true });
    using packs = wholePacks;
    let used = 0;
    for (const place of places) {
      const raw = packs.read(place);
      if (raw.length !== place.span.rawBytes || used + raw.length > window.byteLength)
        throw new SmcError("OBJECT_CORRUPT", `${place.span.digest} has ${raw.length} bytes`);
      new Uint8Array(window, used, raw.length).set(raw);
      used += raw.length;
      running.onBytes(raw.length);
    }
    return { window };
  },
  async contents({ pack }) {
    return readContents(pack);
  },
  async differences({ pack }) {
    return readContents(pack).rows.filter(({ parents }) => parents !== undefined);
  },
  async scan({ pack }) {
    const fd = openPack(pack);
    try {
      return scanRecordsSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  async verifyPack({ pack, name, parents, whole }, running) {
    using packs = new OpenPacks();
    return verifyPackSync(pack, {
      ...(name === undefined ? {} : { name }),
      ...(whole === undefined ? {} : { whole }),
      onBytes: (bytes) => running.onBytes(bytes),
      parentOf: (digest) => {
        const places = parents.get(digest);
        return places === undefined ? undefined : packs.readAll(places);
      },
    });
  },
  async hashPieces({ pieces }, running) {
    using packs = running.openPacks();
    return hashPieces(packs, pieces, (bytes) => running.onBytes(bytes));
  },
  async drawPng({ svg }) {
    const { drawPng } = await import("../jobs/draw-png.ts");
    return drawPng(svg);
  },
  async tensors({ blob, fileName }, running) {
    using packs = running.openPacks();
    return parseTensors(new BlobSource(packs, blob), fileName);
  },
  async localTensors({ path, fileName }) {
    return localTensors(path, fileName);
  },
  async compareTensors(input, running) {
    using packs = running.openPacks();
    return compareTensors(packs, input, (bytes) => running.onBytes(bytes));
  },
  async inspect(input, running) {
    using packs = running.openPacks();
    return inspectFile(packs, input, (bytes) => running.onBytes(bytes));
  },
  async matchTensors({ blob, ...wanted }, running) {
    using packs = running.openPacks();
    return matchTensors(new BlobSource(packs, blob), wanted);
  },
  async writeSubset(input, running) {
    using packs = running.openPacks();
    return writeSubset(packs, input, (bytes) => running.onBytes(bytes));
  },
  async compose(input, running) {
    using packs = running.openPacks();
    return composePart(packs, input, (bytes) => running.onBytes(bytes));
  },
  async sealArchive(input, running) {
    sealArchive(input, (bytes) => running.onBytes(bytes));
    return undefined;
  },
};

function readContents(pack: string): PackContents {
  const fd = openPack(pack);
  try {
    return readContentsSync(fd);
  } finally {
    closeSync(fd);
  }
}

async function run<T extends WorkerTask>(
  task: TaskMessage,
  type: T,
  indexes: readonly number[],
): Promise<void> {
  const running = new Running(task);
  try {
    // The daemon's side is typed by the same table: `input` belongs to `type`.
    const output = await RUNNERS[type](task.input as TaskInput<T>, running, indexes);
    running.report();
    send({ kind: "done", id: task.id, output }, memoryOf(output));
  } catch (error) {
    const known = fromErrno(error, "a worker failed");
    const failure = isSmcError(known)
      ? known
      : new SmcError("INTERNAL", String(error instanceof Error ? error.stack : error));
    send({ kind: "failed", id: task.id, error: failure.toJSON() });
  }
}

function isWorkerTask(type: TaskType): type is WorkerTask {
  return !STORER_TASKS.has(type);
}

port.on("message", (message: ToWorker) => {
  if (message.kind === "storer") {
    const storer: ConnectedStorer = { port: message.port, waiting: [] };
    storer.port.on("message", (reply: StoreReply) => storer.waiting.shift()?.(reply));
    storer.port.unref();
    storers.set(message.storer, storer);
  } else if (isWorkerTask(message.task.type)) {
    void run(message.task, message.task.type, message.storers);
  }
});
