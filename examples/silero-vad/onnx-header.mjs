/** Reads the few fields at the top of an ONNX file (a protobuf ModelProto) that say who wrote it and how. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

function varint(bytes, at) {
  let value = 0;
  for (let shift = 0; shift < 49 && at < bytes.length; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return { value, at };
  }
  throw new Error("not an ONNX file: a broken number");
}

/** The fields of one protobuf message, in order: `{ field, value }`, value a number or a Buffer. */
function* fields(bytes) {
  let at = 0;
  while (at < bytes.length) {
    const key = varint(bytes, at);
    const field = Math.floor(key.value / 8);
    const type = key.value % 8;
    if (type === VARINT) {
      const { value, at: end } = varint(bytes, key.at);
      yield { field, value };
      at = end;
    } else if (type === BYTES) {
      const size = varint(bytes, key.at);
      yield { field, value: bytes.subarray(size.at, size.at + size.value) };
      at = size.at + size.value;
    } else if (type === FIXED32 || type === FIXED64) {
      at = key.at + (type === FIXED32 ? 4 : 8);
    } else {
      throw new Error(`not an ONNX file: wire type ${type}`);
    }
  }
}

/** `ir_version`, `producer` and `opset` of a ModelProto. */
export function describeOnnx(bytes) {
  const model = [...fields(bytes)];
  const text = (field) => model.find((entry) => entry.field === field)?.value.toString() ?? "";
  const opset = model
    .filter((entry) => entry.field === 8)
    .flatMap((entry) => [...fields(entry.value)])
    .find((entry) => entry.field === 2)?.value;
  return {
    ir_version: model.find((entry) => entry.field === 1)?.value,
    opset,
    producer: [text(2), text(3)].filter(Boolean).join("-") || "unknown",
  };
}
