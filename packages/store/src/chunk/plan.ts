/**
 * How a file is cut. A plan is advice: it decides what is shared, never what the bytes are.
 * A plan's number is written into every chunklist; its rules are frozen once released.
 */
import { gearCut } from "./gear.ts";

export interface Plan {
  readonly id: number;
  readonly name: string;
  /**
   * Length of the chunk that starts at `start` in `bytes`; at most CHUNK_BYTES_MAX. `end` is where the known
   * bytes end: the end of the file or at least CHUNK_BYTES_MAX after `start`. `offset` is the file offset of `start`.
   */
  cut(bytes: Uint8Array, start: number, end: number, offset: number): number;
}

/** Gear CDC over the whole file: for bytes without known structure. */
export const GEAR_PLAN: Plan = {
  id: 1,
  name: "gear1",
  cut: (bytes, start, end) => gearCut(bytes, start, end),
};
