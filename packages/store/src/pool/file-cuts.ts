/** Where the chunks of one file end and what is known about each: its plan, its tensors, its parents. For workers. */
import { type KnownParent, Parents } from "../chunk/parents.ts";
import { type CutPlan, planOf, type Segment } from "../chunk/plan.ts";
import { isSmcError } from "../errors.ts";
import { parseTensors } from "../formats/formats.ts";
import { type ByteSource, type TensorSpan, type TensorTable, widthOf } from "../formats/table.ts";
import { OpenPacks } from "../pack/open-packs.ts";
import { BlobSource } from "./blob-source.ts";
import type { ChunkHints, ParentFile } from "./tasks.ts";

/** Smaller files are not looked into. */
const PARSE_BYTES_MIN = 64 * 1024;

type Describe = () => TensorTable | undefined;

/** Goes over the segments of a file's plan from front to back. */
export class FileCuts implements Disposable {
  readonly plan: CutPlan;
  readonly #parents: Parents | undefined;
  #packs: OpenPacks | undefined;
  #at = 0;
  #index = 0;

  /**
   * Reads the file's header; `describe` tells where the tensors are when the file itself does not. What cannot be
   * parsed is cut as bytes without structure.
   */
  constructor(
    source: ByteSource,
    {
      fileName,
      parents,
      describe,
    }: { fileName: string; parents: readonly ParentFile[]; describe?: Describe },
  ) {
    const { sizeBytes } = source;
    const table = sizeBytes < PARSE_BYTES_MIN ? undefined : (tableOf(source, fileName) ?? describe?.());
    this.plan = planOf(table, sizeBytes);
    if (table === undefined || parents.length === 0) return;
    const known = parents.flatMap((parent) => this.#known(parent, table, sizeBytes) ?? []);
    if (known.length > 0) this.#parents = new Parents(known, table.tensors);
  }

  /** A parent of the same size that does not say where its tensors are probably has them in the same places. */
  #known({ blob, fileName }: ParentFile, table: TensorTable, sizeBytes: number): KnownParent | undefined {
    this.#packs ??= new OpenPacks();
    try {
      const own = tableOf(new BlobSource(this.#packs, blob), fileName);
      if (own !== undefined) return { blob, table: own };
      return blob.sizeBytes === sizeBytes ? { blob, table } : undefined;
    } catch (error) {
      // A damaged parent costs space here; fsck names it.
      if (isSmcError(error) && error.code !== "CANCELED") return undefined;
      throw error;
    }
  }

  /** True for a file without known structure. */
  get isPlain(): boolean {
    return this.plan.segments.length <= 1;
  }

  /** The segment of the next byte; undefined after the end. */
  get segment(): Segment | undefined {
    return this.plan.segments[this.#index];
  }

  /** Bytes left of the segment. */
  get left(): number {
    return (this.segment?.to ?? this.#at) - this.#at;
  }

  /** Steps over a chunk of `length` bytes and tells what is known about it. */
  take(length: number): ChunkHints | undefined {
    const { segment } = this;
    const at = this.#at;
    this.#at += length;
    if (segment === undefined) return undefined;
    const tensor = segment.kind === "bytes" ? undefined : largest(segment.tensors);
    const hints =
      tensor === undefined ? undefined : this.#hints(segment, tensor, { at, length, index: this.#index });
    if (this.#at >= segment.to) this.#index += 1;
    return hints;
  }

  /** What is known about any chunk that lies in one segment; undefined for bytes without structure. */
  at(at: number, length: number): ChunkHints | undefined {
    let low = 0;
    let high = this.plan.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.plan.segments[middle]?.from ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    const segment = this.plan.segments[low];
    const tensor = segment === undefined || segment.kind === "bytes" ? undefined : largest(segment.tensors);
    if (segment === undefined || tensor === undefined || at + length > segment.to) return undefined;
    if (segment.kind === "run" && (at !== segment.from || at + length !== segment.to)) return undefined;
    return this.#hints(segment, tensor, { at, length, index: low });
  }

  #hints(
    segment: Segment,
    tensor: TensorSpan,
    chunk: { at: number; length: number; index: number },
  ): ChunkHints {
    const { at, length, index } = chunk;
    const parents =
      segment.kind === "tensor"
        ? this.#parents?.find(tensor, at - tensor.offset, length)
        : this.#parents?.findRun(segment.tensors, length);
    const unit = tensor.block?.strideBytes ?? widthOf(tensor.dtype) ?? 1;
    const lead = segment.kind === "tensor" ? 0 : (tensor.offset - at) % unit;
    return {
      tensor: index,
      dtype: tensor.dtype,
      lead,
      ...(tensor.affine === undefined ? {} : { affine: tensor.affine }),
      ...(tensor.block === undefined ? {} : { block: tensor.block }),
      parents: parents ?? [],
    };
  }

  [Symbol.dispose](): void {
    this.#packs?.[Symbol.dispose]();
  }
}

function largest(tensors: readonly TensorSpan[]): TensorSpan | undefined {
  return tensors.reduce<TensorSpan | undefined>(
    (most, tensor) => (most === undefined || tensor.length > most.length ? tensor : most),
    undefined,
  );
}

/**
 * Undefined for a format that is not known and for a file that breaks the rules of its format. Whatever else a parser
 * throws costs only the shorter form: what it says is advice.
 */
function tableOf(source: ByteSource, fileName: string): TensorTable | undefined {
  try {
    const table = parseTensors(source, fileName);
    return table === undefined || table.tensors.length === 0 ? undefined : table;
  } catch (error) {
    if (isSmcError(error) && error.code !== "FILE_MALFORMED") throw error;
    return undefined;
  }
}
