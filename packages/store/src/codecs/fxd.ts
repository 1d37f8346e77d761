import {
  BLOCK_BYTES,
  damaged,
  decodeInBlocks,
  decodePlainly,
  encodeInBlocks,
  type Framing,
} from "./blocks.ts";
import type { Codec } from "./codec.ts";
import { floatType, type FloatType, floatTypeOfKind } from "./floats.ts";
import { isLead } from "./layout.ts";
import { decodeDifferences } from "./plain/differences.ts";

const HEADER_BYTES = 4;

function framingOf({ width }: FloatType, lead: number): Framing {
  return {
    name: "FXD",
    headerBytes: HEADER_BYTES,
    elementBytes: width,
    blockElements: BLOCK_BYTES / width,
    lead,
    parent: { elementBytes: width, lead },
  };
}

function decodeJob(
  stored: Uint8Array,
  rawBytes: number,
  parent: Uint8Array | undefined,
): Parameters<typeof decodeInBlocks>[0] {
  if (stored.length < HEADER_BYTES) throw damaged("FXD", "the header is cut off");
  const header = Buffer.from(stored.buffer, stored.byteOffset, HEADER_BYTES);
  const type = floatTypeOfKind(header.readUInt8(0));
  const lead = header.readUInt16LE(2);
  if (type === undefined || header.readUInt8(1) !== 0 || !isLead(lead, type.width)) {
    throw damaged("FXD", "the header is damaged");
  }
  return {
    framing: framingOf(type, lead),
    stored,
    rawBytes,
    parent,
    decoder: {
      withKernels: ({ call }, { from, end, parent, to, count }) =>
        call.decodeDifferences(type.kind, from, end, parent, to, count) === 1,
      plainly: (block) => decodeDifferences(block, type),
    },
  };
}

/** Floats as differences from the same floats of an older version, with the older exponent as context. */
export const FXD: Codec = {
  id: 33,
  name: "FXD",
  isDelta: true,
  encode(raw, { dtype, lead = 0, parent }) {
    const type = floatType(dtype);
    if (type === undefined || parent === undefined || !isLead(lead, type.width)) return undefined;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt8(type.kind, 0);
    header.writeUInt16LE(lead, 2);
    return encodeInBlocks({
      framing: framingOf(type, lead),
      header,
      raw,
      parent: parent.raw,
      encode: ({ call }, { from, parent, count, to }) =>
        call.encodeDifferences(type.kind, from, parent, count, to),
    });
  },
  decode: (stored, rawBytes, parent) => decodeInBlocks(decodeJob(stored, rawBytes, parent)),
  decodePlainly: (stored, rawBytes, parent) => decodePlainly(decodeJob(stored, rawBytes, parent)),
};
