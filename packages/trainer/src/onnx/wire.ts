/** Reads messages of Protocol Buffers. Format: https://protobuf.dev/programming-guides/encoding/. Pure. */

export const MODEL_GRAPH = 7;
const VARINT = 0;
const BYTES = 2;
/** Bytes of a fixed-size field by its type. */
const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const VARINT_BYTES_MAX = 10;

/** Makes an error of a reason. */
export type Refuse = (why: string) => Error;

export interface Field {
  readonly number: number;
  /** Empty for what is no text, bytes or message. */
  readonly content: Buffer;
  /** Of a whole number; 0 for all else. */
  readonly value: number;
  /** Where the field begins, and what follows it. */
  readonly from: number;
  readonly to: number;
}

/** Throws what `refuse` makes of the reason. */
export function* fieldsOf(message: Buffer, refuse: Refuse): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index += 1) {
      const byte = message[at];
      if (byte === undefined) throw refuse("it is truncated");
      at += 1;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    throw refuse("it is no ONNX model");
  };
  while (at < message.length) {
    const from = at;
    const key = varint();
    const [number, type] = [Math.floor(key / 8), key % 8];
    let content = message.subarray(0, 0);
    let value = 0;
    if (type === VARINT) value = varint();
    else {
      const length = type === BYTES ? varint() : FIXED[type];
      if (length === undefined) throw refuse("it is no ONNX model");
      if (at + length > message.length) throw refuse("it is truncated");
      if (type === BYTES) content = message.subarray(at, at + length);
      at += length;
    }
    yield { number, content, value, from, to: at };
  }
}

/** The texts of one field, in their order. */
export function textsOf(message: Buffer, wanted: number, refuse: Refuse): string[] {
  return [...fieldsOf(message, refuse)].flatMap(({ number, content }) =>
    number === wanted ? [content.toString("utf8")] : [],
  );
}

/** The message that this way of fields leads to, the last where there are several; undefined where there is none. */
export function messageAt(message: Buffer, way: readonly number[], refuse: Refuse): Buffer | undefined {
  let inner: Buffer | undefined = message;
  for (const wanted of way) {
    if (inner === undefined) return undefined;
    inner = [...fieldsOf(inner, refuse)].findLast(({ number }) => number === wanted)?.content;
  }
  return inner;
}
