/** Tells one receiver of one event. What the receiver does wrong is an outcome; only a call that ends is an error. */
import type { Call, HookOutcome, HookRecord } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { troubleOfRequest } from "../remotes/http-trouble.ts";
import type { PrivateHosts } from "../remotes/outside-addresses.ts";
import { askOutside, parseOutsideUrl } from "../remotes/outside.ts";
import { backOff, LIMITS, type Limits } from "../remotes/retry.ts";
import { bodyOf, SIGNATURE_HEADER, signatureOf, type Told } from "./message.ts";
import { runProgram } from "./run-program.ts";

/** From the connection to the head of the answer. */
const ANSWER_MS = 10_000;
/** Of a server that is busy or away: with waits that double, about half a minute. */
export const HOOK_LIMITS: Limits = { ...LIMITS, retriesMax: 6, backoffMs: 500 };
const SHORT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

interface Answer {
  readonly ok: boolean;
  readonly message: string;
  /** Trying again may help. */
  readonly isShort: boolean;
  readonly retryAfterMs: number;
}

export interface Delivering {
  readonly call: Call;
  readonly limits?: Limits;
  /** Those that may be asked although machines are told their keys there. */
  readonly metadataHosts: PrivateHosts;
}

/** A program is run once; a server is asked again while its trouble is short. Throws CANCELED. */
export async function deliver(
  { target }: Pick<HookRecord, "target">,
  event: Told,
  { call, limits = HOOK_LIMITS, metadataHosts }: Delivering,
): Promise<HookOutcome> {
  const body = bodyOf(event);
  const ended = (ok: boolean, attempts: number, message: string): HookOutcome => ({
    id: event.id,
    atMs: Date.now(),
    ok,
    attempts,
    message: show(message, 500),
  });
  if ("exec" in target) {
    const { ok, message } = await runProgram(target.exec, body, call);
    return ended(ok, 1, message);
  }
  for (let retry = 0; ; retry += 1) {
    const { ok, message, isShort, retryAfterMs } = await post(target, body, {
      id: event.id,
      call,
      metadataHosts,
    });
    if (ok || !isShort || retry >= limits.retriesMax) return ended(ok, retry + 1, message);
    await backOff({ call, limits, retry }, retryAfterMs);
  }
}

/** Signed anew each time: a receiver may refuse what is old. */
async function post(
  { url, secret }: { readonly url: string; readonly secret: string },
  body: Buffer,
  { id, call, metadataHosts }: Pick<Delivering, "call" | "metadataHosts"> & { readonly id: string },
): Promise<Answer> {
  const signature = signatureOf(secret, body, Math.floor(Date.now() / 1000));
  const headers = { "content-type": "application/json", "smc-event-id": id, [SIGNATURE_HEADER]: signature };
  const never = { isShort: false, retryAfterMs: 0 };
  try {
    const { href } = parseOutsideUrl(url);
    const request = { method: "POST", url: href, headers, body, metadataHosts } as const;
    const { status, retryAfterMs } = await askOutside(request, ANSWER_MS, call);
    const ok = status >= 200 && status < 300;
    return { ok, message: `it answered ${status}`, isShort: SHORT_STATUS.has(status), retryAfterMs };
  } catch (error) {
    if (isSmcError(error) && error.code === "CANCELED") throw error;
    if (error instanceof SmcError) return { ok: false, message: error.message, ...never };
    const { text, code } = troubleOfRequest(error);
    return { ok: false, message: text, isShort: code === "REMOTE_UNREACHABLE", retryAfterMs: 0 };
  }
}
