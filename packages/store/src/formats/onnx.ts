/**
 * ONNX (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): initializers and tensors in attributes of nodes, also
 * of the graphs inside of nodes. A name that stands twice gets `#2`, `#3` … in the order of the file.
 */
import { BoundedReader } from "./bounded-reader.ts";
import { checkedTable, TableRoom } from "./checked-table.ts";
import { INPUTS_MAX, isQuantized, Quantizations } from "./onnx-quantization.ts";
import { type OnnxTensor, readTensor } from "./onnx-tensor.ts";
import { BYTES, WireReader } from "./onnx-wire.ts";
import {
  type ExternalSpan,
  type Format,
  NAME_LENGTH_MAX,
  type TensorSpan,
  type TensorTable,
} from "./table.ts";

const NAME = "ONNX";
/** Graphs inside of graphs. Readers that follow the rules of protocol buffers stop at about the same depth. */
const GRAPH_DEPTH_MAX = 32;
/** Of producers that wrote their name; it follows the version of the format. */
const PRODUCER_BYTES_MAX = 64;
const VERSION_MIN = 3;
const VERSION_MAX = 31;

// Fields of ModelProto, TrainingInfoProto, FunctionProto, GraphProto, NodeProto, AttributeProto.
const MODEL = { graph: 7, trainingInfo: 20, functions: 25 };
const TRAINING = { initialization: 1, algorithm: 2 };
const FUNCTION = { node: 7 };
const GRAPH = { node: 1, initializer: 5 };
const NODE = { input: 1, output: 2, kind: 4, attribute: 5 };
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11 };

export const onnx: Format = {
  name: NAME,
  matches(head, fileName) {
    if (fileName.toLowerCase().endsWith(".onnx")) return true;
    // Version of the format as field 1, name of the producer as field 2.
    const [first, version = 0, second, length = 0] = head;
    if (first !== 0x08 || version < VERSION_MIN || version > VERSION_MAX || second !== 0x12) return false;
    const producer = head.subarray(4, 4 + length);
    const isText = producer.every((byte) => byte >= 0x20 && byte < 0x7f);
    return length > 0 && length <= PRODUCER_BYTES_MAX && producer.length === length && isText;
  },
  parse(source) {
    const walk = new Walk(new WireReader(new BoundedReader(source, NAME)));
    walk.model(source.sizeBytes);
    return walk.table(source.sizeBytes);
  },
};

class Walk {
  readonly #wire: WireReader;
  readonly #tensors: OnnxTensor[] = [];
  readonly #quantizations = new Quantizations();
  readonly #room = new TableRoom(NAME);

  constructor(wire: WireReader) {
    this.#wire = wire;
  }

  model(end: number): void {
    const wire = this.#wire;
    let hasGraph = false;
    while (wire.next(end)) {
      if (wire.field === MODEL.graph) {
        hasGraph = true;
        this.#graph(wire.open(end), 1);
      } else if (wire.field === MODEL.trainingInfo) this.#trainingInfo(wire.open(end));
      else if (wire.field === MODEL.functions) this.#function(wire.open(end));
      else wire.skip(end);
    }
    if (!hasGraph) wire.reader.fail("it has no graph");
  }

  #trainingInfo(end: number): void {
    const wire = this.#wire;
    while (wire.next(end)) {
      const isGraph = wire.field === TRAINING.initialization || wire.field === TRAINING.algorithm;
      if (isGraph) this.#graph(wire.open(end), 1);
      else wire.skip(end);
    }
  }

  #function(end: number): void {
    const wire = this.#wire;
    while (wire.next(end)) {
      if (wire.field === FUNCTION.node) this.#node(wire.open(end), 1);
      else wire.skip(end);
    }
  }

  #graph(end: number, depth: number): void {
    const wire = this.#wire;
    if (depth > GRAPH_DEPTH_MAX) wire.reader.fail(`graphs nested deeper than ${GRAPH_DEPTH_MAX}`);
    while (wire.next(end)) {
      if (wire.field === GRAPH.node) this.#node(wire.open(end), depth);
      else if (wire.field === GRAPH.initializer) this.#tensor(wire.open(end));
      else wire.skip(end);
    }
  }

  #node(end: number, depth: number): void {
    const wire = this.#wire;
    const firstTensor = this.#tensors.length;
    // Most nodes are of no interest: of their names only the places are kept.
    const inputs: number[] = [];
    let output: number | undefined;
    let kind = "";
    while (wire.next(end)) {
      const { field } = wire;
      if (field === NODE.kind) kind = wire.text(end, NAME_LENGTH_MAX);
      else if (field === NODE.attribute) this.#attribute(wire.open(end), depth);
      else {
        if (field === NODE.input && inputs.length < INPUTS_MAX) inputs.push(wire.reader.offset);
        else if (field === NODE.output) output ??= wire.reader.offset;
        wire.skip(end);
      }
    }
    if (isQuantized(kind))
      this.#quantizations.addNode(
        kind,
        inputs.map((at) => this.#textAt(at, end)),
      );
    // The value of a Constant has the name of what the node gives.
    const unnamed = this.#tensors.slice(firstTensor).filter(({ name }) => name === "");
    if (unnamed.length > 0 && output !== undefined) {
      const name = this.#textAt(output, end);
      for (const tensor of unnamed) tensor.name = name;
    }
    wire.reader.seek(end);
  }

  /** The text of a field whose key ends at this offset. */
  #textAt(offset: number, end: number): string {
    this.#wire.type = BYTES;
    this.#wire.reader.seek(offset);
    return this.#wire.text(end, NAME_LENGTH_MAX);
  }

  #attribute(end: number, depth: number): void {
    const wire = this.#wire;
    while (wire.next(end)) {
      const { field } = wire;
      if (field === ATTRIBUTE.tensor || field === ATTRIBUTE.tensors) this.#tensor(wire.open(end));
      else if (field === ATTRIBUTE.graph || field === ATTRIBUTE.graphs)
        this.#graph(wire.open(end), depth + 1);
      else wire.skip(end);
    }
  }

  #tensor(end: number): void {
    const tensor = readTensor(this.#wire, end);
    this.#room.take(tensor.name.length, tensor.shape.length);
    this.#tensors.push(tensor);
  }

  table(sizeBytes: number): TensorTable {
    const tensors: TensorSpan[] = [];
    const external: ExternalSpan[] = [];
    const scattered: Pick<TensorSpan, "name" | "dtype" | "shape">[] = [];
    for (const tensor of this.#tensors) this.#quantizations.addScalar(tensor);
    const seen = new Map<string, number>();
    for (const tensor of this.#tensors) {
      const times = (seen.get(tensor.name) ?? 0) + 1;
      seen.set(tensor.name, times);
      const { dtype, shape, place } = tensor;
      const name = times === 1 ? tensor.name : `${tensor.name}#${times}`;
      if (place === undefined) {
        scattered.push({ name, dtype, shape });
        continue;
      }
      const affine = this.#quantizations.of(tensor);
      const { file, offset, length } = place;
      const span = { name, dtype, shape, offset, length, ...(affine === undefined ? {} : { affine }) };
      if (file === undefined) tensors.push(span);
      else external.push({ ...span, file });
    }
    return checkedTable(NAME, { tensors, external, scattered }, sizeBytes);
  }
}
