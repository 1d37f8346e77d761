/** Uploads in parts that were begun and never finished: their parts take space that no list of objects shows. */
import type { MultipartUpload, S3Client } from "@aws-sdk/client-s3";
import type { Call } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import type { StaleUploads } from "./bucket.ts";
import type { Sdk } from "./s3-client.ts";

/** Of one list; a page has 1000 uploads at most. */
const PAGES_MAX = 1000;
/** Servers that do not list uploads, or not to us, say so by one of these. */
const UNABLE = new Set<unknown>([400, 403, 404, 405, 501]);

export interface Uploads {
  readonly sdk: Sdk;
  readonly client: S3Client;
  readonly Bucket: string;
  /** What stands before our keys. */
  readonly prefix: string;
  readonly send: <T>(run: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}

/**
 * Takes back what was begun before `beforeMs` and is ours; returns how many. Zero where the server does not tell.
 * Throws as `send`.
 */
export async function dropUploads(
  uploads: Uploads,
  { beforeMs, isOurs, dryRun }: StaleUploads,
  call: Call,
): Promise<number> {
  const { sdk, client, Bucket, prefix, send } = uploads;
  const isStale = ({ Key = "", Initiated }: MultipartUpload): boolean =>
    Key.startsWith(prefix) &&
    isOurs(Key.slice(prefix.length)) &&
    Initiated !== undefined &&
    Initiated.getTime() < beforeMs;
  let dropped = 0;
  for await (const { Key, UploadId } of listUploads(uploads, isStale)) {
    dropped += 1;
    if (dryRun) continue;
    const command = new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId });
    await send((abortSignal) => client.send(command, { abortSignal })).catch((error: unknown) => {
      // Somebody else took it back, or finished it.
      if (!isSmcError(error, "REMOTE_NOT_FOUND")) throw error;
    });
    call.onProgress({ phase: "sweep", done: dropped, unit: "files" });
  }
  return dropped;
}

async function* listUploads(
  { sdk, client, Bucket, prefix, send }: Uploads,
  isWanted: (upload: MultipartUpload) => boolean,
): AsyncGenerator<MultipartUpload> {
  let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (let page = 0; page < PAGES_MAX; page++) {
    const command = new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: prefix, ...marker });
    const answer = await send((abortSignal) => client.send(command, { abortSignal })).catch(
      (error: unknown) => {
        if (isSmcError(error) && UNABLE.has(error.details.status)) return undefined;
        throw error;
      },
    );
    yield* (answer?.Uploads ?? []).filter(isWanted);
    // One that names no next page, or the same again, does not go on.
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker, IsTruncated } = answer ?? {};
    if (IsTruncated !== true || KeyMarker === undefined) return;
    if (KeyMarker === marker.KeyMarker && UploadIdMarker === marker.UploadIdMarker) return;
    marker = { KeyMarker, UploadIdMarker };
  }
}
