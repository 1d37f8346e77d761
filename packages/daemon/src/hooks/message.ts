/** What a receiver of events gets: the bytes, and the signature that proves who wrote them. */
import { createHmac, randomBytes } from "node:crypto";
import type { StoreEvent } from "@smc/store";

/** `t=<seconds since 1970>,v1=<hex HMAC-SHA-256 of "<seconds>.<body>">`. */
export const SIGNATURE_HEADER = "smc-signature";

export type Told = Omit<StoreEvent, "event"> & { readonly event: string };

export function bodyOf(event: Told): Buffer {
  return Buffer.from(`${JSON.stringify(event)}\n`);
}

export function signatureOf(secret: string, body: Uint8Array, seconds: number): string {
  const hmac = createHmac("sha256", secret).update(`${seconds}.`).update(body).digest("hex");
  return `t=${seconds},v1=${hmac}`;
}

/** For `smc hook test`: names no ref and no record. */
export function testEvent(storeId: string): Told {
  return {
    id: `${storeId}-test-${randomBytes(8).toString("hex")}`,
    event: "test",
    seq: 0,
    time: new Date().toISOString(),
    store: storeId,
    repository: "",
    op: "hook",
    actor: "",
    reason: "smc hook test",
    refs: [],
    refsLeftOut: 0,
  };
}
