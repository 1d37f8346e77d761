/** Who a server of smc takes us for. */
import type { Call, TokenFound } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { readResult } from "./http-body.ts";
import { type Credential, HttpConnection, type HttpRequest } from "./http-connection.ts";
import { nonsense } from "./http-trouble.ts";
import type { Limits } from "./retry.ts";

const ANSWER_BYTES_MAX = 64 * 1024;
const SCOPES_MAX = 20;
/** The last moment that has a date. */
const TIME_MAX_MS = 8.64e15;

/** Throws AUTH_FAILED for a token that the server does not know, REMOTE_UNREACHABLE, REMOTE_FAILED. */
export async function askForToken(
  { origin, credential, limits = {} }: { origin: string; credential: Credential; limits?: Partial<Limits> },
  call: Call,
): Promise<TokenFound> {
  await using connection = new HttpConnection({ origin, url: origin }, credential, limits);
  const request: HttpRequest = {
    method: "GET",
    path: "/v1/token",
    type: "application/json",
    statuses: [200],
    phase: "ask about the token",
  };
  return await connection.ask(request, call, async (answer) => {
    const { name, scopes, expiresMs } = await readResult(answer, ANSWER_BYTES_MAX);
    if (typeof name !== "string" || !Array.isArray(scopes) || scopes.length > SCOPES_MAX)
      throw nonsense("the answer tells nothing of a token");
    const isMoment = typeof expiresMs === "number" && expiresMs >= 0 && expiresMs <= TIME_MAX_MS;
    const expires = isMoment ? expiresMs : null;
    const words = scopes.map((scope: unknown) => show(connection.clean(String(scope)), 40));
    return { name: show(connection.clean(name), 200), scopes: words, expiresMs: expires };
  });
}

/** Throws SCOPE_MISSING when the token may not even fetch. Returns whether it may do nothing but that. */
export function assertReads({ name, scopes }: TokenFound, origin: string): { readonly readOnly: boolean } {
  if (scopes.includes("read")) return { readOnly: !scopes.includes("push") };
  throw new SmcError("SCOPE_MISSING", `${origin}: token '${name}' may not read`);
}
