/** How much of a server one address or one token may have, so that something is left for the others. */
import { SmcError } from "@smc/store/errors";
import type { ServingLimits } from "./limits.ts";

/** Addresses whose failed logins are counted; the one that was counted first is forgotten. */
const ADDRESSES_MAX = 10_000;

export type ShareLimits = Pick<
  ServingLimits,
  "connectionsPerAddress" | "failedLogins" | "failedLoginsMs" | "uploadsPerToken"
>;

interface Failures {
  count: number;
  readonly sinceMs: number;
}

export class Shares {
  readonly #limits: ShareLimits;
  readonly #connections = new Map<string, number>();
  readonly #failures = new Map<string, Failures>();
  readonly #uploads = new Map<string, number>();

  constructor(limits: ShareLimits) {
    this.#limits = limits;
  }

  /** Counts a connection until what is returned is called; undefined when its address has as many as it may. */
  connect(remoteAddress: string | undefined): (() => void) | undefined {
    return enter(this.#connections, networkOf(remoteAddress), this.#limits.connectionsPerAddress);
  }

  /** Counts a token that is none. Throws RATE_LIMITED when its address sent too many. */
  failLogin(remoteAddress: string | undefined): void {
    const { failedLogins, failedLoginsMs } = this.#limits;
    const network = networkOf(remoteAddress);
    const nowMs = performance.now();
    let failures = this.#failures.get(network);
    if (failures === undefined || nowMs - failures.sinceMs >= failedLoginsMs) {
      failures = { count: 0, sinceMs: nowMs };
      // Behind those that were counted before.
      this.#failures.delete(network);
      this.#failures.set(network, failures);
      const [first = network] = this.#failures.keys();
      if (this.#failures.size > ADDRESSES_MAX) this.#failures.delete(first);
    }
    failures.count += 1;
    if (failures.count <= failedLogins) return;
    const leftMs = failedLoginsMs - (nowMs - failures.sinceMs);
    throw tooMany("too many tokens that this server does not know came from your address", leftMs);
  }

  /**
   * Counts a body that comes with this token until it is disposed. Throws RATE_LIMITED when there are as many as may
   * be.
   */
  upload(tokenId: string): Disposable {
    const leave = enter(this.#uploads, tokenId, this.#limits.uploadsPerToken);
    if (leave === undefined)
      throw tooMany("too many packs come with this token at the same time; nothing of this one was kept", 0);
    return { [Symbol.dispose]: leave };
  }
}

function enter(counts: Map<string, number>, key: string, most: number): (() => void) | undefined {
  const count = counts.get(key) ?? 0;
  if (count >= most) return undefined;
  counts.set(key, count + 1);
  return () => {
    const left = (counts.get(key) ?? 1) - 1;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  };
}

function tooMany(message: string, leftMs: number): SmcError {
  const retryAfterSeconds = Math.max(1, Math.ceil(leftMs / 1000));
  return new SmcError("RATE_LIMITED", message, { details: { retryAfterSeconds } });
}

/** Who has one address of IPv6 has all with the same first half. */
export function networkOf(remoteAddress: string | undefined): string {
  const address = (remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/i, "");
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("%")[0]?.split("::") ?? [];
  const groups = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? Math.max(0, 8 - groups.length - after.length) : 0;
  return [...groups, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, 4).join(":");
}
