import { decodeInBlocks, decodePlainly, encodeInBlocks, type BlockDecoder } from "./blocks.ts";
import type { Codec } from "./codec.ts";
import {
  decodeLayout,
  encodeLayout,
  framingOf,
  type Layout,
  layoutOfBlock,
  layoutOfDtype,
  setLayout,
} from "./layout.ts";
import { decodePlanes } from "./plain/planes.ts";

/** Codes a chunk in planes. The result lies in memory of the kernels and is good until the next call. */
export function encodeLayoutPlanes(name: string, layout: Layout, raw: Uint8Array): Uint8Array | undefined {
  return encodeInBlocks({
    framing: framingOf(name, layout),
    header: encodeLayout(layout),
    raw,
    encode: (kernels, { from, count, to }) => {
      setLayout(kernels, layout);
      return kernels.call.encodePlanes(from, count, to);
    },
  });
}

/** Decodes blocks of planes. */
export function planesDecoder(name: string, layout: Layout): BlockDecoder {
  return {
    withKernels: (kernels, { from, end, to, count }) => {
      setLayout(kernels, layout);
      return kernels.call.decodePlanes(from, end, to, count) === 1;
    },
    plainly: ({ stored, raw, count }) => decodePlanes({ name, bytes: stored, at: 0 }, raw, { layout, count }),
  };
}

function decodeJob(name: string, stored: Uint8Array, rawBytes: number): Parameters<typeof decodeInBlocks>[0] {
  const layout = decodeLayout(name, stored);
  return { framing: framingOf(name, layout), stored, rawBytes, decoder: planesDecoder(name, layout) };
}

/** Numbers of 1, 2, 4 or 8 bytes: byte planes, of which those that are no noise are coded with rANS. */
export const PLN: Codec = {
  id: 16,
  name: "PLN",
  isDelta: false,
  encode(raw, { dtype, lead }) {
    const layout = layoutOfDtype(dtype, lead);
    return layout && encodeLayoutPlanes("PLN", layout, raw);
  },
  decode: (stored, rawBytes) => decodeInBlocks(decodeJob("PLN", stored, rawBytes)),
  decodePlainly: (stored, rawBytes) => decodePlainly(decodeJob("PLN", stored, rawBytes)),
};

/** Records of a block-quantised tensor: planes for their scales, one stream for the rest. */
export const PLS: Codec = {
  id: 17,
  name: "PLS",
  isDelta: false,
  encode(raw, hints) {
    const layout = layoutOfBlock(hints);
    return layout && encodeLayoutPlanes("PLS", layout, raw);
  },
  decode: (stored, rawBytes) => decodeInBlocks(decodeJob("PLS", stored, rawBytes)),
  decodePlainly: (stored, rawBytes) => decodePlainly(decodeJob("PLS", stored, rawBytes)),
};
