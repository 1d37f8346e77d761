/** The body of a request of another machine: as long as it says, piece by piece, and not for ever. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Digest, parseDigest } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import type { ServingLimits } from "./limits.ts";

const DIGEST_BYTES = 32;
const LENGTH = /^\d{1,15}$/;

/** What is too slow ends the connection. */
export type BodyLimits = Pick<ServingLimits, "bodyIdleMs" | "bodyBytesPerSecondMin" | "bodyGraceMs">;

export interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** It waits for "100 Continue" before it sends the body. */
  readonly isExpecting: boolean;
  readonly limits: BodyLimits;
}

/** How long the body says it is. Throws REQUEST_INVALID without `content-length`, REQUEST_TOO_LARGE. */
export function lengthOf({ headers }: Pick<IncomingMessage, "headers">, bytesMax: number): number {
  const length = headers["content-length"] ?? "";
  if (!LENGTH.test(length))
    throw new SmcError("REQUEST_INVALID", "the request does not say how long its body is (content-length)");
  if (Number(length) <= bytesMax) return Number(length);
  throw new SmcError("REQUEST_TOO_LARGE", `the body is longer than ${bytesMax} bytes; nothing was changed`);
}

/**
 * The bytes as they come, no faster than they are taken. What is not taken stays in the connection. Throws CANCELED
 * when the caller goes away, or sends nothing or hardly anything for so long that it is given up.
 */
export async function* bodyOf({
  request,
  response,
  isExpecting,
  limits: { bodyIdleMs, bodyBytesPerSecondMin, bodyGraceMs },
}: Incoming): AsyncGenerator<Uint8Array> {
  if (isExpecting) response.writeContinue();
  const parts: AsyncIterator<Uint8Array, undefined> = request.iterator({ destroyOnReturn: false });
  let isWaiting = true;
  let waitedMs = 0;
  let bytes = 0;
  // One for all pieces: a large body has ten thousands of them. Who takes long with a piece is not the caller.
  const timer = setTimeout(() => {
    if (isWaiting) request.destroy(new SmcError("CANCELED", "the caller sends nothing any more"));
  }, bodyIdleMs);
  try {
    for (;;) {
      isWaiting = true;
      timer.refresh();
      const sinceMs = performance.now();
      const part = await nextOf(parts);
      isWaiting = false;
      if (part === undefined) return;
      waitedMs += performance.now() - sinceMs;
      bytes += part.length;
      if (waitedMs > bodyGraceMs && bytes < (waitedMs / 1000) * bodyBytesPerSecondMin)
        request.destroy(new SmcError("CANCELED", "the caller sends hardly anything"));
      yield part;
    }
  } finally {
    clearTimeout(timer);
    await parts.return?.();
  }
}

async function nextOf(parts: AsyncIterator<Uint8Array, undefined>): Promise<Uint8Array | undefined> {
  try {
    return (await parts.next()).value;
  } catch (error) {
    if (isSmcError(error)) throw error;
    throw new SmcError("CANCELED", "the caller went away", { cause: error });
  }
}

/** The whole body. Throws as `lengthOf` before anything is read, and as `bodyOf`. */
export async function readWhole(incoming: Incoming, bytesMax: number): Promise<Buffer> {
  lengthOf(incoming.request, bytesMax);
  const parts: Uint8Array[] = [];
  for await (const part of bodyOf(incoming)) parts.push(part);
  return Buffer.concat(parts);
}

/** Digests of 32 bytes, one after the other. Throws REQUEST_INVALID for half a one, and as `readWhole`. */
export async function readDigests(incoming: Incoming, countMax: number): Promise<readonly Digest[]> {
  const length = lengthOf(incoming.request, countMax * DIGEST_BYTES);
  if (length % DIGEST_BYTES !== 0)
    throw new SmcError("REQUEST_INVALID", `digests have ${DIGEST_BYTES} bytes each, the body has ${length}`);
  const bytes = await readWhole(incoming, countMax * DIGEST_BYTES);
  return Array.from({ length: length / DIGEST_BYTES }, (_, index) =>
    parseDigest(bytes.toString("hex", index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)),
  );
}
