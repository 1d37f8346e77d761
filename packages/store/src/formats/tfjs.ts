/**
 * TensorFlow.js: `model.json`, and the `…weights_manifest.json` of older converters. Both name groups of weights, and
 * the files in which the bytes of each group are.
 */
import { BoundedReader, quoted } from "./bounded-reader.ts";
import { checkedTable, elementCount, relativeFile, TableRoom } from "./checked-table.ts";
import { JsonScanner } from "./json-scanner.ts";
import {
  type ByteSource,
  type Dtype,
  type Format,
  NAME_LENGTH_MAX,
  RANK_MAX,
  type TensorSpan,
  type TensorTable,
  widthOf,
} from "./table.ts";
import { type Placed, placeGroup, type SizeOf, type Weight, type WeightGroup } from "./tfjs-shards.ts";

const NAME = "TensorFlow.js";
/** How far rounding may bring a zero point from a whole number. */
const ZERO_POINT_ERROR_MAX = 1e-3;

const DTYPES = new Map<string, Dtype>([
  ["float32", "f32"],
  ["float16", "f16"],
  ["int32", "i32"],
  ["uint16", "u16"],
  ["int16", "i16"],
  ["uint8", "u8"],
  ["int8", "i8"],
  ["bool", "bool"],
  ["complex64", "c64"],
]);

export const tfjs: Format = {
  name: NAME,
  matches(head, fileName) {
    if (/weights_manifest\.json$/i.test(fileName)) return true;
    if (!/\.json$/i.test(fileName)) return false;
    const text = Buffer.from(head.buffer, head.byteOffset, head.length);
    return text.includes('"weightsManifest"') || text.includes('"modelTopology"');
  },
  parse: (source) => parseTfjs(source),
};

/**
 * As `tfjs.parse`. Where several files hold a group, `sizeOf` tells where each ends. Without it they are taken for
 * shards of the usual 4 MiB, and where that cannot be true their weights are scattered.
 */
export function parseTfjs(source: ByteSource, sizeOf: SizeOf = () => undefined): TensorTable {
  const scan = new ModelScan(new BoundedReader(source, NAME));
  const placed: Placed = { external: [], scattered: [] };
  for (const group of scan.model()) placeGroup(group, sizeOf, placed);
  return checkedTable(NAME, { tensors: [], ...placed }, source.sizeBytes);
}

class ModelScan {
  readonly #reader: BoundedReader;
  readonly #json: JsonScanner;
  /** For groups, files and weights together. */
  readonly #room = new TableRoom(NAME);

  constructor(reader: BoundedReader) {
    this.#reader = reader;
    this.#json = new JsonScanner(reader, reader.sizeBytes);
  }

  model(): WeightGroup[] {
    const json = this.#json;
    let groups: WeightGroup[] | undefined;
    if (json.startsWith("[")) groups = this.#groups();
    else {
      json.openObject();
      for (let key = json.key(NAME_LENGTH_MAX); key !== undefined; key = json.key(NAME_LENGTH_MAX)) {
        if (key !== "weightsManifest") json.skip();
        else if (groups === undefined) groups = this.#groups();
        else this.#reader.fail(`key ${quoted(key)} stands twice`);
      }
    }
    json.finish();
    return groups ?? [];
  }

  #groups(): WeightGroup[] {
    const groups: WeightGroup[] = [];
    this.#json.openList();
    while (this.#json.item()) {
      this.#room.take(0, 0);
      groups.push(this.#group());
    }
    return groups;
  }

  #group(): WeightGroup {
    const json = this.#json;
    const files: string[] = [];
    const weights: Weight[] = [];
    json.openObject();
    for (let key = json.key(NAME_LENGTH_MAX); key !== undefined; key = json.key(NAME_LENGTH_MAX)) {
      if (key === "paths") {
        json.openList();
        while (json.item()) {
          const file = relativeFile(NAME, json.string(NAME_LENGTH_MAX));
          this.#room.take(file.length, 0);
          files.push(file);
        }
      } else if (key === "weights") {
        json.openList();
        while (json.item()) {
          const weight = this.#weight();
          this.#room.take(weight.name.length, weight.shape.length);
          weights.push(weight);
        }
      } else json.skip();
    }
    if (files.length === 0 && weights.length > 0) this.#reader.fail("a group has weights and no files");
    if (new Set(files).size < files.length) this.#reader.fail("a group names a file twice");
    return { files, weights };
  }

  #weight(): Weight {
    const json = this.#json;
    let name = "";
    let dtype = "";
    let shape: number[] | undefined;
    let quantization: Quantization | undefined;
    json.openObject();
    for (let key = json.key(NAME_LENGTH_MAX); key !== undefined; key = json.key(NAME_LENGTH_MAX)) {
      if (key === "name") name = json.string(NAME_LENGTH_MAX);
      else if (key === "dtype") dtype = json.string(NAME_LENGTH_MAX);
      else if (key === "shape") shape = this.#shape();
      else if (key === "quantization" && json.startsWith("{")) quantization = this.#quantization();
      else json.skip();
    }
    const fail = (problem: string): never => this.#reader.fail(`weight ${quoted(name)} ${problem}`);
    if (shape === undefined) return fail("has no shape");
    const count = elementCount(shape) ?? fail(`has shape [${shape.join()}], which no file can hold`);
    const known = DTYPES.get(quantization?.dtype ?? dtype);
    const width = known === undefined ? undefined : widthOf(known);
    const length = width === undefined ? undefined : count * width;
    if (length !== undefined && !Number.isSafeInteger(length))
      return fail(`has shape [${shape.join()}], which no file can hold`);
    const affine = known === "u8" && quantization !== undefined ? affineOf(name, quantization) : undefined;
    return { name, dtype: known ?? "opaque", shape, length, affine };
  }

  #shape(): number[] {
    const shape: number[] = [];
    this.#json.openList();
    while (this.#json.item()) {
      if (shape.length === RANK_MAX) this.#reader.fail(`a weight has more than ${RANK_MAX} dimensions`);
      shape.push(this.#json.integer());
    }
    return shape;
  }

  #quantization(): Quantization {
    const json = this.#json;
    const found: { dtype?: string; scale?: number; min?: number } = {};
    json.openObject();
    for (let key = json.key(NAME_LENGTH_MAX); key !== undefined; key = json.key(NAME_LENGTH_MAX)) {
      if (key === "dtype") found.dtype = json.string(NAME_LENGTH_MAX);
      else if (key === "scale") found.scale = json.number();
      else if (key === "min") found.min = json.number();
      else json.skip();
    }
    return found;
  }
}

/** value = scale × stored + min */
interface Quantization {
  readonly dtype?: string;
  readonly scale?: number;
  readonly min?: number;
}

/** The weight was called the same before it was quantised. */
function affineOf(name: string, { scale = 0, min = 0 }: Quantization): TensorSpan["affine"] {
  const zeroPoint = Math.round(-min / scale);
  const isWhole = Math.abs(-min / scale - zeroPoint) <= ZERO_POINT_ERROR_MAX;
  if (!(scale > 0) || !isWhole || zeroPoint < 0 || zeroPoint > 255) return undefined;
  // Never -0.
  return { of: name, scale, zeroPoint: zeroPoint + 0 };
}
