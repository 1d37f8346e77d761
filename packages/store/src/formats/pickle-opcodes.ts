/** What each opcode of a pickle does to the stack. Protocols 0 to 5. */
import { node, type PickleMachine, type PickleNode, type PickleValue } from "./pickle-machine.ts";

type Run = (machine: PickleMachine) => void;

const PROTOCOL_MAX = 5;
/** Longer text is no name of anything; it is passed over. */
const TEXT_BYTES_MAX = 64 * 1024;
/** Whole numbers of more bytes are no size of anything. */
const INTEGER_BYTES_MAX = 8;

/** Text of `length` bytes; a description without content when it is long. */
function text(machine: PickleMachine, length: number): PickleValue {
  return length > TEXT_BYTES_MAX ? skipped(machine, length) : machine.text(length);
}

function skipped(machine: PickleMachine, length: number): PickleNode {
  machine.reader.skip(length);
  return node("opaque");
}

/** Two's complement, little endian. */
function integer(machine: PickleMachine, length: number): PickleValue {
  if (length > INTEGER_BYTES_MAX) return skipped(machine, length);
  let value = 0n;
  machine.reader.bytes(length).forEach((byte, index) => {
    value |= BigInt(byte) << BigInt(8 * index);
  });
  return safe(BigInt.asIntN(8 * length, value));
}

function safe(value: bigint): PickleValue {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : node("opaque");
}

/** Decimal digits of protocol 0; Python 2 writes an `L` after long ones. */
function decimal(machine: PickleMachine): PickleValue {
  const line = machine.line();
  if (!/^[+-]?\d{1,20}L?$/.test(line)) {
    if (line.length <= 21) machine.reader.fail("a number that is none");
    return node("opaque");
  }
  return safe(BigInt(line.replace(/^\+|L$/g, "")));
}

function float(machine: PickleMachine): PickleValue {
  const bytes = machine.reader.bytes(8);
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, false);
}

/** Pushes what `read` gives for the length before it. */
const sized =
  (
    length: (machine: PickleMachine) => number,
    read: (machine: PickleMachine, length: number) => PickleValue,
  ): Run =>
  (machine) => {
    machine.push(read(machine, length(machine)));
  };

const u8 = (machine: PickleMachine): number => machine.reader.u8();
const u32 = (machine: PickleMachine): number => machine.reader.u32();
const u64 = (machine: PickleMachine): number => machine.reader.count("a length");
const i32 = (machine: PickleMachine): number => {
  const length = machine.reader.u32() | 0;
  return length < 0 ? machine.reader.fail(`a length of ${length}`) : length;
};

const constant =
  (make: () => PickleValue): Run =>
  (machine) => {
    machine.push(make());
  };

const collected =
  (make: (items: PickleValue[]) => PickleValue): Run =>
  (machine) => {
    machine.push(make(machine.popMark()));
  };

const tuple =
  (count: number): Run =>
  (machine) => {
    const items = Array.from({ length: count }, () => machine.pop()).reverse();
    machine.push(node("tuple", items));
  };

function addItems(machine: PickleMachine): void {
  const items = machine.popMark();
  const { items: all } = machine.growing(items.length);
  for (const item of items) all.push(item);
}

function addEntries(target: PickleNode, flat: readonly PickleValue[], machine: PickleMachine): void {
  if (flat.length % 2 !== 0) machine.reader.fail("a key without a value");
  for (let index = 0; index < flat.length; index += 2)
    target.entries.push([flat[index] ?? null, flat[index + 1] ?? null]);
}

function dict(machine: PickleMachine): void {
  const made = node("dict");
  addEntries(made, machine.popMark(), machine);
  machine.push(made);
}

function index(machine: PickleMachine): number {
  const line = machine.line();
  return /^\d{1,10}$/.test(line) ? Number(line) : machine.reader.fail("a memo number that is no number");
}

/** The name of a global that was put on the stack; a program may have computed it. */
function stackGlobal(machine: PickleMachine): void {
  const name = machine.pop();
  const module = machine.pop();
  if (typeof name === "string" && typeof module === "string") {
    machine.push(machine.global(`${module}.${name}`));
    return;
  }
  machine.isObscure = true;
  machine.push(node("opaque"));
}

function reduce(machine: PickleMachine): void {
  const args = machine.pop();
  const isTuple = typeof args === "object" && args !== null && args.kind === "tuple";
  if (!isTuple) machine.reader.fail(`arguments that are no tuple at ${machine.reader.offset}`);
  else machine.call(machine.pop(), args.items);
}

/** A code number that a registry of the reading program turns into a name. */
const extension =
  (length: number): Run =>
  (machine) => {
    machine.reader.skip(length);
    machine.isObscure = true;
    machine.push(node("opaque"));
  };

const NUMBERS: Readonly<Record<number, Run>> = {
  0x46: constantLine(() => node("opaque")), // FLOAT
  0x47: (machine) => machine.push(float(machine)), // BINFLOAT
  0x49: (machine) => machine.push(decimal(machine)), // INT
  0x4a: (machine) => machine.push(machine.reader.u32() | 0), // BININT
  0x4b: (machine) => machine.push(machine.reader.u8()), // BININT1
  0x4c: (machine) => machine.push(decimal(machine)), // LONG
  0x4d: (machine) => machine.push(machine.reader.u16()), // BININT2
  0x4e: constant(() => null), // NONE
  0x88: constant(() => true), // NEWTRUE
  0x89: constant(() => false), // NEWFALSE
  0x8a: sized(u8, integer), // LONG1
  0x8b: sized(i32, integer), // LONG4
};

const TEXTS: Readonly<Record<number, Run>> = {
  0x53: (machine) => machine.push(machine.line().replace(/^(["'])(.*)\1$/, "$2")), // STRING
  0x54: sized(i32, text), // BINSTRING
  0x55: sized(u8, text), // SHORT_BINSTRING
  0x56: (machine) => machine.push(machine.line()), // UNICODE
  0x58: sized(u32, text), // BINUNICODE
  0x8c: sized(u8, text), // SHORT_BINUNICODE
  0x8d: sized(u64, text), // BINUNICODE8
  0x42: sized(u32, skipped), // BINBYTES
  0x43: sized(u8, skipped), // SHORT_BINBYTES
  0x8e: sized(u64, skipped), // BINBYTES8
  0x96: sized(u64, skipped), // BYTEARRAY8
  0x97: constant(() => node("opaque")), // NEXT_BUFFER
  0x98: (machine) => void machine.top(), // READONLY_BUFFER
};

const CONTAINERS: Readonly<Record<number, Run>> = {
  0x28: (machine) => machine.mark(), // MARK
  0x29: constant(() => node("tuple")), // EMPTY_TUPLE
  0x5d: constant(() => node("list")), // EMPTY_LIST
  0x7d: constant(() => node("dict")), // EMPTY_DICT
  0x8f: constant(() => node("set")), // EMPTY_SET
  0x74: collected((items) => node("tuple", items)), // TUPLE
  0x6c: collected((items) => node("list", items)), // LIST
  0x91: collected((items) => node("set", items)), // FROZENSET
  0x85: tuple(1), // TUPLE1
  0x86: tuple(2), // TUPLE2
  0x87: tuple(3), // TUPLE3
  0x64: dict, // DICT
  0x61: (machine) => {
    const item = machine.pop();
    machine.growing(1).items.push(item);
  }, // APPEND
  0x65: addItems, // APPENDS
  0x90: addItems, // ADDITEMS
  0x73: (machine) => {
    const value = machine.pop();
    const key = machine.pop();
    machine.growing(1).entries.push([key, value]);
  }, // SETITEM
  0x75: (machine) => {
    const flat = machine.popMark();
    addEntries(machine.growing(flat.length / 2), flat, machine);
  }, // SETITEMS
};

const STACK: Readonly<Record<number, Run>> = {
  0x30: (machine) => machine.drop(), // POP
  0x31: (machine) => void machine.popMark(), // POP_MARK
  0x32: (machine) => machine.push(machine.top()), // DUP
  0x67: (machine) => machine.push(machine.get(index(machine))), // GET
  0x68: (machine) => machine.push(machine.get(machine.reader.u8())), // BINGET
  0x6a: (machine) => machine.push(machine.get(machine.reader.u32())), // LONG_BINGET
  0x70: (machine) => machine.put(index(machine)), // PUT
  0x71: (machine) => machine.put(machine.reader.u8()), // BINPUT
  0x72: (machine) => machine.put(machine.reader.u32()), // LONG_BINPUT
  0x94: (machine) => machine.put(), // MEMOIZE
  0x80: (machine) => {
    const protocol = machine.reader.u8();
    if (protocol > PROTOCOL_MAX) machine.reader.fail(`protocol ${protocol}`);
  }, // PROTO
  0x95: (machine) => void machine.reader.count("a frame's length"), // FRAME
};

const OBJECTS: Readonly<Record<number, Run>> = {
  0x63: (machine) => {
    const module = machine.line();
    machine.push(machine.global(`${module}.${machine.line()}`));
  }, // GLOBAL
  0x93: stackGlobal, // STACK_GLOBAL
  0x52: reduce, // REDUCE
  0x81: reduce, // NEWOBJ
  0x92: (machine) => {
    machine.pop();
    reduce(machine);
  }, // NEWOBJ_EX
  0x69: (machine) => {
    const module = machine.line();
    const callee = machine.global(`${module}.${machine.line()}`);
    machine.call(callee, machine.popMark());
  }, // INST
  0x6f: (machine) => {
    const [callee = null, ...args] = machine.popMark();
    machine.call(callee, args);
  }, // OBJ
  0x62: (machine) => {
    const state = machine.pop();
    machine.growing(1).state = state;
  }, // BUILD
  0x50: (machine) => machine.push({ kind: "id", id: machine.line() }), // PERSID
  0x51: (machine) => machine.push({ kind: "id", id: machine.pop() }), // BINPERSID
  0x82: extension(1), // EXT1
  0x83: extension(2), // EXT2
  0x84: extension(4), // EXT4
};

function constantLine(make: () => PickleValue): Run {
  return (machine) => {
    machine.line();
    machine.push(make());
  };
}

/** By its byte. */
export const OPCODES: Readonly<Record<number, Run>> = {
  ...NUMBERS,
  ...TEXTS,
  ...CONTAINERS,
  ...STACK,
  ...OBJECTS,
};
