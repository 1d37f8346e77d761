/** A blob as a stream. Every byte that goes out was verified; a trailer says why a stream ended early. */
import { parseDigest, type Store } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import type { FastifyReply } from "fastify";
import { type Failure, writeAll } from "./answer.ts";
import { ERROR_TRAILER, PROTOCOL, PROTOCOL_HEADER, SIZE_HEADER } from "./protocol.ts";

export interface BlobAnswer {
  readonly store: Store;
  readonly reply: FastifyReply;
  /** As it was asked for. */
  readonly digest: string;
  readonly signal: AbortSignal;
  readonly describe: (error: unknown) => Failure;
}

/**
 * Throws DIGEST_INVALID, OBJECT_NOT_FOUND, OBJECT_CORRUPT before the first byte went out; afterwards the trailer
 * `smc-error` holds the error. A client may read as slowly as it likes.
 */
export async function sendBlob({ store, reply, digest: text, signal, describe }: BlobAnswer): Promise<void> {
  const digest = parseDigest(text);
  const found = await store.objects.stat(digest);
  if (found?.kind !== "blob") {
    throw new SmcError("OBJECT_NOT_FOUND", `there is no blob ${digest}`, { details: { digest } });
  }
  const blob = store.objects.readBlob(digest, { signal, onProgress: () => undefined });
  const pieces = blob[Symbol.asyncIterator]();
  let piece = await pieces.next();
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "cache-control": "no-store",
    [PROTOCOL_HEADER]: PROTOCOL,
    [SIZE_HEADER]: found.sizeBytes,
    trailer: ERROR_TRAILER,
  });
  try {
    for (; piece.done !== true; piece = await pieces.next()) {
      await writeAll(response, piece.value, Number.POSITIVE_INFINITY);
    }
  } catch (error) {
    await pieces.return?.();
    response.addTrailers({ [ERROR_TRAILER]: encodeURIComponent(JSON.stringify(describe(error).json)) });
  }
  response.end();
}
