/** The tensors that a PyTorch pickle describes: name, type, shape and place in a storage. */
import { malformed, quoted } from "./bounded-reader.ts";
import { elementCount } from "./checked-table.ts";
import type { PickleNode, PickleValue } from "./pickle-machine.ts";
import { type Dtype, NAME_LENGTH_MAX, RANK_MAX } from "./table.ts";
import {
  type Element,
  elementOfStorage,
  elementOfType,
  ORDERED_DICT,
  REBUILD_OF_TYPE,
  REBUILD_PARAMETER,
  REBUILD_TENSOR,
} from "./torch-names.ts";

export interface TorchTensor {
  readonly name: string;
  readonly dtype: Dtype;
  /** 0 when elements are not whole bytes. */
  readonly widthBytes: number;
  readonly shape: readonly number[];
  /** Key of the storage. */
  readonly storage: string;
  /** The bytes of the storage that the elements lie between. */
  readonly startBytes: number;
  readonly endBytes: number;
  /** The elements lie in the order of the shape, without gaps. */
  readonly isContiguous: boolean;
}

/** Attributes of a module that its own state dict leaves out of the names. */
const MODULE_PARTS: ReadonlySet<string> = new Set(["_modules", "_parameters", "_buffers"]);

interface Visit {
  readonly value: PickleValue;
  readonly name: string;
}

/**
 * In the order of the pickle; keys of nested dicts are joined by dots. Every container is visited once, so that one
 * that holds itself ends. Names longer than NAME_LENGTH_MAX are left out. Throws FILE_MALFORMED for a tensor
 * whose numbers cannot be.
 */
export function* findTensors(root: PickleValue, format: string): Generator<TorchTensor> {
  const seen = new Set<PickleNode>();
  const todo: Visit[] = [{ value: root, name: "" }];
  for (;;) {
    const visit = todo.pop();
    if (visit === undefined) return;
    const { value, name } = visit;
    const node = withoutParameter(nodeOf(value));
    if (node === undefined || name.length > NAME_LENGTH_MAX) continue;
    const callee = pathOf(node.callee);
    if (REBUILD_TENSOR.has(callee)) {
      const tensor = readTensor(node, callee, { name: name === "" ? "tensor" : name, format });
      if (tensor !== undefined) yield tensor;
      continue;
    }
    if (seen.has(node)) continue;
    seen.add(node);
    for (const part of partsOf(node, callee, name).reverse()) todo.push(part);
  }
}

/** A parameter is a call around a tensor. */
function withoutParameter(node: PickleNode | undefined): PickleNode | undefined {
  return REBUILD_PARAMETER.has(pathOf(node?.callee)) ? nodeOf(node?.args?.[0] ?? null) : node;
}

function partsOf(node: PickleNode, callee: string, name: string): Visit[] {
  const join = (key: string): string => (name === "" ? key : `${name}.${key}`);
  if (callee === REBUILD_OF_TYPE) {
    const [callee = null, , given = null, state = null] = node.args ?? [];
    const args = nodeOf(given)?.items ?? [];
    const call: PickleNode = { kind: "call", callee, args, items: [], entries: [] };
    return [
      { value: call, name },
      { value: state, name },
    ];
  }
  const parts: Visit[] = [];
  if (callee === ORDERED_DICT) {
    for (const pair of nodeOf(node.args?.[0] ?? null)?.items ?? []) {
      const [key = null, value = null] = nodeOf(pair)?.items ?? [];
      parts.push({ value, name: join(keyText(key)) });
    }
  } else {
    node.args?.forEach((value, index) => parts.push({ value, name: join(String(index)) }));
    node.items.forEach((value, index) => parts.push({ value, name: join(String(index)) }));
  }
  for (const [key, value] of node.entries) parts.push({ value, name: join(keyText(key)) });
  for (const [key, value] of nodeOf(node.state ?? null)?.entries ?? []) {
    const text = keyText(key);
    parts.push({ value, name: MODULE_PARTS.has(text) ? name : join(text) });
  }
  return parts;
}

function nodeOf(value: PickleValue): PickleNode | undefined {
  return typeof value === "object" && value !== null && "items" in value ? value : undefined;
}

function pathOf(value: PickleValue | undefined): string {
  return typeof value === "object" && value !== null && value.kind === "global" ? value.path : "";
}

function keyText(key: PickleValue): string {
  return typeof key === "object" ? "?" : String(key);
}

interface Context {
  readonly name: string;
  readonly format: string;
}

/** Undefined for a tensor of a storage that is not in the file, such as one of a distributed job. */
function readTensor(call: PickleNode, callee: string, context: Context): TorchTensor | undefined {
  const [storageId = null, offset = null, size = null, strides = null] = call.args ?? [];
  const storage = readStorage(storageId);
  if (storage === undefined) return undefined;
  const shape = wholeNumbers(size, context);
  const steps = wholeNumbers(strides, context);
  const [start] = wholeNumbers({ kind: "tuple", items: [offset], entries: [] }, context);
  const count = elementCount(shape);
  const { name, format } = context;
  if (count === undefined || start === undefined || steps.length !== shape.length)
    throw malformed(format, `tensor ${quoted(name)} has a shape that cannot be`);
  const element =
    callee === "torch._utils._rebuild_tensor_v3" ? elementOfType(pathOf(call.args?.[6])) : storage.element;
  const widthBytes = element?.widthBytes ?? 0;
  const last = shape.reduce((sum, dimension, index) => sum + (dimension - 1) * (steps[index] ?? 0), start);
  const end = count === 0 ? start : last + 1;
  const endBytes = end * widthBytes;
  if (!Number.isSafeInteger(endBytes))
    throw malformed(format, `tensor ${quoted(name)} ends at element ${end} of its storage`);
  return {
    name,
    dtype: element?.dtype ?? "opaque",
    widthBytes,
    shape,
    storage: storage.key,
    startBytes: start * widthBytes,
    endBytes,
    isContiguous: widthBytes > 0 && (count === 0 || isContiguous(shape, steps)),
  };
}

/** ("storage", class, key, location, count): what torch.save makes of a storage. */
function readStorage(value: PickleValue): { key: string; element: Element | undefined } | undefined {
  if (typeof value !== "object" || value === null || value.kind !== "id") return undefined;
  const [kind, type, key] = nodeOf(value.id)?.items ?? [];
  if (kind !== "storage" || typeof key !== "string") return undefined;
  return { key, element: elementOfStorage(pathOf(type)) };
}

function wholeNumbers(value: PickleValue, { name, format }: Context): number[] {
  // torch.Size is a call around a tuple.
  const node = nodeOf(value);
  const items = pathOf(node?.callee) === "torch.Size" ? nodeOf(node?.args?.[0] ?? null)?.items : node?.items;
  if (items === undefined || items.length > RANK_MAX)
    throw malformed(format, `tensor ${quoted(name)} has a shape that cannot be`);
  return items.map((item) => {
    if (typeof item !== "number" || !Number.isSafeInteger(item) || item < 0)
      throw malformed(format, `tensor ${quoted(name)} has a size or an offset that is no whole number`);
    return item;
  });
}

function isContiguous(shape: readonly number[], steps: readonly number[]): boolean {
  let expected = 1;
  for (let index = shape.length - 1; index >= 0; index--) {
    const dimension = shape[index] ?? 0;
    if (dimension === 1) continue;
    if (steps[index] !== expected) return false;
    expected *= dimension;
  }
  return true;
}
