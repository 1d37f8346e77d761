import { decodeInBlocks, decodePlainly, encodeInBlocks, type Framing } from "./blocks.ts";
import type { Codec, EncodeHints } from "./codec.ts";
import type { Kernels } from "./kernels.ts";
import {
  decodeLayout,
  encodeLayout,
  framingOf as framingOfPlanes,
  type Layout,
  layoutOfBlock,
  layoutOfDtype,
  setLayout,
} from "./layout.ts";
import { planesDecoder } from "./pln.ts";

/** Elements of one byte and records are subtracted byte by byte; of wider elements the bits that differ are kept. */
function isSubtracted({ width }: Layout): boolean {
  return width <= 1;
}

function framingOf(layout: Layout): Framing {
  const framing = framingOfPlanes("XPL", layout);
  return { ...framing, parent: { elementBytes: framing.elementBytes, lead: framing.lead } };
}

/** The layout for a chunk and its parent: not rotated, because the bits that differ are the low ones. */
export function layoutOfChange(hints: EncodeHints): Layout | undefined {
  const layout = layoutOfBlock(hints) ?? layoutOfDtype(hints.dtype, hints.lead);
  return layout && { ...layout, isRotated: false };
}

/** Replaces a block by its change from the parent's, in place. */
export function takeChange(
  { call }: Kernels,
  layout: Layout,
  block: { from: number; parent: number; bytes: number },
): void {
  if (isSubtracted(layout)) call.subtractBytes(block.from, block.parent, block.bytes);
  else call.exclusiveOr(block.from, block.parent, block.bytes);
}

function applyPlainly(layout: Layout, raw: Uint8Array, parent: Uint8Array): void {
  for (let at = 0; at < raw.length; at++) {
    const change = raw[at] as number;
    const old = parent[at] as number;
    raw[at] = isSubtracted(layout) ? change + old : change ^ old;
  }
}

function decodeJob(
  stored: Uint8Array,
  rawBytes: number,
  parent: Uint8Array | undefined,
): Parameters<typeof decodeInBlocks>[0] {
  const layout = decodeLayout("XPL", stored);
  const framing = framingOf(layout);
  const planes = planesDecoder("XPL", layout);
  return {
    framing,
    stored,
    rawBytes,
    parent,
    decoder: {
      withKernels: (kernels, block) => {
        if (!planes.withKernels(kernels, block)) return false;
        const bytes = block.count * framing.elementBytes;
        if (isSubtracted(layout)) kernels.call.addBytes(block.to, block.parent, bytes);
        else kernels.call.exclusiveOr(block.to, block.parent, bytes);
        return true;
      },
      plainly: (block) => {
        planes.plainly(block);
        applyPlainly(layout, block.raw, block.parent);
      },
    },
  };
}

/** What changed since an older version of the same numbers, in planes. */
export const XPL: Codec = {
  id: 32,
  name: "XPL",
  isDelta: true,
  encode(raw, hints) {
    const layout = layoutOfChange(hints);
    if (layout === undefined || hints.parent === undefined) return undefined;
    const framing = framingOf(layout);
    return encodeInBlocks({
      framing,
      header: encodeLayout(layout),
      raw,
      parent: hints.parent.raw,
      encode: (kernels, { from, parent, count, to }) => {
        takeChange(kernels, layout, { from, parent, bytes: count * framing.elementBytes });
        setLayout(kernels, layout);
        return kernels.call.encodePlanes(from, count, to);
      },
    });
  },
  decode: (stored, rawBytes, parent) => decodeInBlocks(decodeJob(stored, rawBytes, parent)),
  decodePlainly: (stored, rawBytes, parent) => decodePlainly(decodeJob(stored, rawBytes, parent)),
};
