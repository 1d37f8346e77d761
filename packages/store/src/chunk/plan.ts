/**
 * How a file is cut. A plan is advice: it decides what is shared, never what the bytes are.
 * A plan's number is written into every chunklist; its rules are frozen once released, the parser's included.
 */
import { type TensorSpan, type TensorTable, widthOf } from "../formats/table.ts";
import { CHUNK_BYTES_MAX } from "../objects/objects.ts";
import { gearCut } from "./gear.ts";

/** A tensor of this size starts a chunk; smaller neighbours share one. */
const TENSOR_BYTES_MIN = 64 * 1024;
/** The same for elements of one byte: a quantised tensor is short because its sibling has chunks of its own. */
const NARROW_BYTES_MIN = 16 * 1024;
/** A gap of this size between tensors is cut by its content; a smaller one belongs to its neighbours. */
const GAP_BYTES_MIN = 4 * 1024;
const RUN_BYTES_MAX = 1024 * 1024;

/** Format → number of its plan. 1 is gear alone. */
export const PLAN_IDS: ReadonlyMap<string, number> = new Map([
  ["safetensors", 2],
  ["GGUF", 3],
  ["PyTorch", 4],
  ["ONNX", 5],
  ["HDF5", 6],
  ["Keras", 7],
  ["NPY", 8],
  ["NPZ", 9],
  ["TensorFlow.js data", 10],
  ["ONNX data", 11],
]);
const GEAR_ID = 1;

/** A stretch of a file that is cut by one rule. */
export interface Segment {
  readonly from: number;
  readonly to: number;
  /** One tensor, several small ones with the gaps between them, or bytes without known structure. */
  readonly kind: "tensor" | "run" | "bytes";
  /** Those in it, in order. */
  readonly tensors: readonly TensorSpan[];
}

export interface CutPlan {
  readonly id: number;
  /** In order, without gaps, over the whole file. */
  readonly segments: readonly Segment[];
}

/** Without a table, or with one that is not sound: gear over the whole file. */
export function planOf(table: TensorTable | undefined, sizeBytes: number): CutPlan {
  const id = table === undefined ? undefined : PLAN_IDS.get(table.format);
  if (table === undefined || id === undefined || !isSound(table.tensors, sizeBytes)) {
    return { id: GEAR_ID, segments: [bytesBetween(0, sizeBytes)] };
  }
  return { id, segments: segmentsOf(table.tensors, sizeBytes) };
}

/** In order, apart, inside of the file, and at least one. */
function isSound(tensors: readonly TensorSpan[], sizeBytes: number): boolean {
  let at = 0;
  for (const { offset, length } of tensors) {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < at || length < 0)
      return false;
    at = offset + length;
  }
  return at > 0 && at <= sizeBytes;
}

function bytesBetween(from: number, to: number): Segment {
  return { from, to, kind: "bytes", tensors: [] };
}

/** Bytes before the first tensor and after the last are never part of a run: headers change more often than weights. */
function segmentsOf(tensors: readonly TensorSpan[], sizeBytes: number): Segment[] {
  const segments: Segment[] = [];
  let run: TensorSpan[] = [];
  let runFrom = 0;
  let at = 0;
  const endRun = (): void => {
    if (run.length > 0) segments.push({ from: runFrom, to: at, kind: "run", tensors: run });
    run = [];
  };
  for (const tensor of tensors) {
    if (tensor.length === 0) continue;
    const isLarge = tensor.length >= (widthOf(tensor.dtype) === 1 ? NARROW_BYTES_MIN : TENSOR_BYTES_MIN);
    const end = tensor.offset + tensor.length;
    const gap = tensor.offset - at;
    if (isLarge || gap >= GAP_BYTES_MIN || end - runFrom > RUN_BYTES_MAX) endRun();
    if (run.length === 0 && gap > 0) segments.push(bytesBetween(at, tensor.offset));
    if (isLarge) segments.push({ from: tensor.offset, to: end, kind: "tensor", tensors: [tensor] });
    else {
      if (run.length === 0) runFrom = tensor.offset;
      run.push(tensor);
    }
    at = end;
  }
  endRun();
  if (at < sizeBytes) segments.push(bytesBetween(at, sizeBytes));
  return segments;
}

/** Known bytes of a file from where the last cut was; `isEnd` when the segment's rest is among them. */
export interface KnownBytes {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * Length of the next chunk, at most CHUNK_BYTES_MAX, or undefined when more bytes must be known: fewer than
 * CHUNK_BYTES_MAX are, and the segment goes on. `left` is what is left of the segment.
 */
export function cutSegment(segment: Segment, left: number, known: KnownBytes): number | undefined {
  const available = Math.min(known.end - known.start, left);
  if (available < left && available < CHUNK_BYTES_MAX) return undefined;
  if (segment.kind === "bytes") return gearCut(known.bytes, known.start, known.start + available);
  return Math.min(available, stepOf(segment));
}

/** Chunks of a tensor end between elements, and between blocks of a quantised one. */
function stepOf({ tensors: [tensor] }: Segment): number {
  const unit = tensor?.block?.strideBytes ?? (tensor === undefined ? 1 : (widthOf(tensor.dtype) ?? 1));
  return CHUNK_BYTES_MAX - (CHUNK_BYTES_MAX % unit);
}
