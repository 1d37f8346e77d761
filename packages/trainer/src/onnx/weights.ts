/**
 * Brings the weights of an ONNX model that lie in files beside it into the model. Format:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: of a graph 5 are its tensors; of a tensor 9 are its bytes, 13
 * where they lie elsewhere, as pairs of a name (1) and a text (2), and 14 says so.
 */
import { bytesField, type Message, message, messageField, raw } from "./message.ts";
import { fieldsOf, MODEL_GRAPH, type Refuse } from "./wire.ts";

const GRAPH_TENSOR = 5;
const TENSOR_NAME = 8;
const TENSOR_BYTES = 9;
const TENSOR_EXTERNAL = 13;
const TENSOR_LOCATION = 14;
const PAIR_NAME = 1;
const PAIR_TEXT = 2;

/** Reads a part of a file that is named as seen from the model; to its end when no length is told. */
export type ReadWeights = (
  location: string,
  part: { readonly offset: number; readonly length: number | undefined },
) => Promise<Buffer>;

/** As it is when all weights are inside. Throws what `read` throws, and what `refuse` makes of a reason. */
export async function withWeights(model: Buffer, read: ReadWeights, refuse: Refuse): Promise<Buffer> {
  const graph = [...fieldsOf(model, refuse)].findLast(({ number }) => number === MODEL_GRAPH);
  if (graph === undefined) throw refuse("it has no graph");
  const parts: Message[] = [];
  let isWhole = true;
  for (const { number, content, from, to } of fieldsOf(graph.content, refuse)) {
    const filled = number === GRAPH_TENSOR ? await filledTensor(content, read, refuse) : undefined;
    if (filled !== undefined) isWhole = false;
    parts.push(
      filled === undefined ? raw(graph.content.subarray(from, to)) : messageField(GRAPH_TENSOR, filled),
    );
  }
  if (isWhole) return model;
  const whole = messageField(MODEL_GRAPH, message(...parts));
  return Buffer.concat([model.subarray(0, graph.from), ...whole.parts, model.subarray(graph.to)]);
}

/** Undefined for a tensor that has its bytes. */
async function filledTensor(tensor: Buffer, read: ReadWeights, refuse: Refuse): Promise<Message | undefined> {
  const places = new Map<string, string>();
  const kept: Buffer[] = [];
  let name = "";
  for (const { number, content, from, to } of fieldsOf(tensor, refuse)) {
    if (number === TENSOR_NAME) name = content.toString("utf8");
    if (number === TENSOR_EXTERNAL) {
      const pair = new Map(
        [...fieldsOf(content, refuse)].map((field) => [field.number, field.content.toString("utf8")]),
      );
      places.set(pair.get(PAIR_NAME) ?? "", pair.get(PAIR_TEXT) ?? "");
    } else if (number !== TENSOR_LOCATION) kept.push(tensor.subarray(from, to));
  }
  if (places.size === 0) return undefined;
  const wrong = (): Error => refuse(`it does not say where the weights ${JSON.stringify(name)} are`);
  const location = places.get("location") ?? "";
  if (location === "") throw wrong();
  const number = (key: string): number | undefined => {
    const text = places.get(key);
    if (text === undefined) return undefined;
    if (!/^\d{1,15}$/.test(text)) throw wrong();
    return Number(text);
  };
  const bytes = await read(location, { offset: number("offset") ?? 0, length: number("length") });
  return message(raw(...kept), bytesField(TENSOR_BYTES, bytes));
}
