/** Bytes of a pack's file, in pieces, as they are. */
import { open, stat } from "node:fs/promises";
import { type Call, throwIfCanceled } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { ByteRange } from "../store.ts";

const PIECE_BYTES = 1024 * 1024;

/** Size and time of a file; undefined when it is gone. */
export async function statOrGone(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const known = fromErrno(error, "cannot look at a pack");
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}

/** Throws REMOTE_INCOMPLETE when the file is gone, REMOTE_FAILED when it has fewer bytes, CANCELED. */
export async function* readPieces(
  path: string,
  { pack, range: { from, to } }: { pack: Digest; range: ByteRange },
  call: Call,
): AsyncIterable<Uint8Array> {
  throwIfCanceled(call);
  await using file = await openOrGone(path, pack);
  for (let at = from; at < to;) {
    throwIfCanceled(call);
    // New memory for each piece: who sends it may still hold the last one.
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, to - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0)
      throw new SmcError("REMOTE_FAILED", `pack ${pack} has fewer bytes than asked for`, {
        details: { pack },
      });
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

async function openOrGone(path: string, pack: Digest): ReturnType<typeof open> {
  try {
    return await open(path, "r");
  } catch (error) {
    const known = fromErrno(error, `cannot open pack ${pack}`);
    throw isSmcError(known, "PATH_NOT_FOUND") ? packGone(pack) : known;
  }
}

/** A pack that was there a moment ago: its records are elsewhere by now, or nobody needs them. */
export function packGone(pack: Digest): SmcError {
  return new SmcError("REMOTE_INCOMPLETE", `pack ${pack} is not there; no ref was moved`, {
    hint: "run the command again: packs are put together anew from time to time",
    details: { pack },
  });
}
