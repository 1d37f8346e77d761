/** A dataset of HDF5: its type, its shape and where its elements are. */
import { quoted } from "./bounded-reader.ts";
import { elementCount } from "./checked-table.ts";
import { type Chunk, readChunks } from "./hdf5-chunks.ts";
import { MESSAGE } from "./hdf5-header.ts";
import type { Hdf5Reader, Message } from "./hdf5-reader.ts";
import { type Hdf5Type, readType } from "./hdf5-type.ts";
import { RANK_MAX, type TensorSpan } from "./table.ts";

export interface Placed {
  readonly tensors: readonly TensorSpan[];
  /** The whole, when it has no span of its own. */
  readonly scattered: readonly Pick<TensorSpan, "name" | "dtype" | "shape">[];
}

const FLAG_SHARED = 0x02;
const SPACE_NULL = 2;
const COMPACT = 0;
const CONTIGUOUS = 1;
const CHUNKED = 2;

/** True for an object that has elements rather than members. */
export function isDataset(messages: readonly Message[]): boolean {
  return messages.some(({ type }) => type === MESSAGE.LAYOUT);
}

/** Throws FILE_MALFORMED when what the dataset says of itself cannot be. */
export function readDataset(reader: Hdf5Reader, name: string, messages: readonly Message[]): Placed {
  const one = (type: number): Message | undefined => messages.find((message) => message.type === type);
  const [space, type, layout] = [one(MESSAGE.DATASPACE), one(MESSAGE.DATATYPE), one(MESSAGE.LAYOUT)];
  if (space === undefined || type === undefined || layout === undefined)
    return reader.fail(`dataset ${quoted(name)} has no shape, type or layout`);
  if ((space.flags & FLAG_SHARED) !== 0) return { tensors: [], scattered: [] };
  const shape = readShape(reader, space);
  if (shape === undefined) return { tensors: [], scattered: [] };
  const element = readType(reader, type);
  const count = elementCount(shape);
  const length = (count ?? Number.NaN) * element.widthBytes;
  if (!Number.isSafeInteger(length)) reader.fail(`dataset ${quoted(name)} has a shape that cannot be`);
  const whole = { name, dtype: element.dtype, shape };
  if (length === 0) return { tensors: [{ ...whole, offset: 0, length: 0 }], scattered: [] };
  const isFiltered = one(MESSAGE.FILTERS) !== undefined;
  const isElsewhere = one(MESSAGE.EXTERNAL_FILES) !== undefined;
  const scattered = { tensors: [], scattered: [whole] };
  if (isElsewhere || (layout.flags & FLAG_SHARED) !== 0) return scattered;
  const found = readLayout(reader, layout, { shape, element, isFiltered });
  if (found === undefined) return scattered;
  if ("chunks" in found) return placeChunks(whole, found.chunks, found.dimensions, length);
  if (found.length < length)
    reader.fail(`dataset ${quoted(name)} needs ${length} bytes and has ${found.length}`);
  return { tensors: [{ ...whole, offset: found.offset, length }], scattered: [] };
}

/** Undefined when there are no elements and no shape either. */
function readShape(reader: Hdf5Reader, message: Message): number[] | undefined {
  reader.seek(message.offset);
  const version = reader.u8();
  const rank = reader.u8();
  reader.skip(1);
  if (version !== 1 && version !== 2) reader.fail(`version ${version} of a dataspace`);
  if (rank > RANK_MAX) reader.fail(`a rank of ${rank}`);
  if (version === 1) reader.skip(5);
  else if (reader.u8() === SPACE_NULL) return undefined;
  return Array.from({ length: rank }, () => reader.length());
}

type Place =
  | { readonly offset: number; readonly length: number }
  | { readonly chunks: readonly Chunk[]; readonly dimensions: readonly number[] };

export interface Shaped {
  readonly shape: readonly number[];
  readonly element: Hdf5Type;
  readonly isFiltered: boolean;
}

/** Undefined when the elements are nowhere yet, filtered, virtual, or found in a way that is not read here. */
function readLayout(reader: Hdf5Reader, message: Message, shaped: Shaped): Place | undefined {
  reader.seek(message.offset);
  const version = reader.u8();
  if (version === 1 || version === 2) return oldLayout(reader, shaped);
  if (version !== 3 && version !== 4) return undefined;
  const kind = reader.u8();
  if (kind === COMPACT) {
    const length = reader.u16();
    if (reader.offset + length > message.offset + message.sizeBytes)
      reader.fail("a compact dataset leaves its header");
    return { offset: reader.offset, length };
  }
  if (kind === CONTIGUOUS) {
    const offset = reader.address();
    return offset === undefined ? undefined : { offset, length: reader.length() };
  }
  return kind === CHUNKED ? readChunks(reader, version, shaped) : undefined;
}

function oldLayout(reader: Hdf5Reader, { shape, element }: Shaped): Place | undefined {
  const dimensionality = reader.u8();
  const kind = reader.u8();
  reader.skip(5);
  if (kind !== COMPACT && kind !== CONTIGUOUS) return undefined;
  const offset = kind === CONTIGUOUS ? reader.address() : 0;
  reader.skip(dimensionality * 4);
  if (kind === COMPACT) {
    const length = reader.u32();
    return { offset: reader.offset, length };
  }
  return offset === undefined
    ? undefined
    : { offset, length: (elementCount(shape) ?? 0) * element.widthBytes };
}

/** A chunk that is all of the dataset is the dataset; others have spans `<name>#<number in row-major order>`. */
function placeChunks(
  whole: Pick<TensorSpan, "name" | "dtype" | "shape">,
  chunks: readonly Chunk[],
  dimensions: readonly number[],
  length: number,
): Placed {
  const [only] = chunks;
  if (
    chunks.length === 1 &&
    only?.index === 0 &&
    only.length === length &&
    dimensions.join() === whole.shape.join()
  )
    return { tensors: [{ ...whole, offset: only.offset, length }], scattered: [] };
  const tensors = chunks.map(({ index, offset, length: chunkBytes }) => ({
    name: `${whole.name}#${index}`,
    dtype: whole.dtype,
    shape: dimensions,
    offset,
    length: chunkBytes,
  }));
  return { tensors, scattered: [whole] };
}
