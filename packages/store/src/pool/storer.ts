/**
 * Entry of a storer thread: hashes chunks, asks which are new, encodes them and appends them to the session's pack.
 * Takes one thing at a time, in order.
 */
import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { type MessagePort, parentPort, threadId } from "node:worker_threads";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { encodeBest } from "../codecs/registry.ts";
import type { WrittenPack } from "../pack/writer.ts";
import { alignedMemory, BLOCKS_BYTES } from "../pack/block-file.ts";
import type { RecordKind } from "../pack/format.ts";
import { type EncodedRecord, type NewRecord as PackRecord, PackWriter } from "../pack/writer.ts";
import { askElsewhere } from "./ask-elsewhere.ts";
import { copyRecords, recodeBlob, type Recoder } from "./recode.ts";
import { stepBack } from "./priority.ts";
import { Encoder } from "./encoder.ts";
import {
  type ChunkHints,
  type FromWorker,
  memoryOf,
  type SessionFolder,
  type StoreReply,
  type StoreRequest,
  type TaskInput,
  type TaskMessage,
  type TaskOutput,
  type TaskType,
  type ToStorer,
} from "./tasks.ts";

const parent = parentPort;
if (parent === null) throw new Error("storer.ts runs in a worker thread");
stepBack();
const send = (message: FromWorker, transfer: readonly (MessagePort | ArrayBuffer)[] = []): void =>
  parent.postMessage(message, transfer);

interface OpenPack {
  readonly writer: PackWriter;
  readonly memory: Uint8Array;
}

const sessions = new Map<string, Encoder>();

const hashes = new Map<string, Hash>();

const open = new Map<string, OpenPack>();
/** Memory of packs that are done, for the next ones. */
const memories: Uint8Array[] = [];
let packCount = 0;
/** Packs that a worker's request filled; they go with its answer. Undefined while a task runs. */
let filled: WrittenPack[] | undefined;
let answer: ((wanted: Uint8Array) => void) | undefined;
let last: Promise<void> = Promise.resolve();

function ask(id: number, digests: readonly Digest[], record: RecordKind): Promise<Uint8Array> {
  return new Promise((resolve) => {
    answer = resolve;
    send({ kind: "ask", id, digests, record });
  });
}

function forget(op: string): void {
  sessions.get(op)?.[Symbol.dispose]();
  sessions.delete(op);
}

async function seal(id: number, op: string): Promise<void> {
  const pack = open.get(op);
  if (pack === undefined) return;
  open.delete(op);
  const written = await pack.writer.finish();
  memories.push(pack.memory);
  if (filled === undefined) send({ kind: "pack", id, pack: written });
  else filled.push(written);
}

async function drop(op: string): Promise<void> {
  const pack = open.get(op);
  if (pack === undefined) return;
  open.delete(op);
  await pack.writer.abandon();
  memories.push(pack.memory);
}

interface NewRecord {
  readonly kind: RecordKind;
  readonly digest: Digest;
  readonly raw: Uint8Array;
  readonly hints?: ChunkHints | undefined;
}

/** In its shortest form. */
async function store(
  id: number,
  session: SessionFolder,
  { kind, digest, raw, hints }: NewRecord,
): Promise<void> {
  const encoded = hints === undefined ? encodeBest(raw) : encoderOf(session.op).encode(id, raw, hints);
  await append(id, session, { kind, digest, rawBytes: raw.length }, encoded);
}

/** Appends to the session's pack; starts the next one when it is full. */
async function append(
  id: number,
  session: SessionFolder,
  record: PackRecord,
  encoded: EncodedRecord,
): Promise<void> {
  let pack = open.get(session.op);
  if (pack === undefined) {
    packCount += 1;
    const path = join(session.folder, `${threadId}-${packCount}.pack`);
    const memory = memories.pop() ?? alignedMemory(BLOCKS_BYTES);
    pack = { writer: await PackWriter.create(path, session.storeId, memory), memory };
    open.set(session.op, pack);
  }
  await pack.writer.add(record, encoded);
  if (pack.writer.isFull()) await seal(id, session.op);
}

/** The digest is undefined until the last part. */
function hashPart({ of, window, sizeBytes, isLast }: TaskInput<"hashPart">): TaskOutput<"hashPart"> {
  const hash = hashes.get(of) ?? createHash("sha256");
  hashes.set(of, hash);
  hash.update(new Uint8Array(window, 0, sizeBytes));
  return { digest: isLast ? (hash.digest("hex") as Digest) : undefined, window };
}

function encoderOf(op: string): Encoder {
  const known = sessions.get(op) ?? new Encoder();
  sessions.set(op, known);
  return known;
}

/** All of one kind. */
async function storeNew(id: number, session: SessionFolder, records: readonly NewRecord[]): Promise<void> {
  const [first] = records;
  if (first === undefined) return;
  const digests = records.map(({ digest }) => digest);
  const wanted = await ask(id, digests, first.kind);
  for (const [index, record] of records.entries()) {
    if (wanted[index] === 1) await store(id, session, record);
  }
}

async function handle(request: StoreRequest): Promise<readonly Digest[]> {
  const { id, session } = request;
  if (request.kind === "lists") {
    const lists = request.raws.map((raw) => ({ kind: "chunklist" as const, digest: hashBytes(raw), raw }));
    await storeNew(id, session, lists);
    return [];
  }
  const window = new Uint8Array(request.window);
  const records: NewRecord[] = [];
  for (let index = 0; index < request.spans.length; index += 2) {
    const start = request.spans[index] ?? 0;
    const raw = window.subarray(start, start + (request.spans[index + 1] ?? 0));
    records.push({ kind: "chunk", digest: hashBytes(raw), raw, hints: request.hints[index / 2] });
  }
  await storeNew(id, session, records);
  return records.map(({ digest }) => digest);
}

async function runTask({ id, type, input, stop }: TaskMessage): Promise<TaskOutput<TaskType>> {
  const recoder = (session: SessionFolder): Recoder => ({
    elsewhere: askElsewhere(id, send),
    encode: (raw, hints) => encoderOf(session.op).encode(id, raw, hints),
    append: (record, encoded) => append(id, session, record, encoded),
    onBytes: () => {
      if (Atomics.load(stop, 0) !== 0) throw new SmcError("CANCELED", "stopped");
    },
  });
  if (type === "recode" && "blob" in input && "op" in input) return recodeBlob(input, recoder(input));
  if (type === "copy" && "rows" in input) {
    await copyRecords(input, recoder(input));
  } else if (type === "put" && "objects" in input) {
    for (const object of input.objects) await store(id, input, object);
  } else if (type === "hashPart" && "window" in input && "of" in input) {
    return hashPart(input);
  } else if (type === "forgetHash" && "of" in input) {
    hashes.delete(input.of);
  } else if (type === "seal" && "op" in input) {
    forget(input.op);
    await seal(id, input.op);
  } else if (type === "drop" && "op" in input) {
    forget(input.op);
    await drop(input.op);
  }
  return undefined;
}

function failure(error: unknown): SmcError {
  const known = fromErrno(error, "a worker failed");
  return isSmcError(known)
    ? known
    : new SmcError("INTERNAL", error instanceof Error ? String(error.stack) : String(error));
}

/** Runs after everything that came before, whether that failed or not. */
function enqueue(action: () => Promise<void>): void {
  last = last.then(action);
}

function serve(port: MessagePort): void {
  const reply = (message: StoreReply): void => port.postMessage(message, memoryOf(message));
  port.on("message", (request: StoreRequest) => {
    enqueue(async () => {
      const packs: WrittenPack[] = [];
      filled = packs;
      try {
        const digests = await handle(request);
        reply({ digests, packs, ...("window" in request ? { window: request.window } : {}) });
      } catch (error) {
        reply({ error: failure(error).toJSON() });
      } finally {
        filled = undefined;
      }
    });
  });
}

parent.on("message", (message: ToStorer) => {
  switch (message.kind) {
    case "wanted":
      return answer?.(message.wanted);
    case "cutter":
      return serve(message.port);
    case "task":
      return enqueue(async () => {
        try {
          const output = await runTask(message.task);
          send({ kind: "done", id: message.task.id, output }, memoryOf(output));
        } catch (error) {
          send({ kind: "failed", id: message.task.id, error: failure(error).toJSON() });
        }
      });
  }
});
