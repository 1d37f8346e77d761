/**
 * Pickles as data: a stack machine that walks the opcodes and builds a description of what a program would build.
 * It imports nothing, calls nothing and gives no meaning to a name. Opcodes: Lib/pickletools.py of CPython 3.13.
 */
import type { BoundedReader } from "./bounded-reader.ts";
import { PickleMachine, type PickleValue } from "./pickle-machine.ts";
import { OPCODES } from "./pickle-opcodes.ts";

export interface Pickle {
  readonly value: PickleValue;
  /** Every "module.name" that it would import. */
  readonly globals: ReadonlySet<string>;
  /** It calls something whose name cannot be told from its bytes. */
  readonly isObscure: boolean;
}

/** One file needs at most this many opcodes: some 60,000 tensors. */
const OPCODES_MAX = 4_000_000;
const STOP = 0x2e;

/**
 * Walks one pickle from the reader's cursor to its STOP. Throws FILE_MALFORMED for an unknown opcode, a stack that
 * runs empty, bytes that end too soon, and above OPCODES_MAX, and the limits of the machine.
 */
export function readPickle(reader: BoundedReader): Pickle {
  const machine = new PickleMachine(reader);
  for (let count = 0; count < OPCODES_MAX; count++) {
    const code = reader.u8();
    if (code === STOP) {
      return { value: machine.pop(), globals: machine.globals, isObscure: machine.isObscure };
    }
    const run = OPCODES[code];
    if (run === undefined) reader.fail(`unknown opcode 0x${code.toString(16)} at ${reader.offset - 1}`);
    else run(machine);
  }
  return reader.fail(`more than ${OPCODES_MAX} opcodes`);
}
