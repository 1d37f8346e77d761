/** What the daemon's thread and its workers say to each other. Everything here survives structured clone. */
import type { MessagePort } from "node:worker_threads";
import type { Digest } from "../objects/digest.ts";
import type { ErrorJson } from "../errors.ts";
import type { EncodeHints } from "../codecs/codec.ts";
import type { Dtype, TensorTable } from "../formats/table.ts";
import type { RecordKind, RecordRow } from "../pack/format.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import type { DamagedRecord, PackContents, PackProblem } from "../pack/reader.ts";
import type { WrittenPack } from "../pack/writer.ts";
import type { FileStat, ReadFile } from "../store.ts";
import type { ComposeCounts } from "../tensors/compose.ts";
import type { RangeDifference } from "../tensors/differences.ts";
import type { Inspection } from "../tensors/inspection.ts";
import type { TensorMatch } from "../tensors/subset.ts";
import type {
  CompareInput,
  ComposePart,
  InspectInput,
  LocalFile,
  SealInput,
  SubsetInput,
} from "./tensor-tasks.ts";

/** Where a write session keeps its packs until they are published. */
export interface SessionFolder {
  readonly op: string;
  readonly folder: string;
  readonly storeId: string;
}

/** A chunk of a file: which record of which pack, and where its bytes go. */
export interface Piece extends ChunkPlace {
  readonly at: number;
  /** It was compared with its SHA-256 already, for who computes that of the whole. */
  readonly isVerified?: boolean;
}

/** A stored blob, readable by a worker. */
export interface PiecedBlob {
  readonly sizeBytes: number;
  /** In order, without gaps. */
  readonly pieces: readonly Piece[];
}

/** A file, or a part of a large file, to be written from chunks. */
export interface ExportPart {
  readonly path: string;
  /** Creates the file; otherwise it exists and is written into. */
  readonly create: boolean;
  readonly executable: boolean;
  /** The bytes to write; both are multiples of 4096 or the end of the file. */
  readonly from: number;
  readonly to: number;
  /** All chunks with bytes between `from` and `to`, in order. */
  readonly pieces: readonly Piece[];
}

/** A stored file that a new one may resemble: an older version, its base, a sibling of another precision. */
export interface ParentFile {
  readonly blob: PiecedBlob;
  readonly fileName: string;
}

export interface AddedFile {
  readonly path: string;
  /** The likeliest first. */
  readonly parents: readonly ParentFile[];
}

/** The bytes of other chunks that say what a chunk is about to be. */
export interface ParentRange {
  readonly places: readonly ChunkPlace[];
  /** Where the range starts in their raw bytes, one after the other. */
  readonly offset: number;
  readonly length: number;
  readonly dtype: Dtype;
  /** The depth of a record that is stored against them. */
  readonly depth: number;
}

export interface ChunkHints extends Omit<EncodeHints, "previous" | "parent"> {
  /** The same for all chunks of one tensor. */
  readonly tensor: number;
  /** The likelier first. */
  readonly parents: readonly ParentRange[];
}

export interface RecodeInput {
  readonly blob: PiecedBlob;
  readonly fileName: string;
  readonly parents: readonly ParentFile[];
  /** Numbers of the pieces that may become differences. */
  readonly wanted: readonly number[];
}

export interface Recoded {
  readonly tried: number;
  readonly shorter: number;
  readonly savedBytes: number;
}

export interface TaskTable {
  /** Reads files, cuts them, stores what is new. */
  add: { input: SessionFolder & { files: readonly AddedFile[] }; output: readonly ReadFile[] };
  /** Stores encoded objects. */
  put: {
    input: SessionFolder & {
      objects: readonly { kind: RecordKind; digest: Digest; raw: Uint8Array }[];
    };
    output: undefined;
  };
  /** Encodes chunks of a stored file again, against its parents; stores those that got shorter. */
  recode: { input: SessionFolder & RecodeInput; output: Recoded };
  /** Stores records of a pack again, as they are; with `encode` in the shortest form that they have alone. */
  copy: {
    input: SessionFolder & {
      pack: string;
      encode?: boolean;
      rows: readonly RecordRow[];
      parents: ReadonlyMap<Digest, readonly ChunkPlace[]>;
    };
    output: undefined;
  };
  /** Ends the session's open pack in this worker. */
  seal: { input: { op: string }; output: undefined };
  /** Forgets the session's open pack in this worker. */
  drop: { input: { op: string }; output: undefined };
  hash: { input: { paths: readonly string[] }; output: readonly ReadFile[] };
  /** Writes verified chunks into files; a stat for each. */
  export: { input: { files: readonly ExportPart[] }; output: readonly FileStat[] };
  /** Verified raw bytes of records. A damaged one is read from another pack, as by all tasks that read chunks. */
  read: { input: { places: readonly ChunkPlace[] }; output: readonly Uint8Array[] };
  /** Reads records there and nowhere else, and keeps nothing. */
  verify: { input: { places: readonly ChunkPlace[] }; output: undefined };
  /** Reads records there and nowhere else; their raw bytes stand in the window, one after the other. */
  readWhole: {
    input: { places: readonly ChunkPlace[]; window: ArrayBuffer };
    output: { window: ArrayBuffer };
  };
  /** Goes on with the SHA-256 of something long; the last part gives it. */
  hashPart: {
    input: { of: string; window: ArrayBuffer; sizeBytes: number; isLast: boolean };
    output: { digest: Digest | undefined; window: ArrayBuffer };
  };
  /** Ends a SHA-256 whose last part does not come. */
  forgetHash: { input: { of: string }; output: undefined };
  /** What a pack says it holds. */
  contents: { input: { pack: string }; output: PackContents };
  /** Of those, the records that are stored against others. */
  differences: { input: { pack: string }; output: readonly RecordRow[] };
  /** The whole records of a pack by its bytes alone, for one whose footer is damaged. */
  scan: { input: { pack: string }; output: readonly RecordRow[] };
  /**
   * Reads every byte of a pack but the content of records in `whole`. `parents` says where those of its differences
   * are.
   */
  verifyPack: {
    input: {
      pack: string;
      /** What it is called, where its file does not say so. */
      name?: Digest;
      parents: ReadonlyMap<Digest, readonly ChunkPlace[]>;
      whole?: ReadonlySet<number>;
    };
    output: readonly PackProblem[];
  };
  /** SHA-256 of a blob's chunks, one after the other; each is compared with its own as well, but those that were. */
  hashPieces: { input: { pieces: readonly Piece[] }; output: Digest };
  /** A picture in SVG as PNG. */
  drawPng: { input: { svg: string }; output: Uint8Array };
  /** Where the tensors of a stored file are; undefined when its format is not known. */
  tensors: { input: { blob: PiecedBlob; fileName: string }; output: TensorTable | undefined };
  /** The same of a file that is not stored. */
  localTensors: { input: LocalFile & { fileName: string }; output: TensorTable | undefined };
  /** How far ranges of two files are apart. */
  compareTensors: { input: CompareInput; output: readonly RangeDifference[] };
  /** What a file holds and what is wrong with it. */
  inspect: { input: InspectInput; output: Inspection };
  /** The tensors of a stored file whose names match one of the patterns; undefined when its format is not known. */
  matchTensors: {
    input: { blob: PiecedBlob; fileName: string; patterns: readonly string[] };
    output: TensorMatch | undefined;
  };
  /** Writes a safetensors file of tensors of stored files. */
  writeSubset: { input: SubsetInput; output: { sizeBytes: number } };
  /** Writes a part of a file that is made of stored ones. */
  compose: { input: ComposePart; output: ComposeCounts };
  /** Makes a composed archive's checksums right. */
  sealArchive: { input: SealInput; output: undefined };
}

export type TaskType = keyof TaskTable;
/** Tasks that the storer does; the worker does the others. */
export type StorerTask = "put" | "recode" | "copy" | "seal" | "drop" | "hashPart" | "forgetHash";
export const STORER_TASKS: ReadonlySet<TaskType> = new Set<StorerTask>([
  "put",
  "recode",
  "copy",
  "seal",
  "drop",
  "hashPart",
  "forgetHash",
]);
export type TaskInput<T extends TaskType> = TaskTable[T]["input"];
export type TaskOutput<T extends TaskType> = TaskTable[T]["output"];

export interface TaskMessage {
  readonly id: number;
  readonly type: TaskType;
  readonly input: TaskInput<TaskType>;
  /** One int32 in shared memory; not 0 means: stop. */
  readonly stop: Int32Array;
}

export type ToWorker =
  /** `storers` are those that an `add` may use, the first one also for what is small. */
  | { readonly kind: "task"; readonly task: TaskMessage; readonly storers: readonly number[] }
  | { readonly kind: "storer"; readonly storer: number; readonly port: MessagePort };

export type ToStorer =
  | { readonly kind: "task"; readonly task: TaskMessage }
  | { readonly kind: "cutter"; readonly port: MessagePort }
  /** Answer to "ask": one byte a digest, 1 = store it. */
  | { readonly kind: "wanted"; readonly wanted: Uint8Array };

/** From a worker to its storer, on behalf of task `id`. */
export type StoreRequest = { readonly id: number; readonly session: SessionFolder } & (
  | {
      readonly kind: "chunks";
      readonly window: ArrayBuffer;
      /** Start and length of each chunk in turn. */
      readonly spans: Int32Array;
      /** What is known about the chunk of the same index; empty when nothing is known about any. */
      readonly hints: readonly (ChunkHints | undefined)[];
    }
  | { readonly kind: "lists"; readonly raws: readonly Uint8Array[] }
);

/**
 * In the order of the requests. The packs that became full come this way too: messages of two threads reach the daemon
 * in any order, and a pack that came after its task's end would belong to nobody.
 */
export type StoreReply = Stored | { readonly error: ErrorJson };

export interface Stored {
  readonly digests: readonly Digest[];
  readonly packs: readonly WrittenPack[];
  /** That of the request. */
  readonly window?: ArrayBuffer;
}

/** The memory that goes to the other thread with what is sent, and is gone here. */
export function memoryOf(sent: unknown): ArrayBuffer[] {
  const isHolder = typeof sent === "object" && sent !== null && "window" in sent;
  return isHolder && sent.window instanceof ArrayBuffer ? [sent.window] : [];
}

export type FromWorker =
  | { readonly kind: "done"; readonly id: number; readonly output: TaskOutput<TaskType> }
  | { readonly kind: "failed"; readonly id: number; readonly error: ErrorJson }
  | { readonly kind: "progress"; readonly id: number; readonly bytes: number; readonly files: number }
  /** Which of these records, all of one kind, are new to the store and to the session? */
  | {
      readonly kind: "ask";
      readonly id: number;
      readonly digests: readonly Digest[];
      readonly record: RecordKind;
    }
  /** Where else are these chunks? The thread waits until `answered` is 1 and the answer lies in `reply`. */
  | {
      readonly kind: "elsewhere";
      readonly id: number;
      readonly digests: readonly Digest[];
      readonly damaged: readonly DamagedRecord[];
      readonly reply: MessagePort;
      readonly answered: Int32Array;
    }
  /** A pack is written whole: sync it while the storer goes on. */
  | { readonly kind: "pack"; readonly id: number; readonly pack: WrittenPack };
