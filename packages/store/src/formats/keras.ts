/**
 * Keras 3's .keras: a ZIP archive of metadata.json, config.json and model.weights.h5.
 * Layout: keras/src/saving/saving_lib.py of Keras 3.11.
 */
import { malformed } from "./bounded-reader.ts";
import { checkedTable } from "./checked-table.ts";
import { parseHdf5 } from "./hdf5.ts";
import { partSource } from "./nested-source.ts";
import type { ByteSource, Risk, TensorTable } from "./table.ts";
import { readMember, type ZipMember } from "./zip.ts";

const FORMAT = "Keras";
const CONFIG = "config.json";
const WEIGHTS = "model.weights.h5";
const CONFIG_BYTES_MAX = 16 * 1024 * 1024;
const STORED = 0;
/** Modules whose classes are built from numbers and names. */
const DATA_MODULE =
  /^(?:builtins|keras|keras\.(?:src\.)?(?:layers|models|initializers|regularizers|constraints|optimizers|losses|metrics|activations|dtype_policies|quantizers)(?:\.[a-z_]+)*)$/;
/** Classes of those modules that take code. */
const CODE_CLASSES: ReadonlySet<string> = new Set([
  "Lambda",
  "__lambda__",
  "function",
  "TFSMLayer",
  "TorchModuleWrapper",
  "JaxLayer",
  "FlaxLayer",
]);

export function isKeras(members: readonly ZipMember[]): boolean {
  const names = new Set(members.map(({ name }) => name));
  return names.has(CONFIG) && (names.has(WEIGHTS) || names.has("metadata.json"));
}

/** The datasets of the weights, when that member is stored. Throws FILE_MALFORMED. */
export function parseKeras(source: ByteSource, members: readonly ZipMember[]): TensorTable {
  const config = members.find(({ name }) => name === CONFIG);
  const weights = members.find(({ name }) => name === WEIGHTS);
  const risk = config === undefined ? "unknown" : readRisk(source, config);
  if (weights === undefined || weights.method !== STORED)
    return { ...checkedTable(FORMAT, { tensors: [] }, source.sizeBytes), risk };
  const inner = parseHdf5(partSource(source, weights));
  const tensors = inner.tensors.map((span) => ({ ...span, offset: span.offset + weights.offset }));
  return { ...checkedTable(FORMAT, { tensors, scattered: inner.scattered }, source.sizeBytes), risk };
}

function readRisk(source: ByteSource, member: ZipMember): Risk {
  const text = Buffer.from(readMember(source, member, CONFIG_BYTES_MAX)).toString("utf8");
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformed(FORMAT, `${CONFIG} is not JSON`);
  }
  const todo: unknown[] = [root];
  while (todo.length > 0) {
    const value = todo.pop();
    if (typeof value !== "object" || value === null) continue;
    if (mayRun(value)) return "executable";
    for (const part of Object.values(value)) todo.push(part);
  }
  return "data-only";
}

/** True for the configuration of an object that is not known to be built from data. */
function mayRun(value: object): boolean {
  const { class_name: name, module, registered_name: registered } = value as Record<string, unknown>;
  if (name === undefined && module === undefined) return false;
  if (typeof name !== "string" || CODE_CLASSES.has(name)) return true;
  if (typeof registered === "string" && registered.includes(">")) return true;
  return typeof module === "string" ? !DATA_MODULE.test(module) : module !== undefined && module !== null;
}
