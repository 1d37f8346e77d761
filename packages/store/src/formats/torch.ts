/**
 * PyTorch's ZIP files: a pickle that names tensors, and one stored member for each storage that they lie in.
 * The pickle is walked, never run. Layout: torch/serialization.py of torch 2.15, `_save`.
 */
import { BoundedReader, malformed, quoted } from "./bounded-reader.ts";
import { assertRoom, checkedTable } from "./checked-table.ts";
import { bytesSource } from "./nested-source.ts";
import { type Pickle, readPickle } from "./pickle.ts";
import { findTensors, type TorchTensor } from "./torch-tensors.ts";
import { riskOf, unreadableIsExecutable } from "./pickle-risk.ts";
import type { ByteSource, TensorSpan, TensorTable } from "./table.ts";
import { readMember, type ZipMember } from "./zip.ts";

const FORMAT = "PyTorch";
/** The pickle of a model with 60,000 tensors has 10 MB. */
const PICKLE_BYTES_MAX = 32 * 1024 * 1024;
/** Of all tensors together; nested dicts share what their keys have in common. */
const NAMES_LENGTH_MAX = 64 * 1024 * 1024;
const BYTE_ORDER_BYTES_MAX = 16;
const STORED = 0;

/** The member that holds the pickle: in the one folder at the top. Undefined when the archive is no PyTorch file. */
export function torchPickle(members: readonly ZipMember[]): ZipMember | undefined {
  const found = members.filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  return found.length === 1 ? found[0] : undefined;
}

/** Throws FILE_MALFORMED; `details.risk` is there because what cannot be read may still run. */
export function parseTorch(
  source: ByteSource,
  members: readonly ZipMember[],
  pickleMember: ZipMember,
): TensorTable {
  return unreadableIsExecutable(() => readTable(source, members, pickleMember));
}

function readTable(source: ByteSource, members: readonly ZipMember[], pickleMember: ZipMember): TensorTable {
  const folder = pickleMember.name.slice(0, -"data.pkl".length);
  const { pickle, hasMore } = readWhole(source, pickleMember);
  const byName = new Map(members.map((member) => [member.name, member]));
  const isBig = readByteOrder(source, byName.get(`${folder}byteorder`)) === "big";
  const found = byStorage(pickle);
  const tensors: TensorSpan[] = [];
  const scattered: TorchTensor[] = [];
  for (const [storage, list] of found) {
    const member = byName.get(`${folder}data/${storage}`);
    if (member === undefined) throw malformed(FORMAT, `storage ${quoted(storage)} is not in the file`);
    place(list, member, { tensors, scattered });
  }
  const hidden = isBig ? tensors.map((span) => ({ ...span, dtype: "opaque" as const })) : tensors;
  const listed = scattered.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const table = checkedTable(FORMAT, { tensors: hidden, scattered: listed }, source.sizeBytes);
  return { ...table, risk: hasCode(members) || hasMore ? "executable" : riskOf(pickle) };
}

/** The tensors of each storage. A name that was given before gets a number. */
function byStorage(pickle: Pickle): Map<string, TorchTensor[]> {
  const found = new Map<string, TorchTensor[]>();
  const names = new Map<string, number>();
  let count = 0;
  let namesLength = 0;
  for (const tensor of findTensors(pickle.value, FORMAT)) {
    assertRoom(FORMAT, count);
    count += 1;
    const { name } = tensor;
    namesLength += name.length;
    if (namesLength > NAMES_LENGTH_MAX)
      throw malformed(FORMAT, `names of more than ${NAMES_LENGTH_MAX} characters`);
    const times = (names.get(name) ?? 0) + 1;
    names.set(name, times);
    const unique = times === 1 ? tensor : { ...tensor, name: `${name}#${times}` };
    const list = found.get(tensor.storage);
    if (list === undefined) found.set(tensor.storage, [unique]);
    else list.push(unique);
  }
  return found;
}

function readWhole(source: ByteSource, member: ZipMember): { pickle: Pickle; hasMore: boolean } {
  const reader = new BoundedReader(bytesSource(readMember(source, member, PICKLE_BYTES_MAX)), FORMAT);
  return { pickle: readPickle(reader), hasMore: reader.remaining > 0 };
}

function readByteOrder(source: ByteSource, member: ZipMember | undefined): string {
  if (member === undefined) return "little";
  return Buffer.from(readMember(source, member, BYTE_ORDER_BYTES_MAX)).toString("latin1");
}

/** TorchScript keeps source text and further pickles beside the data. */
function hasCode(members: readonly ZipMember[]): boolean {
  return members.some(({ name }) => /\.py$|^[^/]+\/(?:code\/|constants\.pkl$)/.test(name));
}

/**
 * One span for each tensor of a storage that lies there in one piece and over no other; all others are scattered.
 * A storage of which no tensor lies in one piece is one span, `<first tensor>#storage`.
 */
function place(
  list: readonly TorchTensor[],
  member: ZipMember,
  found: { tensors: TensorSpan[]; scattered: TorchTensor[] },
): void {
  for (const { name, endBytes } of list) {
    if (endBytes > member.sizeBytes)
      throw malformed(
        FORMAT,
        `tensor ${quoted(name)} ends at ${endBytes} of a storage of ${member.sizeBytes} bytes`,
      );
  }
  if (member.method !== STORED) {
    for (const tensor of list) found.scattered.push(tensor);
    return;
  }
  const whole = list
    .filter(({ isContiguous }) => isContiguous)
    .sort((a, b) => a.startBytes - b.startBytes || b.endBytes - a.endBytes);
  const placed = new Set<TorchTensor>();
  let end = 0;
  for (const tensor of whole) {
    const { name, dtype, shape, startBytes, endBytes } = tensor;
    const length = endBytes - startBytes;
    if (startBytes < end && length > 0) continue;
    // A tensor without elements is nowhere; the start of the storage is inside of no other.
    const start = length === 0 ? 0 : startBytes;
    found.tensors.push({ name, dtype, shape, offset: member.offset + start, length });
    placed.add(tensor);
    end = Math.max(end, endBytes);
  }
  const rest = list.filter((tensor) => !placed.has(tensor));
  const [first] = rest;
  if (first !== undefined && placed.size === 0 && first.widthBytes > 0) {
    const count = Math.floor(member.sizeBytes / first.widthBytes);
    found.tensors.push({
      name: `${first.name}#storage`,
      dtype: first.dtype,
      shape: [count],
      offset: member.offset,
      length: count * first.widthBytes,
    });
  }
  for (const tensor of rest) found.scattered.push(tensor);
}
