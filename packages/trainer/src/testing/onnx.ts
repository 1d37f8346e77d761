/** Small ONNX models for tests. Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */

const FLOAT = 1;
export const HALF = 10;
export const DOUBLE = 11;

function field(number: number, content: number | string | Uint8Array): Buffer {
  if (typeof content === "number") return Buffer.from([number * 8, content]);
  const bytes = Buffer.from(content);
  const length =
    bytes.length < 128 ? [bytes.length] : [(bytes.length % 128) + 128, Math.floor(bytes.length / 128)];
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes]);
}

/** `undefined` stands for any length. */
function value(name: string, shape: readonly (number | undefined)[], type = FLOAT): Buffer {
  const dimensions = shape.map((length, at) =>
    field(1, length === undefined ? field(2, `d${at}`) : field(1, length)),
  );
  const tensor = Buffer.concat([field(1, type), field(2, Buffer.concat(dimensions))]);
  return Buffer.concat([field(1, name), field(2, field(1, tensor))]);
}

function node(kind: string, inputs: readonly string[], output: string): Buffer {
  return field(1, Buffer.concat([...inputs.map((name) => field(1, name)), field(2, output), field(4, kind)]));
}

function model(graph: readonly Buffer[]): Buffer {
  const opset = field(8, Buffer.concat([field(1, ""), field(2, 13)]));
  return Buffer.concat([field(1, 8), opset, field(7, Buffer.concat([...graph, field(2, "test")]))]);
}

/**
 * Takes any image of three channels: `mean` are the means of the channels as a map, `flat` as a row; `y` is `flat`
 * times `weights` of 3 × 2.
 */
export function meansModel(weights: readonly number[] = [1, 0, 0, 1, 1, 1]): Buffer {
  return typedMeansModel(FLOAT, Float32Array.from(weights));
}

function typedMeansModel(type: number, weights: Float32Array | Uint16Array): Buffer {
  const raw = new Uint8Array(weights.buffer);
  const tensor = Buffer.concat([field(1, 3), field(1, 2), field(2, type), field(8, "w"), field(9, raw)]);
  return model([
    node("GlobalAveragePool", ["x"], "mean"),
    node("Flatten", ["mean"], "flat"),
    node("MatMul", ["flat", "w"], "y"),
    field(5, tensor),
    field(11, value("x", [undefined, 3, undefined, undefined], type)),
    field(12, value("y", [undefined, 2], type)),
  ]);
}

/** The same model with all numbers of half precision. */
export function halfModel(): Buffer {
  const ONE = 0x3c00;
  return typedMeansModel(HALF, Uint16Array.from([ONE, 0, 0, ONE, ONE, ONE]));
}

/** The same model with its weights in a file of this name, behind `offset` other bytes. */
export function externalModel(location: string, offset: number): { model: Buffer; weights: Buffer } {
  const weights = Buffer.from(Float32Array.from([1, 0, 0, 1, 1, 1]).buffer);
  const pair = (name: string, text: string): Buffer =>
    field(13, Buffer.concat([field(1, name), field(2, text)]));
  const places = [
    pair("location", location),
    pair("offset", String(offset)),
    pair("length", String(weights.length)),
  ];
  const kept = [field(1, 3), field(1, 2), field(2, FLOAT), field(8, "w"), ...places, field(14, 1)];
  return {
    model: model([
      node("GlobalAveragePool", ["x"], "mean"),
      node("Flatten", ["mean"], "flat"),
      node("MatMul", ["flat", "w"], "y"),
      field(5, Buffer.concat(kept)),
      field(11, value("x", [undefined, 3, undefined, undefined])),
      field(12, value("y", [undefined, 2])),
    ]),
    weights: Buffer.concat([Buffer.alloc(offset, 7), weights]),
  };
}

/** Gives what it takes as one row. */
export function flatModel(shape: readonly (number | undefined)[], type = FLOAT): Buffer {
  const output = value("y", [shape[0], undefined], type);
  return model([node("Flatten", ["x"], "y"), field(11, value("x", shape, type)), field(12, output)]);
}

/**
 * `flatModel` of 2 × 2 pixels in three channels, behind a node with a graph in each of its branches, which see the
 * names around them; with names that an exported model has, and a node that nobody needs.
 */
export function branchModel(): Buffer {
  const shape = [undefined, 3, 2, 2];
  const branch = (name: string, operation: string): Buffer => {
    const graph = [
      node(operation, ["probabilities"], "inner"),
      field(2, name),
      field(12, value("inner", shape)),
    ];
    return field(
      5,
      Buffer.concat([field(1, name), field(6, Buffer.concat(graph)), Buffer.from([160, 1, 5])]),
    );
  };
  const bool = Buffer.concat([field(2, 9), field(8, "logits"), field(9, Uint8Array.of(1))]);
  const chosen = Buffer.concat([
    field(1, "logits"),
    field(2, "chosen"),
    field(4, "If"),
    branch("then_branch", "Relu"),
    branch("else_branch", "Neg"),
  ]);
  return model([
    node("Identity", ["input"], "probabilities"),
    field(1, chosen),
    node("Flatten", ["chosen"], "y"),
    node("Exp", ["input"], "unused"),
    field(5, bool),
    field(11, value("input", shape)),
    field(12, value("y", [undefined, 12])),
    field(12, value("unused", shape)),
  ]);
}
