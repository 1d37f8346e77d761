/** What becomes of every tensor when two versions of a file of weights are joined. */
import { SmcError } from "../errors.ts";
import type { TensorTable } from "../formats/table.ts";
import { show } from "../show.ts";
import type { ElementRange } from "./differences.ts";
import { type FloatDtype, isFloat } from "./elements.ts";
import { isSameShape, matchTables, type NamedTensor } from "./match.ts";
import { type MergeStrategy, type SideName, sideOf } from "./strategy.ts";

interface Ranges {
  readonly name: string;
  readonly ours: ElementRange;
  readonly theirs: ElementRange;
}

export interface MixAction extends Ranges {
  readonly kind: "mix";
  readonly dtype: FloatDtype;
}

/** The bytes of theirs in the place of ours. */
export interface TakeAction extends Ranges {
  readonly kind: "take";
}

/** Tensors that should be equal; when they are not, `otherwise` says whose is taken. */
export interface CompareAction extends Ranges {
  readonly kind: "compare";
  readonly otherwise: SideName | "nobody";
}

export type TensorAction = MixAction | TakeAction | CompareAction;

export interface TensorPlan {
  readonly actions: readonly TensorAction[];
  /** Tensors that are taken from ours, by a pattern or by a share of nothing: their bytes stay, whatever theirs is. */
  readonly oursCount: number;
}

/**
 * Patterns come first, then the mixture, then the side that is preferred. Throws MERGE_CONFLICT naming the first tensor
 * that is not in both files with the same type and shape, unless a pattern takes it from ours.
 */
export function planTensors(
  path: string,
  tables: { readonly ours: TensorTable; readonly theirs: TensorTable },
  strategy: MergeStrategy,
): TensorPlan {
  const { added, removed, pairs } = matchTables(tables.theirs, tables.ours);
  for (const [side, tensors] of [
    ["ours", added],
    ["theirs", removed],
  ] as const) {
    const alone = tensors.find(({ name }) => sideOf(strategy, name) !== "ours");
    if (alone !== undefined) throw conflict(path, alone.name, `is only in ${side}`);
  }
  const actions: TensorAction[] = [];
  let oursCount = added.length;
  for (const { from: theirs, to: ours } of pairs) {
    const action = actionOf(path, { ours, theirs }, strategy);
    if (action === "ours") oursCount += 1;
    else if (action !== undefined) actions.push(action);
  }
  return { actions, oursCount };
}

/** Undefined where the file holds no bytes of the tensor: another file does, and is joined by itself. */
function actionOf(
  path: string,
  { ours, theirs }: { readonly ours: NamedTensor; readonly theirs: NamedTensor },
  strategy: MergeStrategy,
): TensorAction | "ours" | undefined {
  const { name } = ours;
  const taken = sideOf(strategy, name);
  if (taken === "ours") return "ours";
  if (ours.dtype !== theirs.dtype || !isSameShape(ours.shape, theirs.shape))
    throw conflict(path, name, `is ${typeOf(ours)} in ours and ${typeOf(theirs)} in theirs`);
  if (isElsewhere(ours, theirs)) return undefined;
  const [mine, other] = [rangeOf(ours), rangeOf(theirs)];
  if (mine === undefined || other === undefined)
    throw conflict(path, name, "is compressed, in pieces, or in another file");
  if (mine.length !== other.length)
    throw conflict(path, name, `has ${mine.length} bytes in ours and ${other.length} in theirs`);
  const ranges = { name, ours: mine, theirs: other };
  if (taken === "theirs") return { kind: "take", ...ranges };
  const { weight, prefer } = strategy;
  if (weight === undefined) return { kind: "compare", otherwise: prefer ?? "nobody", ...ranges };
  if (!isFloat(ours.dtype)) return { kind: "compare", otherwise: prefer ?? "ours", ...ranges };
  if (weight === 0) return "ours";
  return weight === 1 ? { kind: "take", ...ranges } : { kind: "mix", dtype: ours.dtype, ...ranges };
}

/** Both sides name the same place of the same other file. */
function isElsewhere(ours: NamedTensor, theirs: NamedTensor): boolean {
  return (
    ours.file !== undefined &&
    ours.file === theirs.file &&
    ours.place?.offset === theirs.place?.offset &&
    ours.place?.length === theirs.place?.length
  );
}

function rangeOf({ dtype, place, file }: NamedTensor): ElementRange | undefined {
  return place === undefined || file !== undefined ? undefined : { dtype, ...place };
}

function typeOf({ dtype, shape }: NamedTensor): string {
  return `${dtype} [${shape.join(",")}]`;
}

/** MERGE_CONFLICT about one tensor. */
export function conflict(path: string, name: string, why: string): SmcError {
  return new SmcError(
    "MERGE_CONFLICT",
    `'${show(path, 200)}': tensor '${show(name, 200)}' ${why}; nothing was changed`,
    {
      hint: "take it from one side with --strategy take=GLOB:ours or take=GLOB:theirs",
      details: { paths: [path], count: 1, tensor: name },
    },
  );
}
