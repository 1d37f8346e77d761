import { decodeInBlocks, decodePlainly, encodeInBlocks, type Framing } from "./blocks.ts";
import type { Codec } from "./codec.ts";
import {
  decodeDerivation,
  type Derivation,
  DERIVATION_BYTES,
  derivationOf,
  encodeDerivation,
  quantisedRange,
} from "./derivation.ts";
import type { Kernels } from "./kernels.ts";
import { layoutOfWidth, setLayout } from "./layout.ts";
import { addPredictions } from "./plain/predictions.ts";
import { planesDecoder } from "./pln.ts";

/** So that neither a block nor its parent's elements are more than 1 MiB. */
const BLOCK_ELEMENTS = 256 * 1024;

function framingOf({ width, lead, parentWidth }: Derivation): Framing {
  return {
    name: "DRV",
    headerBytes: DERIVATION_BYTES,
    elementBytes: width,
    blockElements: BLOCK_ELEMENTS,
    lead,
    parent: { elementBytes: parentWidth, lead: 0 },
  };
}

export function setQuantisation({ call }: Kernels, derivation: Derivation): void {
  const [from, to] = quantisedRange(derivation);
  call.setQuantisation(derivation.scale, derivation.zeroPoint, from, to);
}

/** The residual is a zig-zagged number: its high planes are zero without being rotated. */
export function residualLayout({ width }: Derivation): ReturnType<typeof layoutOfWidth> {
  return { ...layoutOfWidth(width), isRotated: false };
}

function decodeJob(
  stored: Uint8Array,
  rawBytes: number,
  parent: Uint8Array | undefined,
): Parameters<typeof decodeInBlocks>[0] {
  const derivation = decodeDerivation(stored);
  const { target, parentKind } = derivation;
  const planes = planesDecoder("DRV", residualLayout(derivation));
  return {
    framing: framingOf(derivation),
    stored,
    rawBytes,
    parent,
    decoder: {
      withKernels: (kernels, block) => {
        if (!planes.withKernels(kernels, block)) return false;
        setQuantisation(kernels, derivation);
        kernels.call.addPredictions(target, parentKind, block.to, block.parent, block.count);
        return true;
      },
      plainly: (block) => {
        planes.plainly(block);
        addPredictions(block, derivation);
      },
    },
  };
}

/** Elements that follow from those of another type: casts and quantised siblings. Keeps what is otherwise. */
export const DRV: Codec = {
  id: 34,
  name: "DRV",
  isDelta: true,
  encode(raw, hints) {
    const derivation = derivationOf(hints);
    if (derivation === undefined) return undefined;
    const { target, parentKind } = derivation;
    return encodeInBlocks({
      framing: framingOf(derivation),
      header: encodeDerivation(derivation),
      raw,
      parent: hints.parent?.raw,
      encode: (kernels, { from, parent, count, to }) => {
        setQuantisation(kernels, derivation);
        kernels.call.subtractPredictions(target, parentKind, from, parent, count);
        setLayout(kernels, residualLayout(derivation));
        return kernels.call.encodePlanes(from, count, to);
      },
    });
  },
  decode: (stored, rawBytes, parent) => decodeInBlocks(decodeJob(stored, rawBytes, parent)),
  decodePlainly: (stored, rawBytes, parent) => decodePlainly(decodeJob(stored, rawBytes, parent)),
};
