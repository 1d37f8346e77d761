/** A few pieces of a chunk that stand for the whole. */

export const SLICES = 4;
export const SLICE_BYTES = 16 * 1024;

/** Evenly spread slices that start `lead` and a multiple of `unit` bytes from the start; the whole when it is small. */
export function slicesOf(
  bytes: Uint8Array,
  { unit, lead, sliceBytes }: { unit: number; lead: number; sliceBytes: number },
): Uint8Array[] {
  const length = Math.max(0, Math.floor((bytes.length - lead) / unit));
  const part = Math.floor(sliceBytes / unit);
  if (length <= part * SLICES) return [bytes.subarray(lead, lead + length * unit)];
  const step = Math.floor((length - part) / (SLICES - 1));
  return Array.from({ length: SLICES }, (_, slice) => {
    const from = lead + slice * step * unit;
    return bytes.subarray(from, from + part * unit);
  });
}
