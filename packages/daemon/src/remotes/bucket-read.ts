/** Reads a small object of a bucket whole. */
import type { Call } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import type { Bucket } from "./bucket.ts";

/** Throws REMOTE_NOT_FOUND, and REMOTE_FAILED for more than `bytesMax` bytes. */
export async function readSmall(
  bucket: Bucket,
  { key, bytesMax }: { key: string; bytesMax: number },
  call: Call,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of bucket.read(key, call)) {
    sizeBytes += part.length;
    if (sizeBytes > bytesMax)
      throw new SmcError("REMOTE_FAILED", `${bucket.url}: ${key} is longer than ${bytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
