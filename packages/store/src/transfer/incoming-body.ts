/** A pack on its way in: its bytes into a file, as many as were announced. */
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
  readonly body: AsyncIterable<Uint8Array>;
}

/** Throws OBJECT_INVALID unless such a pack can be taken. */
export function assertIncoming({ sizeBytes }: IncomingPack): void {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= 1 && sizeBytes <= INCOMING_PACK_BYTES_MAX) return;
  throw new SmcError("OBJECT_INVALID", `a pack has 1 to ${INCOMING_PACK_BYTES_MAX} bytes, not ${sizeBytes}`);
}

/**
 * Creates the file, durable but for its name. Throws OBJECT_INVALID at the first byte too many and at an end that comes
 * too early; QUOTA_EXCEEDED when the room that was kept for it is gone.
 */
export async function writeBody(
  path: string,
  { pack: { body, sizeBytes }, reserved }: { pack: IncomingPack; reserved: Reserved },
  call: Call,
): Promise<void> {
  await using file = await AppendFile.create(path);
  let done = 0;
  for await (const bytes of inBlocks(piecesOf(body, sizeBytes, call))) {
    await file.write(bytes, done);
    done += bytes.length;
    await reserved.wrote(bytes.length);
    call.onProgress({ phase: "receive", done, total: sizeBytes, unit: "bytes" });
  }
  if (done < sizeBytes) throw invalid(`it ended after ${done} of ${sizeBytes} bytes`);
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
