/** Tensors of two files brought together by their names. */
import type { Dtype, TensorTable } from "../formats/table.ts";

/** A tensor wherever it is. */
export interface NamedTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Where its bytes are; undefined when they are in pieces or nobody said where. */
  readonly place: { readonly offset: number; readonly length: number } | undefined;
  /** The other file that holds them, relative to the folder of this one. */
  readonly file: string | undefined;
}

export interface TensorPair {
  readonly from: NamedTensor;
  readonly to: NamedTensor;
}

export interface MatchedTables {
  readonly added: readonly NamedTensor[];
  readonly removed: readonly NamedTensor[];
  /** In the order of the second file. */
  readonly pairs: readonly TensorPair[];
}

/** All tensors that a table names, in the order of their offsets, then those elsewhere, then those in pieces. */
export function namedTensors({ tensors, external, scattered }: TensorTable): NamedTensor[] {
  return [
    ...tensors.map(({ name, dtype, shape, offset, length }) => {
      return { name, dtype, shape, place: { offset, length }, file: undefined };
    }),
    ...external.map(({ name, dtype, shape, offset, length, file }) => {
      // An index of files names no place: the tensor is one of the other file's own.
      const place = dtype === "opaque" && length === 0 ? undefined : { offset, length };
      return { name, dtype, shape, place, file };
    }),
    ...scattered.map(({ name, dtype, shape }) => {
      return { name, dtype, shape, place: undefined, file: undefined };
    }),
  ];
}

/** Brings together what has the same name; where a file has a name twice, the first with the first, and so on. */
export function matchTables(from: TensorTable | undefined, to: TensorTable | undefined): MatchedTables {
  const left = byName(from === undefined ? [] : namedTensors(from));
  const added: NamedTensor[] = [];
  const pairs: TensorPair[] = [];
  for (const tensor of to === undefined ? [] : namedTensors(to)) {
    const partner = left.get(tensor.name)?.shift();
    if (partner === undefined) added.push(tensor);
    else pairs.push({ from: partner, to: tensor });
  }
  return { added, removed: [...left.values()].flat(), pairs };
}

function byName(tensors: readonly NamedTensor[]): Map<string, NamedTensor[]> {
  const lists = new Map<string, NamedTensor[]>();
  for (const tensor of tensors) {
    const list = lists.get(tensor.name);
    if (list === undefined) lists.set(tensor.name, [tensor]);
    else list.push(tensor);
  }
  return lists;
}

export function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, index) => size === b[index]);
}
