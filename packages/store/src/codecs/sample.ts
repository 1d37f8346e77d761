/** What a chunk would take in each codec, judged by a few slices of it. Needs the kernels; nothing is written. */
import type { EncodeHints } from "./codec.ts";
import { derivationOf } from "./derivation.ts";
import { residualLayout, setQuantisation } from "./drv.ts";
import { floatType } from "./floats.ts";
import { type Kernels, openKernels, runKernels } from "./kernels.ts";
import { type Layout, layoutOfWidth, setLayout } from "./layout.ts";
import { SLICE_BYTES, slicesOf } from "./slices.ts";
import { layoutOfChange, takeChange } from "./xpl.ts";

const TABLES_BYTES = 1024 * 1024;
/** Widths and phases that unknown numbers may have. */
const GUESSES: readonly Layout[] = [1, 2, 4].flatMap((width) =>
  Array.from({ length: width }, (_, lead) => layoutOfWidth(width, lead)),
);
/** A wider element has to be this much better, for noise looks a little better in more planes. */
const WIDER_SHARE_MAX = 0.97;

/** Copies slices behind each other; returns how many bytes they have. */
function copySlices({ memory }: Kernels, slices: readonly Uint8Array[], to: number): number {
  let at = to;
  for (const slice of slices) {
    memory.set(slice, at);
    at += slice.length;
  }
  return at - to;
}

/** Shares of the raw size, by codec id. */
export type Shares = ReadonlyMap<number, number>;

interface Trial {
  readonly raw: Uint8Array;
  readonly layout: Layout;
  readonly hints: EncodeHints;
  readonly sliceBytes: number;
}

/** Undefined without kernels. Absent: a codec that does not fit. */
export function estimateShares(trial: Trial): Shares | undefined {
  const kernels = openKernels();
  return kernels && runKernels(kernels, () => sharesWith(kernels, trial));
}

function sharesWith(kernels: Kernels, { raw, layout, hints, sliceBytes }: Trial): Shares {
  const shares = new Map<number, number>();
  const unit = layout.width || layout.strideBytes;
  const grid = { unit, lead: layout.lead, sliceBytes };
  const bytes = copySlices(kernels, slicesOf(raw, grid), kernels.at.INPUT);
  const count = bytes / unit;
  if (count === 0) return shares;
  setLayout(kernels, layout);
  shares.set(layout.width === 0 ? 17 : 16, kernels.call.estimatePlanes(kernels.at.INPUT, count) / bytes);
  const { parent } = hints;
  if (parent === undefined) return shares;
  if (parent.raw.length === raw.length) {
    copySlices(kernels, slicesOf(parent.raw, grid), kernels.at.PARENT);
    estimateChanges(kernels, { hints, bytes, count, rawBytes: raw.length }, shares);
  }
  const derivation = derivationOf(hints);
  if (
    derivation !== undefined &&
    parent.raw.length === Math.floor((raw.length - layout.lead) / unit) * derivation.parentWidth
  ) {
    const parentGrid = {
      unit: derivation.parentWidth,
      lead: 0,
      sliceBytes: (sliceBytes / unit) * derivation.parentWidth,
    };
    copySlices(kernels, slicesOf(parent.raw, parentGrid), kernels.at.PARENT);
    setQuantisation(kernels, derivation);
    const { target, parentKind } = derivation;
    kernels.call.subtractPredictions(target, parentKind, kernels.at.INPUT, kernels.at.PARENT, count);
    setLayout(kernels, residualLayout(derivation));
    shares.set(34, kernels.call.estimatePlanes(kernels.at.INPUT, count) / bytes);
  }
  return shares;
}

function estimateChanges(
  kernels: Kernels,
  { hints, bytes, count, rawBytes }: { hints: EncodeHints; bytes: number; count: number; rawBytes: number },
  shares: Map<number, number>,
): void {
  const { call, at } = kernels;
  const type = floatType(hints.dtype);
  if (type !== undefined) {
    const size = call.estimateDifferences(type.kind, at.INPUT, at.PARENT, count, at.CHUNK_0);
    shares.set(33, size / bytes + call.tablesOfEstimate() / Math.min(rawBytes, TABLES_BYTES));
  }
  const layout = layoutOfChange(hints);
  if (layout === undefined) return;
  takeChange(kernels, layout, { from: at.INPUT, parent: at.PARENT, bytes });
  setLayout(kernels, layout);
  shares.set(32, call.estimatePlanes(at.INPUT, count) / bytes);
}

/** Of unknown bytes: the layout in which their planes are shortest, and their share of the raw size in it. */
export function guessLayout(raw: Uint8Array): { layout: Layout; share: number } | undefined {
  const kernels = openKernels();
  return kernels && runKernels(kernels, () => guessWith(kernels, raw));
}

function guessWith(kernels: Kernels, raw: Uint8Array): { layout: Layout; share: number } | undefined {
  let best: { layout: Layout; share: number } | undefined;
  for (const layout of GUESSES) {
    // Slices of all widths start at multiples of 4, so that the phase is that of the whole.
    const slices = slicesOf(raw, { unit: 4, lead: layout.lead, sliceBytes: SLICE_BYTES / 4 });
    const bytes = copySlices(kernels, slices, kernels.at.INPUT);
    if (bytes === 0) continue;
    setLayout(kernels, layout);
    const share = kernels.call.estimatePlanes(kernels.at.INPUT, bytes / layout.width) / bytes;
    const isWider = best !== undefined && layout.width > best.layout.width;
    if (best === undefined || share < best.share * (isWider ? WIDER_SHARE_MAX : 1)) best = { layout, share };
  }
  return best;
}
