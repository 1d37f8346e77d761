/**
 * What the payloads of PLN, PLS, XPL, FXD and DRV share: a header, the sizes of the blocks, the bytes that are no whole
 * elements, and blocks of elements that are decoded one by one. Described in docs/design/format.md.
 */
import { SmcError } from "../errors.ts";
import { type Kernels, openKernels, outsideKernels, runKernels } from "./kernels.ts";

/** The largest record that is coded in blocks: a whole chunk. */
export const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** Raw bytes of one block. */
export const BLOCK_BYTES = 1024 * 1024;
/** A block that no table made shorter is this much longer than its elements, at most. */
const BLOCK_EXCESS_BYTES = 16 * 1024;
const SIZE_BYTES = 4;

/** How a payload is cut. */
export interface Framing {
  readonly name: string;
  /** The codec's own header, before the sizes of the blocks. */
  readonly headerBytes: number;
  readonly elementBytes: number;
  readonly blockElements: number;
  /** Bytes before the first element. */
  readonly lead: number;
  /** Of a delta: bytes of the parent beside one element, and before the first of them. */
  readonly parent?: { readonly elementBytes: number; readonly lead: number };
}

/** One block in the memory of the kernels; `end` and `to` are addresses too. */
export interface BlockInMemory {
  readonly from: number;
  readonly end: number;
  readonly to: number;
  /** Of the parent's elements. */
  readonly parent: number;
  readonly count: number;
}

export interface PlainBlock {
  readonly stored: Uint8Array;
  readonly raw: Uint8Array;
  readonly parent: Uint8Array;
  readonly count: number;
}

/** The two ways to decode a block: with kernels (false: it is damaged) and without (throws OBJECT_CORRUPT). */
export interface BlockDecoder {
  readonly withKernels: (kernels: Kernels, block: BlockInMemory) => boolean;
  readonly plainly: (block: PlainBlock) => void;
}

export function damaged(name: string, what: string): SmcError {
  return new SmcError("OBJECT_CORRUPT", `${name}: ${what}`);
}

/** Whole elements in `rawBytes` bytes. */
export function countElements({ lead, elementBytes }: Framing, rawBytes: number): number {
  return Math.max(0, Math.floor((rawBytes - lead) / elementBytes));
}

function countBlocks(framing: Framing, rawBytes: number): number {
  return Math.ceil(countElements(framing, rawBytes) / framing.blockElements);
}

/** Bytes of the parent that belong to a record of `rawBytes`. */
function parentBytes(framing: Framing, rawBytes: number): number {
  if (framing.parent === undefined) return 0;
  const { elementBytes, lead } = framing.parent;
  return lead === framing.lead && elementBytes === framing.elementBytes
    ? rawBytes
    : lead + countElements(framing, rawBytes) * elementBytes;
}

/** `header` must have `headerBytes`. `encode` codes the block and returns where its output ends. */
export interface EncodeJob {
  readonly framing: Framing;
  readonly header: Uint8Array;
  readonly raw: Uint8Array;
  readonly parent?: Uint8Array | undefined;
  readonly encode: (kernels: Kernels, block: Omit<BlockInMemory, "end">) => number;
}

/**
 * A payload, in memory of the kernels until the next call. Undefined where there are no kernels, no whole element, too
 * many bytes, or a parent of another length.
 */
export function encodeInBlocks(job: EncodeJob): Uint8Array | undefined {
  const { framing, raw } = job;
  const kernels = openKernels();
  if (kernels === undefined || raw.length > CHUNK_BYTES_MAX || countElements(framing, raw.length) === 0) {
    return undefined;
  }
  if ((job.parent?.length ?? 0) !== parentBytes(framing, raw.length)) return undefined;
  return runKernels(kernels, () =>
    writePayload(kernels, {
      ...job,
      raw: outsideKernels(raw),
      parent: job.parent && outsideKernels(job.parent),
    }),
  );
}

function writePayload(kernels: Kernels, { framing, header, raw, parent, encode }: EncodeJob): Uint8Array {
  const { memory, at } = kernels;
  const view = new DataView(memory.buffer);
  const { lead, elementBytes, blockElements } = framing;
  const elements = countElements(framing, raw.length);
  const elementsEnd = lead + elements * elementBytes;
  memory.set(header, at.CHUNK_0);
  let sizeAt = at.CHUNK_0 + header.length;
  let out = sizeAt + countBlocks(framing, raw.length) * SIZE_BYTES;
  for (const rest of [raw.subarray(0, lead), raw.subarray(elementsEnd)]) {
    memory.set(rest, out);
    out += rest.length;
  }
  for (let done = 0; done < elements; done += blockElements) {
    const count = Math.min(blockElements, elements - done);
    const start = lead + done * elementBytes;
    memory.set(raw.subarray(start, start + count * elementBytes), at.INPUT);
    if (parent !== undefined && framing.parent !== undefined) {
      const parentStart = framing.parent.lead + done * framing.parent.elementBytes;
      const parentEnd = parentStart + count * framing.parent.elementBytes;
      memory.set(parent.subarray(parentStart, parentEnd), at.PARENT);
    }
    const end = encode(kernels, { from: at.INPUT, parent: at.PARENT, to: out, count });
    view.setUint32(sizeAt, end - out, true);
    sizeAt += SIZE_BYTES;
    out = end;
  }
  return memory.subarray(at.CHUNK_0, out);
}

/** What a payload is made of, checked: every size fits, and nothing is left over. */
interface Parts {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
  readonly blocks: readonly Uint8Array[];
}

function cutPayload(framing: Framing, stored: Uint8Array, rawBytes: number): Parts {
  const { name, headerBytes, lead, elementBytes } = framing;
  const tailBytes = rawBytes - lead - countElements(framing, rawBytes) * elementBytes;
  const blockCount = countBlocks(framing, rawBytes);
  let at = headerBytes + blockCount * SIZE_BYTES + lead + tailBytes;
  if (rawBytes > CHUNK_BYTES_MAX) throw damaged(name, `a chunk of ${rawBytes} bytes`);
  if (rawBytes < lead || at > stored.length) throw damaged(name, "the header is damaged");
  const view = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  const blocks: Uint8Array[] = [];
  for (let block = 0; block < blockCount; block++) {
    const size = view.readUInt32LE(headerBytes + block * SIZE_BYTES);
    if (size > BLOCK_BYTES + BLOCK_EXCESS_BYTES || at + size > stored.length) {
      throw damaged(name, `a block of ${size} bytes`);
    }
    blocks.push(stored.subarray(at, at + size));
    at += size;
  }
  if (at !== stored.length) throw damaged(name, `${stored.length - at} bytes are left over`);
  const restAt = headerBytes + blockCount * SIZE_BYTES;
  return {
    head: stored.subarray(restAt, restAt + lead),
    tail: stored.subarray(restAt + lead, restAt + lead + tailBytes),
    blocks,
  };
}

interface DecodeJob {
  readonly framing: Framing;
  readonly stored: Uint8Array;
  readonly rawBytes: number;
  readonly parent?: Uint8Array | undefined;
  readonly decoder: BlockDecoder;
}

/** Exactly `rawBytes` bytes, in memory of the kernels until the next call. Throws OBJECT_CORRUPT. */
export function decodeInBlocks(job: DecodeJob): Uint8Array {
  const kernels = openKernels();
  if (kernels === undefined) return decodePlainly(job);
  const parts = checkedParts(job);
  const raw = runKernels(kernels, () => decodeWithKernels(kernels, job, parts));
  if (raw === undefined) throw damaged(job.framing.name, "a block is damaged");
  return raw;
}

function checkedParts({ framing, stored, rawBytes, parent }: DecodeJob): Parts {
  const parts = cutPayload(framing, stored, rawBytes);
  const wanted = parentBytes(framing, rawBytes);
  if ((parent?.length ?? 0) !== wanted) {
    throw damaged(framing.name, `${parent?.length ?? 0} bytes of a parent instead of ${wanted}`);
  }
  return parts;
}

/** Where to decode to: neither over the parent nor over the stored bytes, when those are in this memory. */
function freeChunk({ memory, at }: Kernels, taken: readonly (Uint8Array | undefined)[]): number | undefined {
  const isTaken = (start: number, end: number): boolean =>
    taken.some(
      (bytes) =>
        bytes?.buffer === memory.buffer && bytes.byteOffset < end && bytes.byteOffset + bytes.length > start,
    );
  if (!isTaken(at.CHUNK_0, at.CHUNK_1)) return at.CHUNK_0;
  return isTaken(at.CHUNK_1, memory.length) ? undefined : at.CHUNK_1;
}

function decodeWithKernels(kernels: Kernels, job: DecodeJob, { head, tail, blocks }: Parts): Uint8Array {
  const { framing, rawBytes, decoder } = job;
  const { memory, at } = kernels;
  let { parent } = job;
  let target = freeChunk(kernels, [job.stored, parent]);
  if (target === undefined) {
    parent = parent && new Uint8Array(parent);
    target = freeChunk(kernels, [job.stored]) ?? at.CHUNK_1;
  }
  const elements = countElements(framing, rawBytes);
  memory.set(head, target);
  for (const [index, stored] of blocks.entries()) {
    const done = index * framing.blockElements;
    const count = Math.min(framing.blockElements, elements - done);
    memory.set(stored, at.INPUT);
    if (parent !== undefined && framing.parent !== undefined) {
      const start = framing.parent.lead + done * framing.parent.elementBytes;
      memory.set(parent.subarray(start, start + count * framing.parent.elementBytes), at.PARENT);
    }
    const to = target + framing.lead + done * framing.elementBytes;
    const block = { from: at.INPUT, end: at.INPUT + stored.length, to, parent: at.PARENT, count };
    if (!decoder.withKernels(kernels, block)) throw damaged(framing.name, `block ${index} is damaged`);
  }
  memory.set(tail, target + rawBytes - tail.length);
  return memory.subarray(target, target + rawBytes);
}

/** The same without kernels: slower by a factor of ten or more. */
export function decodePlainly(job: DecodeJob): Uint8Array {
  const { framing, rawBytes, decoder, parent } = job;
  const { head, tail, blocks } = checkedParts(job);
  const elements = countElements(framing, rawBytes);
  const raw = Buffer.alloc(rawBytes);
  raw.set(head, 0);
  raw.set(tail, rawBytes - tail.length);
  for (const [index, stored] of blocks.entries()) {
    const done = index * framing.blockElements;
    const count = Math.min(framing.blockElements, elements - done);
    const from = framing.lead + done * framing.elementBytes;
    const parentFrom = (framing.parent?.lead ?? 0) + done * (framing.parent?.elementBytes ?? 0);
    decoder.plainly({
      stored,
      raw: raw.subarray(from, from + count * framing.elementBytes),
      parent: parent?.subarray(parentFrom, parentFrom + count * (framing.parent?.elementBytes ?? 0)) ?? raw,
      count,
    });
  }
  return raw;
}
