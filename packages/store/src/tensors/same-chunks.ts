/** What two files have in common by the chunks they are stored in: told without reading a byte of them. */
import { indexAt } from "../pool/blob-source.ts";
import type { Piece } from "../pool/tasks.ts";

/** A place in a file that is stored in these pieces. */
interface PiecedPlace {
  readonly pieces: readonly Piece[];
  readonly offset: number;
}

/** True when `length` bytes are the same chunks at the same places; false says nothing. */
export function hasSameChunks(a: PiecedPlace, b: PiecedPlace, length: number): boolean {
  if (length === 0) return true;
  let left = indexAt(a.pieces, a.offset);
  let right = indexAt(b.pieces, b.offset);
  const lead = a.offset - (a.pieces[left]?.at ?? 0);
  if (lead !== b.offset - (b.pieces[right]?.at ?? 0)) return false;
  for (let done = -lead; done < length; left++, right++) {
    const piece = a.pieces[left];
    if (piece === undefined || piece.span.digest !== b.pieces[right]?.span.digest) return false;
    done += piece.span.rawBytes;
  }
  return true;
}

/** Bytes of the second file that lie in chunks which the first one has, too. */
export function sharedBytes(from: readonly Piece[], to: readonly Piece[]): number {
  const known = new Set(from.map(({ span }) => span.digest));
  return to.reduce((sum, { span }) => sum + (known.has(span.digest) ? span.rawBytes : 0), 0);
}
