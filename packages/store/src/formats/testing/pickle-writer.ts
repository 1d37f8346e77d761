/** Writes pickles of protocol 2, opcode by opcode, and PyTorch files around them. For tests. */
import { u32, zip } from "./zip-writer.ts";

const op = (code: string, ...rest: (string | Buffer)[]): Buffer =>
  Buffer.concat([Buffer.from(code, "latin1"), ...rest.map((part) => Buffer.from(part))]);

export const text = (value: string): Buffer => op("X", u32(Buffer.byteLength(value)), value);
export const global = (module: string, name: string): Buffer => op("c", `${module}\n${name}\n`);
export const tuple = (...items: Buffer[]): Buffer => op("(", ...items, "t");
export const list = (...items: Buffer[]): Buffer => op("](", ...items, "e");
export const dict = (entries: Readonly<Record<string, Buffer>>): Buffer =>
  op("}(", ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]), "u");
export const call = (callee: Buffer, ...args: Buffer[]): Buffer =>
  Buffer.concat([callee, tuple(...args), op("R")]);
/** A whole number as LONG1. */
export const int = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(9);
  bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)));
  const isWide = BigInt(value) > 2n ** 63n - 1n;
  return op("\u008a", Buffer.from([isWide ? 9 : 8]), bytes.subarray(0, isWide ? 9 : 8));
};
export const FALSE = Buffer.from([0x89]);
export const pickle = (value: Buffer): Buffer =>
  Buffer.concat([Buffer.from([0x80, 2]), value, Buffer.from(".")]);

export interface TensorParts {
  readonly storage?: string;
  /** `FloatStorage` and the like. */
  readonly type?: string;
  readonly offset?: number | bigint;
  readonly shape?: readonly (number | bigint)[];
  readonly strides?: readonly (number | bigint)[];
}

/** What torch.save writes for a tensor. */
export function tensor({
  storage = "0",
  type = "FloatStorage",
  offset = 0,
  shape = [2],
  strides,
}: TensorParts): Buffer {
  const id = tuple(text("storage"), global("torch", type), text(storage), text("cpu"), int(2));
  const steps =
    strides ?? shape.map((_, index) => shape.slice(index + 1).reduce((a, b) => BigInt(a) * BigInt(b), 1n));
  return call(
    global("torch._utils", "_rebuild_tensor_v2"),
    Buffer.concat([id, Buffer.from("Q")]),
    int(offset),
    tuple(...shape.map(int)),
    tuple(...steps.map(int)),
    FALSE,
    call(global("collections", "OrderedDict")),
  );
}

/** A PyTorch file of a pickled value and the bytes of its storages. */
export function torchFile(
  value: Buffer,
  storages: Readonly<Record<string, Buffer>> = { "0": Buffer.alloc(8) },
  more: Readonly<Record<string, Buffer>> = {},
): Buffer {
  const members = Object.entries({
    "data.pkl": pickle(value),
    ...more,
    ...Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`data/${key}`, bytes])),
    version: Buffer.from("3\n"),
  });
  return zip(members.map(([name, bytes]) => ({ name: `archive/${name}`, bytes })));
}
