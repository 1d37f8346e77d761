/** CRC-32C (Castagnoli), which LevelDB puts behind its blocks and records; zlib knows only the other polynomial. */

const POLYNOMIAL = 0x82f63b78;
const STEP_BYTES = 8;
const MASK_DELTA = 0xa282ead8;

/** `STEP_BYTES` tables one behind the other: number n is for a byte that n others follow in its step. */
const TABLE = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(STEP_BYTES * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at += 1) {
    const before = table[at - 256] ?? 0;
    table[at] = (before >>> 8) ^ (table[before & 0xff] ?? 0);
  }
  return table;
}

function lookUp(table: number, byte: number): number {
  return TABLE[table * 256 + (byte & 0xff)] ?? 0;
}

/** Of the bytes from `start` to `end`, as an unsigned number. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let crc = -1;
  let at = start;
  for (; at + STEP_BYTES <= end; at += STEP_BYTES) {
    const low = crc ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    crc =
      lookUp(7, low) ^
      lookUp(6, low >>> 8) ^
      lookUp(5, low >>> 16) ^
      lookUp(4, low >>> 24) ^
      lookUp(3, high) ^
      lookUp(2, high >>> 8) ^
      lookUp(1, high >>> 16) ^
      lookUp(0, high >>> 24);
  }
  for (; at < end; at += 1) crc = (crc >>> 8) ^ lookUp(0, crc ^ (bytes[at] ?? 0));
  return ~crc >>> 0;
}

/** As LevelDB stores it: a checksum of bytes that hold checksums would be a weak one. */
export function maskedCrc32c(bytes: Uint8Array, start: number, end: number): number {
  const crc = crc32c(bytes, start, end);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
