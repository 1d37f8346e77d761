/** Bytes on their way, in pieces. */

/** A write of less costs as much time in calls as in bytes. */
const BLOCK_BYTES = 1024 * 1024;

/**
 * The same bytes in blocks of 1 MiB, the last one shorter. A block is only good until the next one is asked for: its
 * memory is used again. A piece may be, too.
 */
export async function* inBlocks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + BLOCK_BYTES - filled);
      block.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < BLOCK_BYTES) continue;
      yield block;
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/** The same pieces; `onTaken` hears how many bytes were taken, whenever the next piece is asked for. */
export async function* counted<Piece extends Uint8Array>(
  pieces: AsyncIterable<Piece>,
  onTaken: (bytes: number) => void,
): AsyncGenerator<Piece> {
  let taken = 0;
  for await (const piece of pieces) {
    yield piece;
    taken += piece.length;
    onTaken(taken);
  }
}
