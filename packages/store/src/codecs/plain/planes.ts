/** The decoder of kernels/pln.ts and kernels/planes.ts in plain TypeScript. */
import { damaged } from "../blocks.ts";
import { type Layout, segmentElements } from "../layout.ts";
import { type Cursor, decodeBytes, type SlotTable, take, takeByte, takeTable } from "./rans.ts";

const RAW = 0;
const FILL = 1;
const CODED = 2;
const CODED_AGAIN = 3;
const RAW_LATE = 4;

/** Decodes one block of `count` elements into `raw`. Throws OBJECT_CORRUPT. */
export function decodePlanes(
  cursor: Cursor,
  raw: Uint8Array,
  { layout, count }: { layout: Layout; count: number },
): void {
  const { width, strideBytes, scaleBytes } = layout;
  const planes = width || scaleBytes + 1;
  const elementBytes = width || strideBytes;
  const tables: (SlotTable | undefined)[] = Array.from({ length: planes });
  const segment = segmentElements(layout);
  for (let done = 0; done < count; done += segment) {
    const part = Math.min(segment, count - done);
    const lengths = Array.from({ length: planes }, (_, plane) =>
      width === 0 && plane === scaleBytes ? part * (strideBytes - scaleBytes) : part,
    );
    const parts = takeSegment(cursor, lengths, tables);
    const to = raw.subarray(done * elementBytes, (done + part) * elementBytes);
    if (width === 0) joinRecords(parts, to, layout);
    else joinElements(parts, to, layout.isRotated);
  }
  if (cursor.at !== cursor.bytes.length) throw damaged(cursor.name, "a block has bytes left over");
}

function takeSegment(
  cursor: Cursor,
  lengths: readonly number[],
  tables: (SlotTable | undefined)[],
): Uint8Array[] {
  const modes = take(cursor, lengths.length);
  const early = lengths.map((length, plane) => (modes[plane] === RAW ? take(cursor, length) : undefined));
  return lengths.map(
    (length, plane) => early[plane] ?? takePlane(cursor, { mode: modes[plane], length, plane }, tables),
  );
}

function takePlane(
  cursor: Cursor,
  { mode, length, plane }: { mode: number | undefined; length: number; plane: number },
  tables: (SlotTable | undefined)[],
): Uint8Array {
  if (mode === RAW_LATE) return take(cursor, length);
  if (mode === FILL) return new Uint8Array(length).fill(takeByte(cursor));
  if (mode === CODED) tables[plane] = takeTable(cursor, 255);
  const slots = tables[plane];
  if ((mode !== CODED && mode !== CODED_AGAIN) || slots === undefined) {
    throw damaged(cursor.name, `a plane of mode ${mode}`);
  }
  const bytes = new Uint8Array(length);
  decodeBytes(cursor, bytes, slots);
  return bytes;
}

/** Rotated: bit 0 of an element is its highest bit, and the others are one place too far up. */
function joinElements(planes: readonly Uint8Array[], to: Uint8Array, isRotated: boolean): void {
  const width = planes.length;
  for (const [plane, bytes] of planes.entries()) {
    const above = planes[(plane + 1) % width] ?? bytes;
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index] as number;
      to[index * width + plane] = isRotated ? (byte >>> 1) | ((above[index] as number) << 7) : byte;
    }
  }
}

function joinRecords(
  planes: readonly Uint8Array[],
  to: Uint8Array,
  { strideBytes, scaleBytes }: Layout,
): void {
  const restBytes = strideBytes - scaleBytes;
  const rest = planes[scaleBytes] ?? new Uint8Array();
  for (let record = 0; record * strideBytes < to.length; record++) {
    const at = record * strideBytes;
    for (let lane = 0; lane < scaleBytes; lane++) to[at + lane] = planes[lane]?.[record] ?? 0;
    to.set(rest.subarray(record * restBytes, (record + 1) * restBytes), at + scaleBytes);
  }
}
