/**
 * Where the weights of a TensorFlow.js group are: they lie one after the other in the bytes of the group's files, one
 * after the other. Where a file ends is not written in the model; it follows from the sizes of the files.
 */
import { type Dtype, type ExternalSpan, type TensorSpan, type TensorTable, widthOf } from "./table.ts";

/** What the converters cut groups into unless told otherwise. */
const SHARD_BYTES_DEFAULT = 4 * 1024 * 1024;

export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** Undefined for texts and what is not known: then nobody can say where the next weight begins. */
  readonly length: number | undefined;
  readonly affine: TensorSpan["affine"];
}

export interface WeightGroup {
  readonly files: readonly string[];
  readonly weights: readonly Weight[];
}

/** Bytes of a file that the model names; undefined when that is not known. */
export type SizeOf = (file: string) => number | undefined;

export interface Placed {
  readonly external: ExternalSpan[];
  readonly scattered: TensorTable["scattered"][number][];
}

/**
 * Adds the weights of a group to `placed`. A weight that lies in several files becomes `name#1`, `name#2` …, each of
 * whole elements and of one dimension; the bytes of an element that is cut in two belong to none.
 */
export function placeGroup({ files, weights }: WeightGroup, sizeOf: SizeOf, placed: Placed): void {
  const unknown = weights.findIndex(({ length }) => length === undefined);
  const known = unknown < 0 ? weights : weights.slice(0, unknown);
  const total = known.reduce((sum, { length = 0 }) => sum + length, 0);
  const ends = fileEnds(files, sizeOf, unknown < 0 ? total : undefined);
  let offset = 0;
  let file = 0;
  for (const weight of ends === undefined ? [] : known) {
    while ((ends?.[file] ?? Number.POSITIVE_INFINITY) <= offset && file < files.length - 1) file += 1;
    placeWeight(weight, { offset, file }, { files, ends: ends ?? [] }, placed);
    offset += weight.length ?? 0;
  }
  for (const { name, dtype, shape } of ends === undefined ? weights : weights.slice(known.length))
    placed.scattered.push({ name, dtype, shape });
}

/** Offset after each file in the bytes of the group; undefined when that cannot be told. */
function fileEnds(files: readonly string[], sizeOf: SizeOf, total: number | undefined): number[] | undefined {
  if (files.length === 1) return [Number.POSITIVE_INFINITY];
  const sizes = files.map(sizeOf);
  const areKnown = sizes.every((size) => size !== undefined);
  const areUsual = total !== undefined && Math.ceil(total / SHARD_BYTES_DEFAULT) === files.length;
  if (!areKnown && !areUsual) return undefined;
  let end = 0;
  const ends = sizes.map((size) => {
    end += areKnown ? (size ?? 0) : SHARD_BYTES_DEFAULT;
    return end;
  });
  // Files of other sizes are not those that the model was written with.
  return areKnown && total !== undefined && end !== total ? undefined : ends;
}

function placeWeight(
  { name, dtype, shape, length = 0, affine }: Weight,
  { offset, file }: { readonly offset: number; readonly file: number },
  { files, ends }: { readonly files: readonly string[]; readonly ends: readonly number[] },
  placed: Placed,
): void {
  const end = offset + length;
  const width = widthOf(dtype) ?? 1;
  const startOf = (index: number): number => (index === 0 ? 0 : (ends[index - 1] ?? 0));
  if (end <= (ends[file] ?? 0)) {
    const place = { file: files[file] ?? "", offset: offset - startOf(file), length };
    placed.external.push({ name, dtype, shape, ...place, ...(affine === undefined ? {} : { affine }) });
    return;
  }
  for (let index = file, part = 1; index < files.length && startOf(index) < end; index += 1, part += 1) {
    const from = Math.max(offset, startOf(index));
    const to = Math.min(end, ends[index] ?? 0);
    const first = offset + Math.ceil((from - offset) / width) * width;
    const count = Math.floor((to - offset) / width) - (first - offset) / width;
    if (count <= 0) continue;
    const place = { file: files[index] ?? "", offset: first - startOf(index), length: count * width };
    placed.external.push({ name: `${name}#${part}`, dtype, shape: [count], ...place });
  }
}
