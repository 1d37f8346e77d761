import { SmcError } from "../errors.ts";
import type { Codec } from "./codec.ts";

const WIDTHS = [1, 2, 4, 8];

/** One value of 1, 2, 4 or 8 bytes, repeated: zeros, ones, constant tensors. Stores the value. */
export const FILL: Codec = {
  id: 1,
  name: "FILL",
  isDelta: false,
  encode(raw) {
    if (raw.length < 16) return undefined;
    const width = WIDTHS.find((bytes) => Buffer.compare(raw.subarray(bytes), raw.subarray(0, -bytes)) === 0);
    return width === undefined ? undefined : raw.slice(0, width);
  },
  decode(stored, rawBytes) {
    if (!WIDTHS.includes(stored.length)) {
      throw new SmcError("OBJECT_CORRUPT", `FILL: a value of ${stored.length} bytes`);
    }
    return Buffer.alloc(rawBytes, stored);
  },
};
