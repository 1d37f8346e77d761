/** The object headers of HDF5, in both versions, with their continuation blocks. */
import type { Hdf5Reader, Message } from "./hdf5-reader.ts";

export const MESSAGE = {
  DATASPACE: 0x01,
  LINK_INFO: 0x02,
  DATATYPE: 0x03,
  LINK: 0x06,
  EXTERNAL_FILES: 0x07,
  LAYOUT: 0x08,
  FILTERS: 0x0b,
  CONTINUATION: 0x10,
  SYMBOL_TABLE: 0x11,
} as const;

const BLOCKS_MAX = 1000;
const MESSAGES_MAX = 100_000;
const CHECKSUM_BYTES = 4;
const FLAG_TIMES = 0x20;
const FLAG_PHASE_CHANGE = 0x10;
const FLAG_CREATION_ORDER = 0x04;

interface Block {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** All messages of the object at `offset`. Throws FILE_MALFORMED. */
export function readHeader(reader: Hdf5Reader, offset: number): Message[] {
  reader.seek(offset);
  const isOld = reader.peek() === 1;
  const first = isOld ? oldStart(reader) : newStart(reader);
  const messages: Message[] = [];
  const blocks: Block[] = [first];
  for (const block of blocks) {
    if (block.sizeBytes > reader.sizeBytes - block.offset)
      reader.fail(`an object header of ${block.sizeBytes} bytes at ${block.offset}`);
    for (const message of blockMessages(reader, block, first)) {
      messages.push(message);
      if (messages.length > MESSAGES_MAX) reader.fail(`more than ${MESSAGES_MAX} messages of one object`);
      if (message.type !== MESSAGE.CONTINUATION) continue;
      if (blocks.length >= BLOCKS_MAX) reader.fail(`more than ${BLOCKS_MAX} blocks of one object`);
      blocks.push(continuation(reader, message, isOld));
    }
  }
  return messages;
}

interface Start extends Block {
  readonly isOld: boolean;
  readonly hasOrder: boolean;
}

function oldStart(reader: Hdf5Reader): Start {
  reader.skip(8);
  const sizeBytes = reader.u32();
  reader.skip(4);
  return { offset: reader.offset, sizeBytes, isOld: true, hasOrder: false };
}

function newStart(reader: Hdf5Reader): Start {
  reader.expect("OHDR");
  const version = reader.u8();
  if (version !== 2) reader.fail(`version ${version} of an object header`);
  const flags = reader.u8();
  if ((flags & FLAG_TIMES) !== 0) reader.skip(16);
  if ((flags & FLAG_PHASE_CHANGE) !== 0) reader.skip(4);
  const sizeBytes = reader.uint(2 ** (flags & 3));
  const hasOrder = (flags & FLAG_CREATION_ORDER) !== 0;
  return { offset: reader.offset, sizeBytes, isOld: false, hasOrder };
}

/** A continuation block of the new version has a signature before its messages and a checksum behind them. */
function continuation(reader: Hdf5Reader, message: Message, isOld: boolean): Block {
  reader.seek(message.offset);
  const offset = reader.place("a continuation of an object header");
  const sizeBytes = reader.length();
  if (isOld) return { offset, sizeBytes };
  reader.seek(offset);
  reader.expect("OCHK");
  return { offset: offset + 4, sizeBytes: sizeBytes - 4 - CHECKSUM_BYTES };
}

function* blockMessages(reader: Hdf5Reader, block: Block, start: Start): Generator<Message> {
  const { isOld, hasOrder } = start;
  const prefixBytes = isOld ? 8 : hasOrder ? 6 : 4;
  const end = block.offset + block.sizeBytes;
  let at = block.offset;
  // Less than a prefix is a gap.
  while (at + prefixBytes <= end) {
    reader.step();
    reader.seek(at);
    const type = isOld ? reader.u16() : reader.u8();
    const sizeBytes = reader.u16();
    const flags = reader.u8();
    const offset = at + prefixBytes;
    if (offset + sizeBytes > end) reader.fail(`a message of ${sizeBytes} bytes at ${at} leaves its block`);
    yield { type, flags, offset, sizeBytes };
    at = offset + sizeBytes;
  }
}
