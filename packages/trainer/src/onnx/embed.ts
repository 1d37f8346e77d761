/**
 * ONNX models of others: what they take and give, and their graph as a part of one of ours. Format:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; names in capitals are its fields. Pure.
 */
import type { Embedded, OnnxGraph } from "./graph.ts";
import { type Message, message, messageField, raw } from "./message.ts";
import { type Field, fieldsOf, messageAt, type Refuse, textsOf } from "./wire.ts";

const MODEL = {
  IR_VERSION: 1,
  PRODUCER_NAME: 2,
  GRAPH: 7,
  OPSET_IMPORT: 8,
  METADATA_PROPS: 14,
  FUNCTIONS: 25,
};
const GRAPH = {
  NODE: 1,
  INITIALIZER: 5,
  INPUT: 11,
  OUTPUT: 12,
  VALUE_INFO: 13,
  QUANTIZATION: 14,
  SPARSE_INITIALIZER: 15,
};
const NODE = { INPUT: 1, OUTPUT: 2, NAME: 3, ATTRIBUTE: 5 };
const ATTRIBUTE = { GRAPH: 6, GRAPHS: 11 };
const TENSOR_NAME = 8;
const SPARSE_VALUES = 1;
const VALUE = { NAME: 1, TYPE: 2 };
const TYPE_TENSOR = 1;
const TENSOR_TYPE = { ELEMENT: 1, SHAPE: 2 };
const DIMENSION = { ONE: 1, LENGTH: 1 };
const ENTRY = { KEY: 1, VALUE: 2 };
const OPSET = { DOMAIN: 1, VERSION: 2 };

/** Operations that are put around a model mean the same since this version of them. */
const OPSET_MIN = 7;
/** Graphs inside of graphs. */
const DEPTH_MAX = 32;

/** Numbers by the type of their elements. */
const FLOATS: ReadonlyMap<number, string> = new Map([
  [1, "float32"],
  [10, "float16"],
  [11, "float64"],
]);
const OTHERS: ReadonlyMap<number, string> = new Map([
  [2, "uint8"],
  [3, "int8"],
  [6, "int32"],
  [7, "int64"],
  [8, "text"],
  [9, "bool"],
  [16, "bfloat16"],
]);

export interface ModelInput {
  readonly name: string;
  /** Number of the type of its elements: a kind of floats. */
  readonly element: number;
  /** Samples first; undefined for any length. */
  readonly shape: readonly (number | undefined)[];
}

/** A model that was looked at. */
export interface OpenedModel {
  /** The only one. */
  readonly input: ModelInput;
  /** Names. */
  readonly outputs: readonly string[];
  readonly producer: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly bytes: Buffer;
  readonly refuse: Refuse;
}

/** Throws what `refuse` makes of the reason for what is no model, or none that takes one tensor of floats. */
export function openModelBytes(bytes: Buffer, refuse: Refuse): OpenedModel {
  const graph = messageAt(bytes, [MODEL.GRAPH], refuse);
  if (graph === undefined) throw refuse("it has no graph");
  const fields = [...fieldsOf(graph, refuse)];
  const initialized = new Set(initializersOf(fields, refuse));
  const values = (kind: number): Buffer[] =>
    fields.filter(({ number }) => number === kind).map(({ content }) => content);
  const named = (value: Buffer): string => textsOf(value, VALUE.NAME, refuse).at(-1) ?? "";
  // Models of old list their weights as inputs that have a value.
  const inputs = values(GRAPH.INPUT).filter((value) => !initialized.has(named(value)));
  const [input, ...more] = inputs;
  if (input === undefined || more.length > 0) throw refuse(`it has ${inputs.length} inputs; one is needed`);
  return {
    input: { name: named(input), ...tensorOf(input, refuse) },
    outputs: values(GRAPH.OUTPUT).map(named),
    producer: messageAt(bytes, [MODEL.PRODUCER_NAME], refuse)?.toString("utf8") ?? "",
    metadata: entriesOf(bytes, refuse),
    bytes,
    refuse,
  };
}

function initializersOf(fields: readonly Field[], refuse: Refuse): string[] {
  return fields.flatMap(({ number, content }) => {
    if (number === GRAPH.INITIALIZER) return textsOf(content, TENSOR_NAME, refuse);
    if (number !== GRAPH.SPARSE_INITIALIZER) return [];
    const tensor = messageAt(content, [SPARSE_VALUES], refuse);
    return tensor === undefined ? [] : textsOf(tensor, TENSOR_NAME, refuse);
  });
}

function tensorOf(value: Buffer, refuse: Refuse): Pick<ModelInput, "element" | "shape"> {
  const tensor = messageAt(value, [VALUE.TYPE, TYPE_TENSOR], refuse);
  const element = tensor === undefined ? 0 : numberIn(tensor, TENSOR_TYPE.ELEMENT, refuse);
  if (tensor === undefined || !FLOATS.has(element)) {
    const found = tensor === undefined ? "no tensor" : (OTHERS.get(element) ?? `elements of type ${element}`);
    throw refuse(`it takes ${found}; ${[...FLOATS.values()].join(", ")} are possible`);
  }
  const shape = messageAt(tensor, [TENSOR_TYPE.SHAPE], refuse);
  if (shape === undefined) throw refuse("it does not say which shape it takes");
  const lengths = [...fieldsOf(shape, refuse)]
    .filter(({ number }) => number === DIMENSION.ONE)
    .map(({ content }) => numberIn(content, DIMENSION.LENGTH, refuse));
  return {
    element,
    shape: lengths.map((length) => (length > 0 && Number.isSafeInteger(length) ? length : undefined)),
  };
}

/** 0 where it is left out. */
function numberIn(bytes: Buffer, wanted: number, refuse: Refuse): number {
  return [...fieldsOf(bytes, refuse)].findLast(({ number }) => number === wanted)?.value ?? 0;
}

function entriesOf(bytes: Buffer, refuse: Refuse): Map<string, string> {
  const entries = [...fieldsOf(bytes, refuse)].filter(({ number }) => number === MODEL.METADATA_PROPS);
  return new Map(
    entries.map(({ content }) => {
      const part = (number: number): string => textsOf(content, number, refuse).at(-1) ?? "";
      return [part(ENTRY.KEY), part(ENTRY.VALUE)];
    }),
  );
}

/**
 * Takes up what computes `output` of a model. Its input and all other names in it get `prefix`; whatever gives the
 * value of that input name is added to the graph before this. Throws what the model's `refuse` makes of the reason
 * when nothing gives that output, or operations are too old.
 */
export function embedModel(
  graph: OnnxGraph,
  { bytes, refuse }: OpenedModel,
  { output, prefix }: { output: string; prefix: string },
): void {
  const opsets = opsetsOf(bytes, refuse);
  const version = opsets.get("") ?? OPSET_MIN;
  if (version < OPSET_MIN) throw refuse(`its operations are of version ${version}; ${OPSET_MIN} is needed`);
  const inner = messageAt(bytes, [MODEL.GRAPH], refuse) ?? Buffer.alloc(0);
  const fields = [...fieldsOf(inner, refuse)];
  const nodes = fields.filter(({ number }) => number === GRAPH.NODE).map(({ content }) => content);
  const needed = neededNodes(nodes, output, refuse);
  if (needed.nodes.size === 0) throw refuse(`no node of it gives ${JSON.stringify(output)}`);
  const rename = renamer(prefix, refuse);
  const initial = fields.filter((field) => {
    const isInitial = field.number === GRAPH.INITIALIZER || field.number === GRAPH.SPARSE_INITIALIZER;
    return isInitial && initializersOf([field], refuse).some((name) => needed.names.has(name));
  });
  const told = fields.filter(({ number, content }) => {
    const isTold = number === GRAPH.VALUE_INFO || number === GRAPH.QUANTIZATION;
    return isTold && textsOf(content, VALUE.NAME, refuse).some((name) => needed.names.has(name));
  });
  const functions = [...fieldsOf(bytes, refuse)].filter(({ number }) => number === MODEL.FUNCTIONS);
  const embedded: Embedded = {
    nodes: nodes.filter((node) => needed.nodes.has(node)).map((node) => rename.node(node)),
    fields: [...initial, ...told].map(({ number, content }) =>
      messageField(number, rename.field(number, content)),
    ),
    modelFields: functions.map(({ from, to }) => raw(bytes.subarray(from, to))),
    irVersion: numberIn(bytes, MODEL.IR_VERSION, refuse),
    opsets,
  };
  graph.embed(embedded);
}

function opsetsOf(bytes: Buffer, refuse: Refuse): Map<string, number> {
  const imports = [...fieldsOf(bytes, refuse)].filter(({ number }) => number === MODEL.OPSET_IMPORT);
  return new Map(
    imports.map(({ content }) => {
      const domain = textsOf(content, OPSET.DOMAIN, refuse).at(-1) ?? "";
      return [domain === "ai.onnx" ? "" : domain, numberIn(content, OPSET.VERSION, refuse)];
    }),
  );
}

/** The nodes that an output is computed by, and every name that these use or give. */
function neededNodes(
  nodes: readonly Buffer[],
  output: string,
  refuse: Refuse,
): { nodes: Set<Buffer>; names: Set<string> } {
  const givenBy = new Map(
    nodes.flatMap((node) => textsOf(node, NODE.OUTPUT, refuse).map((name) => [name, node])),
  );
  const found = new Set<Buffer>();
  const names = new Set([output]);
  // A set grows while it is walked.
  for (const name of names) {
    const node = givenBy.get(name);
    if (node === undefined || found.has(node)) continue;
    found.add(node);
    for (const one of [...usedBy(node, refuse), ...textsOf(node, NODE.OUTPUT, refuse)]) names.add(one);
  }
  return { nodes: found, names };
}

/** Also by the graphs inside of it, which see the names around them. */
function usedBy(node: Buffer, refuse: Refuse, depth = 0): string[] {
  if (depth > DEPTH_MAX) throw refuse(`its graphs are nested more than ${DEPTH_MAX} times`);
  const inside = [...fieldsOf(node, refuse)]
    .filter(({ number }) => number === NODE.ATTRIBUTE)
    .flatMap(({ content }) => [...fieldsOf(content, refuse)])
    .filter(({ number }) => number === ATTRIBUTE.GRAPH || number === ATTRIBUTE.GRAPHS)
    .flatMap(({ content }) => [...fieldsOf(content, refuse)])
    .flatMap(({ number, content }) => {
      if (number === GRAPH.NODE) return usedBy(content, refuse, depth + 1);
      return number === GRAPH.OUTPUT ? textsOf(content, VALUE.NAME, refuse) : [];
    });
  return [...textsOf(node, NODE.INPUT, refuse), ...inside];
}

type Change = (content: Buffer) => Message;

interface Renamer {
  readonly node: Change;
  /** A field of a graph. */
  readonly field: (number: number, content: Buffer) => Message;
}

/** Puts the prefix before each name, also in graphs inside of nodes. An empty name stands for nothing, and stays. */
function renamer(prefix: string, refuse: Refuse): Renamer {
  const within = (changes: Readonly<Record<number, Change>>): Change => {
    return (bytes) =>
      message(
        ...[...fieldsOf(bytes, refuse)].map(({ number, content, from, to }) => {
          const change = changes[number];
          return change === undefined ? raw(bytes.subarray(from, to)) : messageField(number, change(content));
        }),
      );
  };
  const name: Change = (content) => (content.length === 0 ? message() : raw(Buffer.from(prefix), content));
  const tensor = within({ [TENSOR_NAME]: name });
  const value = within({ [VALUE.NAME]: name });
  const graph: Change = (content) => within(changes)(content);
  const attribute = within({ [ATTRIBUTE.GRAPH]: graph, [ATTRIBUTE.GRAPHS]: graph });
  const node = within({
    [NODE.INPUT]: name,
    [NODE.OUTPUT]: name,
    [NODE.NAME]: name,
    [NODE.ATTRIBUTE]: attribute,
  });
  const changes: Readonly<Record<number, Change>> = {
    [GRAPH.NODE]: node,
    [GRAPH.INITIALIZER]: tensor,
    [GRAPH.INPUT]: value,
    [GRAPH.OUTPUT]: value,
    [GRAPH.VALUE_INFO]: value,
    [GRAPH.QUANTIZATION]: within({ [ENTRY.KEY]: name, [ENTRY.VALUE]: within({ [ENTRY.VALUE]: name }) }),
    [GRAPH.SPARSE_INITIALIZER]: within({ [SPARSE_VALUES]: tensor }),
  };
  return { node, field: (number, content) => changes[number]?.(content) ?? raw(content) };
}
