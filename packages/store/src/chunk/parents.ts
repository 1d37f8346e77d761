/** Finds, for a chunk of a new file, the bytes of stored files that say best what it is about to be. */
import type { Dtype, TensorSpan, TensorTable } from "../formats/table.ts";
import { widthOf } from "../formats/table.ts";
import { DEPTH_MAX, PARENTS_MAX } from "../pack/delta.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import { indexAt } from "../pool/blob-source.ts";
import type { ParentRange, PiecedBlob } from "../pool/tasks.ts";

/** When the chain of a parent is full, the new chunk is stored against an ancestor with at most this depth … */
const DEPTH_AFTER_FULL = 3;
/** … or this one when the parent took this much more than its own: it was such a chunk itself, and too far already. */
const DEPTH_AFTER_FAR = 2;
const FAR_SHARE = 1.15;
/** A chain that stores more than this share of what it decodes to is not made longer. */
const CHAIN_SHARE_MAX = 1.25;
/** Ranges that are tried for a chunk, the second only when the first does not help. */
const RANGES_MAX = 2;
/** Tensors smaller than this are not matched by their shape alone. */
const SHAPE_BYTES_MIN = 64 * 1024;

/** A stored file with its tensors. */
export interface KnownParent {
  readonly blob: PiecedBlob;
  readonly table: TensorTable;
}

/** Dtypes from which values of another dtype follow exactly, or all but. */
const SOURCES: ReadonlyMap<Dtype, readonly Dtype[]> = new Map([
  ["bf16", ["f32"]],
  ["f16", ["f32"]],
  ["f32", ["bf16", "f16"]],
  ["u8", ["f32", "f16", "bf16"]],
  ["i8", ["f32", "f16", "bf16"]],
]);

interface Match {
  readonly parent: KnownParent;
  readonly tensor: TensorSpan;
}

export class Parents {
  readonly #parents: readonly (KnownParent & { byName: Map<string, TensorSpan> })[];
  readonly #byShape = new Map<string, Match>();

  /** `parents` are the likeliest first; `tensors` are those of the new file. */
  constructor(parents: readonly KnownParent[], tensors: readonly TensorSpan[]) {
    this.#parents = parents.map((parent) => ({
      ...parent,
      byName: new Map(parent.table.tensors.map((tensor) => [tensor.name, tensor])),
    }));
    this.#matchShapes(tensors);
  }

  /** Renamed tensors: those without a namesake, in order, beside parents' tensors of their dtype and shape. */
  #matchShapes(tensors: readonly TensorSpan[]): void {
    const names = new Set(tensors.map(({ name }) => name));
    const free = new Map<string, Match[]>();
    for (const parent of this.#parents) {
      for (const tensor of parent.table.tensors) {
        if (tensor.length < SHAPE_BYTES_MIN || names.has(tensor.name)) continue;
        const key = shapeKey(tensor);
        const matches = free.get(key);
        if (matches === undefined) free.set(key, [{ parent, tensor }]);
        else matches.push({ parent, tensor });
      }
    }
    for (const tensor of tensors) {
      if (this.#parents.some(({ byName }) => byName.has(tensor.name))) continue;
      const match = free.get(shapeKey(tensor))?.shift();
      if (match !== undefined) this.#byShape.set(tensor.name, match);
    }
  }

  /** For `length` bytes of the tensor from its byte `at` on: at most two ranges, the likelier first. */
  find(tensor: TensorSpan, at: number, length: number): ParentRange[] {
    const ranges: ParentRange[] = [];
    for (const match of this.#candidates(tensor)) {
      const range = rangeOf(match, { tensor, at, length });
      if (range !== undefined) ranges.push(range);
      if (ranges.length === RANGES_MAX) break;
    }
    return ranges;
  }

  /** Namesakes of the same dtype, then siblings of another precision, then the one of the same shape. */
  *#candidates(tensor: TensorSpan): Iterable<Match> {
    for (const parent of this.#parents) {
      const same = parent.byName.get(tensor.name);
      if (same !== undefined && same.dtype === tensor.dtype && same.length === tensor.length) {
        yield { parent, tensor: same };
      }
    }
    const sources = SOURCES.get(tensor.dtype) ?? [];
    for (const parent of this.#parents) {
      const sibling = parent.byName.get(tensor.affine?.of ?? tensor.name);
      if (sibling !== undefined && sources.includes(sibling.dtype) && countOf(sibling) === countOf(tensor)) {
        yield { parent, tensor: sibling };
      }
    }
    const alike = this.#byShape.get(tensor.name);
    if (alike !== undefined) yield alike;
  }

  /** For a run of small tensors: where the parent has the same ones in the same places beside each other. */
  findRun(tensors: readonly TensorSpan[], length: number): ParentRange[] {
    const [first] = tensors;
    const ranges: ParentRange[] = [];
    if (first === undefined) return ranges;
    for (const parent of this.#parents) {
      const start = parent.byName.get(first.name);
      if (start === undefined) continue;
      const isSame = tensors.every((tensor) => {
        const other = parent.byName.get(tensor.name);
        return (
          other?.dtype === tensor.dtype &&
          other.length === tensor.length &&
          other.offset - start.offset === tensor.offset - first.offset
        );
      });
      const range = isSame
        ? placesOf(parent.blob, { from: start.offset, length, dtype: first.dtype })
        : undefined;
      if (range !== undefined) ranges.push(range);
      if (ranges.length === RANGES_MAX) break;
    }
    return ranges;
  }
}

function shapeKey({ dtype, shape, length }: TensorSpan): string {
  return `${dtype} ${length} ${shape.join("x")}`;
}

function countOf({ dtype, length }: TensorSpan): number {
  return length / (widthOf(dtype) ?? length);
}

function rangeOf(
  match: Match,
  part: { tensor: TensorSpan; at: number; length: number },
): ParentRange | undefined {
  const { parent, tensor } = match;
  if (tensor.dtype === part.tensor.dtype) {
    return placesOf(parent.blob, { from: tensor.offset + part.at, length: part.length, dtype: tensor.dtype });
  }
  const ratio = (widthOf(tensor.dtype) ?? 0) / (widthOf(part.tensor.dtype) ?? 1);
  return placesOf(parent.blob, {
    from: tensor.offset + part.at * ratio,
    length: part.length * ratio,
    dtype: tensor.dtype,
  });
}

function placesOf(
  blob: PiecedBlob,
  { from, length, dtype }: { from: number; length: number; dtype: Dtype },
): ParentRange | undefined {
  if (length === 0 || from < 0 || from + length > blob.sizeBytes) return undefined;
  const first = indexAt(blob.pieces, from);
  const places: ChunkPlace[] = [];
  let depth = 0;
  for (let index = first; places.length <= PARENTS_MAX; index++) {
    const piece = blob.pieces[index];
    if (piece === undefined || piece.at >= from + length) break;
    const { at: _, ...place } = piece;
    const short = shorten(place);
    if (short === undefined) return undefined;
    places.push(short);
    depth = Math.max(depth, depthOf(short));
  }
  if (places.length > PARENTS_MAX) return undefined;
  return { places, offset: from - (blob.pieces[first]?.at ?? 0), length, dtype, depth: depth + 1 };
}

function depthOf(place: ChunkPlace): number {
  return Math.max(0, ...(place.parents ?? []).map((parent) => depthOf(parent) + 1));
}

function chainBytes(place: ChunkPlace): number {
  return (place.parents ?? []).reduce((sum, parent) => sum + chainBytes(parent), place.span.storedBytes);
}

/** The place itself, or the nearest of its ancestors that may still have children. Undefined when none may. */
function shorten(place: ChunkPlace): ChunkPlace | undefined {
  const isFull = depthOf(place) >= DEPTH_MAX || chainBytes(place) > place.span.rawBytes * CHAIN_SHARE_MAX;
  if (!isFull) return place;
  const before = place.parents?.[0]?.span.storedBytes ?? 0;
  const depthMax = place.span.storedBytes > before * FAR_SHARE ? DEPTH_AFTER_FAR : DEPTH_AFTER_FULL;
  for (let at: ChunkPlace | undefined = place; at !== undefined;) {
    const [parent, ...others]: readonly ChunkPlace[] = at.parents ?? [];
    if (parent === undefined || others.length > 0 || parent.span.rawBytes !== place.span.rawBytes) {
      return undefined;
    }
    if (depthOf(parent) <= depthMax) return parent;
    at = parent;
  }
  return undefined;
}
