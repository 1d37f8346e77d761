/** The stack of a pickle machine, and what it can hold. */
import { type BoundedReader, decodeUtf8 } from "./bounded-reader.ts";

export type PickleValue = null | boolean | number | string | PickleNode | PickleGlobal | PickleId;
export type PickleEntry = readonly [key: PickleValue, value: PickleValue];

/** What has parts. A call is what a program would make by calling `callee`; nobody calls it here. */
export interface PickleNode {
  readonly kind: "tuple" | "list" | "dict" | "set" | "call" | "opaque";
  readonly items: PickleValue[];
  readonly entries: PickleEntry[];
  readonly callee?: PickleValue;
  /** What the call was given; `items` are those that were appended to its result. */
  readonly args?: readonly PickleValue[];
  /** What BUILD would give to the object. */
  state?: PickleValue;
}

/** A name that a program would import. */
export interface PickleGlobal {
  readonly kind: "global";
  /** "module.name" */
  readonly path: string;
}

/** A reference to something that is kept outside of the pickle. */
export interface PickleId {
  readonly kind: "id";
  readonly id: PickleValue;
}

const STACK_MAX = 1_000_000;
const MEMO_MAX = 1_000_000;
/** Objects, and parts that were added to them. A tensor takes about 15. */
const OBJECTS_MAX = 1_000_000;
const TEXT_BYTES_MAX = 32 * 1024 * 1024;
const LINE_BYTES_MAX = 64 * 1024;

/** The machine's state between two opcodes. Opcodes change it through these methods only. */
export class PickleMachine {
  readonly reader: BoundedReader;
  readonly #memo = new Map<number, PickleValue>();
  readonly globals = new Set<string>();
  isObscure = false;
  readonly #stack: PickleValue[] = [];
  #objects = 0;
  #textBytes = 0;
  /** Height of the stack at each MARK. */
  readonly #marks: number[] = [];

  constructor(reader: BoundedReader) {
    this.reader = reader;
  }

  push(value: PickleValue): void {
    if (this.#stack.length >= STACK_MAX) this.reader.fail(`more than ${STACK_MAX} values on the stack`);
    if (typeof value === "object" && value !== null) this.#countObjects(1);
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.top();
    this.#stack.pop();
    return value;
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || this.#stack.length === (this.#marks.at(-1) ?? 0))
      return this.reader.fail(`nothing on the stack at ${this.reader.offset}`);
    return value;
  }

  mark(): void {
    if (this.#marks.length >= STACK_MAX) this.reader.fail(`more than ${STACK_MAX} marks`);
    this.#marks.push(this.#stack.length);
  }

  /** Takes all that is above the last mark, and the mark. */
  popMark(): PickleValue[] {
    const height = this.#marks.pop() ?? this.reader.fail(`no mark at ${this.reader.offset}`);
    return this.#stack.splice(height);
  }

  /** Drops the value on top, or the mark when that is on top. */
  drop(): void {
    if (this.#marks.length > 0 && this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  /** The object on top, which gets `count` parts. Parts of a class, a function or a tuple are kept nowhere. */
  growing(count: number): PickleNode {
    this.#countObjects(count);
    const value = this.top();
    const isNode = typeof value === "object" && value !== null && "items" in value;
    if (isNode && value.kind !== "tuple" && value.kind !== "opaque") return value;
    this.isObscure = true;
    return node("opaque");
  }

  /** What was kept as number `index`. */
  get(index: number): PickleValue {
    const value = this.#memo.get(index);
    return value === undefined ? this.reader.fail(`nothing is kept as number ${index}`) : value;
  }

  /** Keeps the value on top. */
  put(index = this.#memo.size): void {
    if (this.#memo.size >= MEMO_MAX) this.reader.fail(`more than ${MEMO_MAX} values are kept`);
    this.#memo.set(index, this.top());
  }

  /** Text of `length` bytes: UTF-8, or Latin-1 as old programs wrote it. */
  text(length: number): string {
    this.#countText(length);
    const bytes = this.reader.bytes(length);
    return decodeUtf8(bytes) ?? Buffer.from(bytes).toString("latin1");
  }

  global(path: string): PickleGlobal {
    this.globals.add(path);
    return { kind: "global", path };
  }

  call(callee: PickleValue, args: readonly PickleValue[]): void {
    const isNamed = typeof callee === "object" && callee !== null && callee.kind === "global";
    if (!isNamed) this.isObscure = true;
    this.push({ kind: "call", callee, args, items: [], entries: [] });
  }

  /** Bytes up to the next line feed, as Latin-1. */
  line(): string {
    const codes: number[] = [];
    for (;;) {
      const byte = this.reader.u8();
      if (byte === 0x0a) {
        this.#countText(codes.length);
        return Buffer.from(codes).toString("latin1");
      }
      if (codes.length >= LINE_BYTES_MAX) this.reader.fail(`a line of more than ${LINE_BYTES_MAX} bytes`);
      codes.push(byte);
    }
  }

  #countObjects(count: number): void {
    this.#objects += count;
    if (this.#objects > OBJECTS_MAX) this.reader.fail(`more than ${OBJECTS_MAX} objects`);
  }

  #countText(length: number): void {
    this.#textBytes += length;
    if (this.#textBytes > TEXT_BYTES_MAX) this.reader.fail(`more than ${TEXT_BYTES_MAX} bytes of text`);
  }
}

export function node(kind: PickleNode["kind"], items: PickleValue[] = []): PickleNode {
  return { kind, items, entries: [] };
}
