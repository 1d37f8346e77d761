/**
 * Pickles that are a file of their own, and torch.save's files of before 2020, which are five pickles and then bytes.
 * They have no spans; what they may run is told. Layout: torch/serialization.py of torch 2.15, `_legacy_save`.
 */
import { BoundedReader } from "./bounded-reader.ts";
import { checkedTable } from "./checked-table.ts";
import { readPickle } from "./pickle.ts";
import type { ByteSource, Format, Risk } from "./table.ts";
import { riskOf, unreadableIsExecutable } from "./pickle-risk.ts";

const FORMAT = "pickle";
const PROTO = 0x80;
/** Names of files that hold a pickle, whatever their first bytes are. */
const NAME = /\.(?:pkl|pickle|pt|pth|ckpt|joblib|dill)$/i;
/** LONG1 of the number 0x1950a86a20f9469cfc6c, which begins every file of torch.save before 2020. */
const TORCH_MAGIC = Buffer.from("8a0a6cfc9c46f9206aa85019", "hex");
/** Magic number, version, system, object, keys of the storages. */
const TORCH_PICKLES = 5;

export const pickleFile: Format = {
  name: FORMAT,
  matches(head, fileName) {
    const [first = 0, second = 0] = head;
    return NAME.test(fileName) || (first === PROTO && second >= 2 && second <= 5);
  },
  parse(source) {
    const risk = unreadableIsExecutable(() => readRisk(source));
    return { ...checkedTable(FORMAT, { tensors: [] }, source.sizeBytes), risk };
  },
};

function readRisk(source: ByteSource): Risk {
  const reader = new BoundedReader(source, FORMAT);
  const isTorch = startsWithMagic(reader);
  reader.seek(0);
  for (let index = 0; index < (isTorch ? TORCH_PICKLES : 1); index++) {
    if (riskOf(readPickle(reader)) === "executable") return "executable";
  }
  return isTorch || reader.remaining === 0 ? "data-only" : "executable";
}

function startsWithMagic(reader: BoundedReader): boolean {
  if (reader.remaining < 2 + TORCH_MAGIC.length) return false;
  reader.skip(2);
  return TORCH_MAGIC.equals(reader.bytes(TORCH_MAGIC.length));
}
