/**
 * A graph of ONNX while it is put together. Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; names in
 * capitals are its fields.
 */
import {
  bytesField,
  floatField,
  type Message,
  message,
  messageField,
  numberField,
  textField,
} from "./message.ts";

const MODEL = { IR_VERSION: 1, PRODUCER_NAME: 2, GRAPH: 7, OPSET_IMPORT: 8, METADATA_PROPS: 14 } as const;
const OPSET_FIELD = { DOMAIN: 1, VERSION: 2 } as const;
const GRAPH = { NODE: 1, NAME: 2, INITIALIZER: 5, INPUT: 11, OUTPUT: 12 } as const;
const NODE = { INPUT: 1, OUTPUT: 2, NAME: 3, OP_TYPE: 4, ATTRIBUTE: 5 } as const;
const ATTRIBUTE = { NAME: 1, F: 2, I: 3, INTS: 8, TYPE: 20 } as const;
const ATTRIBUTE_TYPE = { FLOAT: 1, INT: 2, INTS: 7 } as const;
const TENSOR = { DIMS: 1, DATA_TYPE: 2, NAME: 8, RAW_DATA: 9 } as const;
const DATA_TYPE = { FLOAT: 1, INT64: 7 } as const;
const VALUE = { NAME: 1, TYPE: 2 } as const;
const ENTRY = { KEY: 1, VALUE: 2 } as const;

/** Read by every runtime since 2021. */
const IR_VERSION = 7;
const OPSET = 13;
export const PRODUCER = "smc";

/** A list is of whole numbers; `float` tells a number that is none. */
export type Attribute = number | readonly number[] | { readonly float: number };

/** `undefined` stands for the number of samples. */
export interface OnnxValue {
  readonly name: string;
  /** Undefined where nobody knows it before it is computed. */
  readonly shape: readonly (number | undefined)[] | undefined;
}

/** What a model of others brings into a graph of ours. */
export interface Embedded {
  /** Of the graph: nodes in their order, and fields of any other kind. */
  readonly nodes: readonly Message[];
  readonly fields: readonly Message[];
  /** Of the model. */
  readonly modelFields: readonly Message[];
  readonly irVersion: number;
  /** By domain; "" are the operations of ONNX itself. */
  readonly opsets: ReadonlyMap<string, number>;
}

export class OnnxGraph {
  readonly #nodes: Message[] = [];
  readonly #constants: Message[] = [];
  readonly #prefix: string;
  #embedded: Embedded | undefined;

  /** `prefix`: of the names that are made here, where others may be taken. */
  constructor(prefix = "") {
    this.#prefix = prefix;
  }

  /** Takes up the nodes of a model of others, at this place in the order; one at most. */
  embed(embedded: Embedded): void {
    this.#nodes.push(...embedded.nodes.map((node) => messageField(GRAPH.NODE, node)));
    this.#embedded = embedded;
  }

  /** Adds an operation; gives the name of what it computes, `output` or a new one. */
  add(
    kind: string,
    inputs: readonly string[],
    { attributes = {}, output }: { attributes?: Readonly<Record<string, Attribute>>; output?: string } = {},
  ): string {
    const name = output ?? `${this.#prefix}${kind}_${this.#nodes.length + 1}`;
    const node = message(
      ...inputs.map((input) => textField(NODE.INPUT, input)),
      textField(NODE.OUTPUT, name),
      textField(NODE.NAME, `node_${name}`),
      textField(NODE.OP_TYPE, kind),
      ...Object.entries(attributes).map(([key, value]) =>
        messageField(NODE.ATTRIBUTE, attribute(key, value)),
      ),
    );
    this.#nodes.push(messageField(GRAPH.NODE, node));
    return name;
  }

  /** Adds numbers that do not change; gives their name. */
  constant(
    name: string,
    { shape, values }: { shape: readonly number[]; values: Float32Array | BigInt64Array },
  ): string {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const tensor = message(
      ...shape.map((length) => numberField(TENSOR.DIMS, length)),
      numberField(TENSOR.DATA_TYPE, values instanceof Float32Array ? DATA_TYPE.FLOAT : DATA_TYPE.INT64),
      textField(TENSOR.NAME, name),
      bytesField(TENSOR.RAW_DATA, bytes),
    );
    this.#constants.push(messageField(GRAPH.INITIALIZER, tensor));
    return name;
  }

  /** The bytes of the whole model. */
  encode(whole: {
    input: OnnxValue;
    outputs: readonly OnnxValue[];
    metadata: Readonly<Record<string, string>>;
  }): Buffer {
    const { fields = [], modelFields = [], irVersion = 0, opsets = new Map() } = this.#embedded ?? {};
    const graph = message(
      ...this.#nodes,
      textField(GRAPH.NAME, "smc"),
      ...this.#constants,
      ...fields,
      messageField(GRAPH.INPUT, valueOf(whole.input)),
      ...whole.outputs.map((output) => messageField(GRAPH.OUTPUT, valueOf(output))),
    );
    const { parts } = message(
      numberField(MODEL.IR_VERSION, Math.max(irVersion, IR_VERSION)),
      textField(MODEL.PRODUCER_NAME, PRODUCER),
      ...[...new Map([["", OPSET], ...opsets])].map(([domain, version]) =>
        messageField(MODEL.OPSET_IMPORT, opset(domain, version)),
      ),
      messageField(MODEL.GRAPH, graph),
      ...modelFields,
      ...Object.entries(whole.metadata).map(([key, value]) =>
        messageField(MODEL.METADATA_PROPS, message(textField(ENTRY.KEY, key), textField(ENTRY.VALUE, value))),
      ),
    );
    return Buffer.concat(parts);
  }
}

function attribute(name: string, value: Attribute): Message {
  const head = textField(ATTRIBUTE.NAME, name);
  const type = (number: number): Message => numberField(ATTRIBUTE.TYPE, number);
  if (typeof value === "number")
    return message(head, numberField(ATTRIBUTE.I, value), type(ATTRIBUTE_TYPE.INT));
  if ("float" in value)
    return message(head, floatField(ATTRIBUTE.F, value.float), type(ATTRIBUTE_TYPE.FLOAT));
  return message(head, ...value.map((one) => numberField(ATTRIBUTE.INTS, one)), type(ATTRIBUTE_TYPE.INTS));
}

function opset(domain: string, version: number): Message {
  const named = domain === "" ? message() : textField(OPSET_FIELD.DOMAIN, domain);
  return message(named, numberField(OPSET_FIELD.VERSION, version));
}

/** ValueInfoProto: a tensor of float32. */
function valueOf({ name, shape }: OnnxValue): Message {
  const lengths = shape?.map((length, at) => {
    const text = at === 0 ? "samples" : `length_${at}`;
    return messageField(1, length === undefined ? textField(2, text) : numberField(1, length));
  });
  const sized = lengths === undefined ? [] : [messageField(2, message(...lengths))];
  const tensor = message(numberField(1, DATA_TYPE.FLOAT), ...sized);
  return message(textField(VALUE.NAME, name), messageField(VALUE.TYPE, messageField(1, tensor)));
}
