/** The search for a gear cut with kernels: one and a half times as fast as in JavaScript, the copy included. */
import { BLOCK_BYTES } from "./blocks.ts";
import { openKernels, runKernels } from "./kernels.ts";

interface GearScan {
  readonly from: number;
  readonly to: number;
  /** Bits of a hash that are zero at a cut; at least one. */
  readonly mask: number;
  /** The hash of the bytes before `from`. */
  readonly seed: number;
  /** 256 numbers. */
  readonly table: Int32Array;
}

/**
 * Where in `bytes` the first chunk ends whose hash fits the mask, or −1; and the hash there, or at `to`. Undefined
 * where there are no kernels.
 */
export function scanGear(bytes: Uint8Array, scan: GearScan): { at: number; hash: number } | undefined {
  const kernels = openKernels();
  if (kernels === undefined) return undefined;
  const { call, memory, at } = kernels;
  return runKernels(kernels, () => {
    new Int32Array(memory.buffer, at.GEAR_TABLE, scan.table.length).set(scan.table);
    let hash = scan.seed;
    for (let from = scan.from; from < scan.to; from += BLOCK_BYTES) {
      const piece = bytes.subarray(from, Math.min(scan.to, from + BLOCK_BYTES));
      memory.set(piece, at.INPUT);
      const found = call.scanGear(at.INPUT, piece.length, scan.mask, hash);
      hash = call.hashOfScan();
      if (found >= 0) return { at: from + found, hash };
    }
    return { at: -1, hash };
  });
}
