/** A pack on its way in: its bytes into a file, and whether they are those that were announced. */
import { createHash } from "node:crypto";
import { type Call, orCanceled } from "../call.ts";
import { SmcError } from "../errors.ts";
import { AppendFile } from "../fs.ts";
import type { Digest } from "../objects/digest.ts";
import { inBlocks } from "./blocks.ts";
import type { Reserved } from "./quarantine-room.ts";

/** The largest pack that is taken: four times what packs are made to be. */
export const INCOMING_PACK_BYTES_MAX = 256 * 1024 * 1024;

export interface IncomingPack {
  readonly name: Digest;
  readonly sizeBytes: number;
  /** Of all its bytes, in hex. */
  readonly sha256: string;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Throws OBJECT_INVALID unless such a pack can be taken. */
export function assertIncoming({ sizeBytes, sha256 }: IncomingPack): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1 || sizeBytes > INCOMING_PACK_BYTES_MAX)
    throw new SmcError(
      "OBJECT_INVALID",
      `a pack has 1 to ${INCOMING_PACK_BYTES_MAX} bytes, not ${sizeBytes}`,
    );
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new SmcError("OBJECT_INVALID", "a SHA-256 is 64 digits of hex in lower case");
}

/**
 * Creates the file, durable but for its name. Throws OBJECT_INVALID at the first byte too many, at an end that comes too
 * early, and for another SHA-256; QUOTA_EXCEEDED when the room that was kept for it is gone.
 */
export async function writeBody(
  path: string,
  { pack: { body, sizeBytes, sha256 }, reserved }: { pack: IncomingPack; reserved: Reserved },
  call: Call,
): Promise<void> {
  await using file = await AppendFile.create(path);
  const hash = createHash("sha256");
  let done = 0;
  for await (const bytes of inBlocks(piecesOf(body, sizeBytes, call))) {
    hash.update(bytes);
    await file.write(bytes, done);
    done += bytes.length;
    await reserved.wrote(bytes.length);
    call.onProgress({ phase: "receive", done, total: sizeBytes, unit: "bytes" });
  }
  if (done < sizeBytes) throw invalid(`it ended after ${done} of ${sizeBytes} bytes`);
  const found = hash.digest("hex");
  if (found !== sha256) throw invalid(`its SHA-256 is ${found} instead of ${sha256}`);
  await file.sync();
}

/** Ends at the first piece too many, and at once with CANCELED, also while the other side says nothing. */
async function* piecesOf(
  body: AsyncIterable<Uint8Array>,
  sizeBytes: number,
  call: Call,
): AsyncIterable<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  let isOver = false;
  let seenBytes = 0;
  try {
    for (;;) {
      const next = await orCanceled(pieces.next(), call);
      isOver = next.done === true;
      if (next.done === true) return;
      seenBytes += next.value.length;
      if (seenBytes > sizeBytes) throw invalid(`it has more than the ${sizeBytes} bytes announced`);
      yield next.value;
    }
  } finally {
    // Not waited for: a generator that waits for its next piece would not end before it comes.
    if (!isOver) pieces.return?.().catch(() => undefined);
  }
}

function invalid(why: string): SmcError {
  return new SmcError("OBJECT_INVALID", why);
}
