/** How the bytes of a chunk are laid out in planes: the first eight bytes of PLN, PLS and XPL, and inside of DRV. */
import type { Dtype } from "../formats/table.ts";
import { widthOf } from "../formats/table.ts";
import { BLOCK_BYTES, damaged, type Framing } from "./blocks.ts";
import type { EncodeHints } from "./codec.ts";
import type { Kernels } from "./kernels.ts";

export const LAYOUT_BYTES = 8;
/** Symbols that one table is for. */
export const SEGMENT_SYMBOLS = 65_536;
/** Of a record: bytes that have a plane of their own. */
const SCALE_BYTES_MAX = 15;
const STRIDE_BYTES_MAX = 1024;
const ROTATED = 1;
const WIDTHS = [1, 2, 4, 8];
/** Bytes of the real part of a complex number. */
const HALVES: ReadonlyMap<Dtype, number> = new Map([
  ["c64", 4],
  ["c128", 8],
]);

/** Elements of `width` bytes; or, when it is 0, records of `strideBytes`. */
export interface Layout {
  readonly width: number;
  readonly isRotated: boolean;
  readonly lead: number;
  readonly strideBytes: number;
  readonly scaleBytes: number;
}

export function layoutOfWidth(width: number, lead = 0): Layout {
  return { width, isRotated: width > 1, lead, strideBytes: 0, scaleBytes: 0 };
}

/** True for a number of bytes before the first whole element of `width` bytes. */
export function isLead(lead: number, width: number): boolean {
  return Number.isInteger(lead) && lead >= 0 && lead < width;
}

/**
 * Undefined for a dtype whose elements are no 1, 2, 4 or 8 bytes, and for a lead that is none. Complex numbers count as
 * their halves.
 */
export function layoutOfDtype(dtype: Dtype | undefined, lead = 0): Layout | undefined {
  if (dtype === undefined) return undefined;
  const half = HALVES.get(dtype);
  const layout = layoutOfWidth(half ?? widthOf(dtype) ?? 0, half === undefined ? lead : lead % half);
  return layout.width > 0 && isValid(layout) ? layout : undefined;
}

/** Undefined without a block type, or for one that cannot be split. */
export function layoutOfBlock({ block, lead = 0 }: EncodeHints): Layout | undefined {
  if (block === undefined) return undefined;
  const layout = { width: 0, isRotated: false, lead, ...block };
  return isValid(layout) ? layout : undefined;
}

function isValid({ width, isRotated, lead, strideBytes, scaleBytes }: Layout): boolean {
  if (width !== 0) {
    const isPlain = strideBytes === 0 && scaleBytes === 0 && !(width === 1 && isRotated);
    return WIDTHS.includes(width) && isLead(lead, width) && isPlain;
  }
  const isStride = Number.isInteger(strideBytes) && strideBytes >= 2 && strideBytes <= STRIDE_BYTES_MAX;
  return !isRotated && isStride && isLead(lead, strideBytes) && isScale(scaleBytes, strideBytes);
}

function isScale(scaleBytes: number, strideBytes: number): boolean {
  return isLead(scaleBytes, SCALE_BYTES_MAX + 1) && scaleBytes * 2 <= strideBytes;
}

export function encodeLayout({ width, isRotated, lead, strideBytes, scaleBytes }: Layout): Uint8Array {
  const bytes = Buffer.alloc(LAYOUT_BYTES);
  bytes.writeUInt8(width, 0);
  bytes.writeUInt8(isRotated ? ROTATED : 0, 1);
  bytes.writeUInt16LE(lead, 2);
  bytes.writeUInt16LE(strideBytes, 4);
  bytes.writeUInt16LE(scaleBytes, 6);
  return bytes;
}

/** Throws OBJECT_CORRUPT. */
export function decodeLayout(name: string, stored: Uint8Array): Layout {
  if (stored.length < LAYOUT_BYTES) throw damaged(name, "the header is cut off");
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, LAYOUT_BYTES);
  const flags = bytes.readUInt8(1);
  const layout = {
    width: bytes.readUInt8(0),
    isRotated: flags === ROTATED,
    lead: bytes.readUInt16LE(2),
    strideBytes: bytes.readUInt16LE(4),
    scaleBytes: bytes.readUInt16LE(6),
  };
  if (flags > ROTATED || !isValid(layout)) throw damaged(name, "the layout is damaged");
  return layout;
}

/** Elements that share their tables: 64 Ki, or as many records as have 64 KiB besides their scales. */
export function segmentElements({ width, strideBytes, scaleBytes }: Layout): number {
  return width === 0 ? Math.floor(SEGMENT_SYMBOLS / (strideBytes - scaleBytes)) : SEGMENT_SYMBOLS;
}

/** Blocks are 1 MiB of elements, or as many whole segments of records as fit. */
export function framingOf(name: string, layout: Layout): Framing {
  const elementBytes = layout.width || layout.strideBytes;
  const segment = segmentElements(layout);
  const segments = Math.floor(BLOCK_BYTES / (segment * elementBytes));
  return {
    name,
    headerBytes: LAYOUT_BYTES,
    elementBytes,
    blockElements: segments * segment,
    lead: layout.lead,
  };
}

export function setLayout({ call }: Kernels, { width, isRotated, strideBytes, scaleBytes }: Layout): void {
  call.setLayout(width, isRotated ? 1 : 0, strideBytes, scaleBytes);
}
