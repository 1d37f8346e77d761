/** ZIP files of every kind: what is inside decides, not the name. */
import { checkedTable } from "./checked-table.ts";
import { isKeras, parseKeras } from "./keras.ts";
import { isNpz, parseNpz } from "./npz.ts";
import type { Format } from "./table.ts";
import { parseTorch, torchPickle } from "./torch.ts";
import { readZip } from "./zip.ts";

const LOCAL_SIGNATURE = Buffer.from([0x50, 0x4b, 0x03, 0x04]);
/** An archive without members is its end record. */
const END_SIGNATURE = Buffer.from([0x50, 0x4b, 0x05, 0x06]);

/** A PyTorch, Keras or NumPy archive; one of anything else has no tensors, and its risk is unknown. */
export const zipFile: Format = {
  name: "ZIP",
  matches(head) {
    const signature = head.subarray(0, 4);
    return LOCAL_SIGNATURE.equals(signature) || END_SIGNATURE.equals(signature);
  },
  parse(source) {
    const members = readZip(source);
    const pickle = torchPickle(members);
    if (pickle !== undefined) return parseTorch(source, members, pickle);
    if (isKeras(members)) return parseKeras(source, members);
    if (isNpz(members)) return parseNpz(source, members);
    return { ...checkedTable("ZIP", { tensors: [] }, source.sizeBytes), risk: "unknown" };
  },
};
