/**
 * Makes a value inside of an ONNX graph one of its outputs, so that features can be taken before the classes. Format:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: the graph is field 7 of the model; of a graph 1 are nodes, 12
 * outputs; of a node 2 are names of outputs; of an output 1 is its name. Pure.
 */

export const MODEL_GRAPH = 7;
const GRAPH_NODE = 1;
const GRAPH_OUTPUT = 12;
const NODE_OUTPUT = 2;
const VALUE_NAME = 1;
const BYTES = 2;
/** Bytes of a fixed-size field by its type. */
const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const VARINT_BYTES_MAX = 10;

interface Field {
  readonly number: number;
  /** Empty for what is no text, bytes or message. */
  readonly content: Buffer;
  /** Where the field begins, and what follows it. */
  readonly from: number;
  readonly to: number;
}

/** Throws what `refuse` makes of the reason. */
export function* fieldsOf(message: Buffer, refuse: (why: string) => Error): Generator<Field> {
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
    if (type === 0) varint();
    else {
      const length = type === BYTES ? varint() : FIXED[type];
      if (length === undefined) throw refuse("it is no ONNX model");
      if (at + length > message.length) throw refuse("it is truncated");
      if (type === BYTES) content = message.subarray(at, at + length);
      at += length;
    }
    yield { number, content, from, to: at };
  }
}

export function varintOf(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

export function bytesField(number: number, content: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from([...varintOf(number * 8 + BYTES), ...varintOf(content.length)]),
    content,
  ]);
}

/**
 * The model with `name` as a further output; as it is when it is one already. Throws what `refuse` makes of the reason
 * when no node gives that value, or the bytes are no model.
 */
export function withOutput(model: Buffer, name: string, refuse: (why: string) => Error): Buffer {
  const graph = [...fieldsOf(model, refuse)].findLast(({ number }) => number === MODEL_GRAPH);
  if (graph === undefined) throw refuse("it has no graph");
  let isInside = false;
  for (const { number, content } of fieldsOf(graph.content, refuse)) {
    if (number === GRAPH_OUTPUT && namesOf(content, VALUE_NAME, refuse).includes(name)) return model;
    if (number === GRAPH_NODE && namesOf(content, NODE_OUTPUT, refuse).includes(name)) isInside = true;
  }
  if (!isInside) throw refuse(`no node of it gives ${JSON.stringify(name)}`);
  const output = bytesField(GRAPH_OUTPUT, bytesField(VALUE_NAME, Buffer.from(name)));
  const whole = bytesField(MODEL_GRAPH, Buffer.concat([graph.content, output]));
  return Buffer.concat([model.subarray(0, graph.from), whole, model.subarray(graph.to)]);
}

function namesOf(message: Buffer, wanted: number, refuse: (why: string) => Error): string[] {
  return [...fieldsOf(message, refuse)].flatMap(({ number, content }) =>
    number === wanted ? [content.toString("utf8")] : [],
  );
}
