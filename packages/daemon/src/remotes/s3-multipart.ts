/** An object of S3 in parts, for one that is larger than a server takes in one request. */
import { createHash } from "node:crypto";
import type { CompletedPart, S3Client } from "@aws-sdk/client-s3";
import type { Call } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Attempt } from "./attempt.ts";
import type { BucketBody } from "./bucket.ts";
import { bodyBytes, bytePieces, filePieces, onSentOf } from "./bucket-body.ts";
import { bodyStream } from "./body-stream.ts";
import { CLAIM, claimBytes, type Sdk } from "./s3-client.ts";

/** What S3 takes. Tests make it small. */
export interface PartLimits {
  /** Of an object in one request. */
  readonly wholeBytesMax: number;
  /** Of each part but the last one; more when there would be too many. S3 takes none below 5 MiB. */
  readonly partBytes: number;
  readonly partsMax: number;
  readonly objectBytesMax: number;
}

export const PART_LIMITS: PartLimits = {
  wholeBytesMax: 5 * 1024 ** 3,
  partBytes: 256 * 1024 ** 2,
  partsMax: 10_000,
  objectBytesMax: 5 * 1024 ** 4,
};

/** Taking parts back holds up nobody for long. */
const TAKE_BACK_MS_MAX = 10_000;

export interface InParts {
  readonly sdk: Sdk;
  readonly client: S3Client;
  readonly limits: PartLimits;
  /** The bucket and the key in it. */
  readonly place: { readonly Bucket: string; readonly Key: string };
  readonly body: BucketBody;
  readonly sha256: string;
  /** Makes a request, again while the trouble is short; `onShort` hears of answers that may have been lost. */
  readonly send: <T>(run: (now: Attempt) => Promise<T>, onShort?: () => void) => Promise<T>;
}

/**
 * Durable when it returns. Throws as `send`, also for an object that is there already (status 412), and REMOTE_FAILED
 * for a body that has another SHA-256; what was sent is taken back then. After a kill parts stay there until a
 * sweep takes them back (`s3-uploads.ts`).
 */
export async function putInParts(object: InParts, call: Call): Promise<void> {
  const { sdk, client, place, send } = object;
  const begin = new sdk.CreateMultipartUploadCommand({ ...place, ContentType: "application/octet-stream" });
  const { UploadId } = await send(({ signal }) => client.send(begin, { abortSignal: signal }));
  if (UploadId === undefined) throw failed(place, "the answer is none of S3");
  const upload = { ...place, UploadId };
  try {
    const Parts = await sendParts(object, upload, call);
    const complete = { ...upload, MultipartUpload: { Parts }, IfNoneMatch: "*" };
    await send(({ signal }) =>
      client.send(new sdk.CompleteMultipartUploadCommand(complete), { abortSignal: signal }),
    );
  } catch (error) {
    // What failed first is what is told.
    const abortSignal = AbortSignal.timeout(TAKE_BACK_MS_MAX);
    await client.send(new sdk.AbortMultipartUploadCommand(upload), { abortSignal }).catch(() => undefined);
    throw error;
  }
}

type Upload = InParts["place"] & { readonly UploadId: string };

/** One after the other; all of them were compared with the SHA-256 of the whole when it returns. */
async function sendParts(object: InParts, upload: Upload, call: Call): Promise<CompletedPart[]> {
  const { sdk, client, body, sha256, send } = object;
  const sizeBytes = bodyBytes(body);
  const onSent = onSentOf(body);
  const partBytes = partBytesOf(sizeBytes, object.limits);
  const whole = createHash("sha256");
  const parts: CompletedPart[] = [];
  for (let from = 0; from < sizeBytes; from += partBytes) {
    const to = Math.min(from + partBytes, sizeBytes);
    const hash = createHash("sha256");
    let found = 0;
    for await (const piece of piecesOf(body, { from, to }, call)) {
      hash.update(piece);
      whole.update(piece);
      found += piece.length;
    }
    if (found !== to - from) throw failed(upload, `the file has fewer than ${sizeBytes} bytes`);
    const digest = hash.digest("hex");
    const PartNumber = parts.length + 1;
    const { ETag } = await send(async (now) => {
      const stream = bodyStream(piecesOf(body, { from, to }, call), now, (bytes) => onSent?.(from + bytes));
      const part = { ...upload, PartNumber, Body: stream, ContentLength: to - from };
      const command = new sdk.UploadPartCommand(part);
      command.middlewareStack.add((next) => (args) => next(claimBytes(args, digest)), CLAIM);
      try {
        return await client.send(command, { abortSignal: now.signal });
      } finally {
        stream.destroy();
      }
    });
    if (ETag === undefined) throw failed(upload, "the answer is none of S3");
    parts.push({ PartNumber, ETag });
  }
  if (whole.digest("hex") !== sha256)
    throw failed(upload, "the bytes do not have the SHA-256 that they should");
  return parts;
}

function piecesOf(body: BucketBody, { from, to }: { from: number; to: number }, call: Call) {
  return "path" in body
    ? filePieces(body.path, call, { from, to })
    : bytePieces(body.bytes.subarray(from, to), call);
}

/** Whole MiB where the usual size would make too many. */
export function partBytesOf(sizeBytes: number, { partBytes, partsMax }: PartLimits): number {
  const mib = 1024 * 1024;
  if (sizeBytes <= partBytes * partsMax) return partBytes;
  return Math.ceil(sizeBytes / partsMax / mib) * mib;
}

/** True for the answer that the parts are joined, or were taken back, already. */
export function isGoneUpload(error: unknown): boolean {
  return isSmcError(error) && error.details.name === "NoSuchUpload";
}

function failed({ Key }: InParts["place"], text: string): SmcError {
  return new SmcError("REMOTE_FAILED", `cannot store '${show(Key)}' in parts: ${text}; nothing was stored`);
}
