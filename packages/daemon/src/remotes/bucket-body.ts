/**
 * Bytes on their way into a bucket: in pieces, compared with their SHA-256 before the last piece goes out.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Call } from "@smc/store";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { BucketBody } from "./bucket.ts";
import { throwIfStopped } from "./stopped.ts";

/** Small enough that hashing one does not hold up the event loop. */
const PIECE_BYTES = 512 * 1024;

export function bodyBytes(body: BucketBody): number {
  return "path" in body ? body.sizeBytes : body.bytes.length;
}

/** Who hears of bytes that have gone; nobody for bytes that are in memory, which are few. */
export function onSentOf(body: BucketBody): ((bytes: number) => void) | undefined {
  return "path" in body ? body.onSent : undefined;
}

/** The SHA-256 that the body came with, else that of its bytes. */
export function bodySha256(body: BucketBody): string {
  if ("path" in body) return body.sha256;
  return body.sha256 ?? createHash("sha256").update(body.bytes).digest("hex");
}

/**
 * The bytes of a body. Throws REMOTE_FAILED before the last piece when they are not those of its SHA-256, or
 * not as many; so nobody ever gets the whole of a wrong body.
 */
export async function* readBody(body: BucketBody, call: Call): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  const sizeBytes = bodyBytes(body);
  let sent = 0;
  let held: Buffer | undefined;
  for await (const piece of "path" in body ? filePieces(body.path, call) : bytePieces(body.bytes, call)) {
    hash.update(piece);
    sent += piece.length;
    if (sent > sizeBytes) break;
    if (held !== undefined) yield held;
    held = piece;
  }
  const what = "path" in body ? `'${show(body.path)}'` : "the bytes";
  if (sent !== sizeBytes) throw wrongBody(`${what} are not the ${sizeBytes} bytes that they should be`);
  if (hash.digest("hex") !== bodySha256(body))
    throw wrongBody(`${what} do not have the SHA-256 that they should`);
  if (held !== undefined) yield held;
}

function wrongBody(text: string): SmcError {
  return new SmcError("REMOTE_FAILED", `${text}; nothing was stored`, { details: { refused: "sha256" } });
}

export async function* bytePieces(bytes: Uint8Array, call: Call): AsyncGenerator<Buffer> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < all.length; at += PIECE_BYTES) {
    throwIfStopped(call);
    yield all.subarray(at, at + PIECE_BYTES);
  }
}

/** Bytes of a regular file from `from` to before `to`, or to where it ended when it was opened; no link is followed. */
export async function* filePieces(
  path: string,
  call: Call,
  { from, to }: { from: number; to: number | undefined } = { from: 0, to: undefined },
): AsyncGenerator<Buffer> {
  try {
    // A pipe in the place of the file must not keep us waiting for its writer.
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
    await using file = await open(path, flags);
    const stats = await file.stat();
    if (!stats.isFile()) throw new SmcError("UNSAFE_PATH", `'${show(path)}' is not a file`);
    const end = to ?? stats.size;
    for (let at = from; at < end;) {
      throwIfStopped(call);
      const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, end - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
}
