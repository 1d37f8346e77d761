import { SmcError } from "../errors.ts";
import type { Codec } from "./codec.ts";

/** The bytes as they are. */
export const RAW: Codec = {
  id: 0,
  name: "RAW",
  isDelta: false,
  encode: (raw) => raw,
  decode(stored, rawBytes) {
    if (stored.length !== rawBytes) {
      throw new SmcError("OBJECT_CORRUPT", `RAW: ${stored.length} bytes stored for ${rawBytes}`);
    }
    return stored;
  },
};
