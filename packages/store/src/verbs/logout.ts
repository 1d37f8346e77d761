/** `smc logout`: forgets the token for a server. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { LoginAccess } from "./login.ts";

export interface LogoutOptions {
  /** Of the server, or of a repository there. */
  readonly url: string;
}

export interface LogoutResult {
  /** Scheme, host and port that the token was for. */
  readonly origin: string;
}

/** Asks no server: there the token stays what it was. Throws URL_INVALID, TOKEN_NOT_FOUND. */
export async function logout(
  access: Pick<LoginAccess, "originOf" | "forget">,
  { url }: LogoutOptions,
  call: Call,
): Promise<LogoutResult> {
  const origin = access.originOf(url);
  if (await access.forget(origin, call)) return { origin };
  throw new SmcError("TOKEN_NOT_FOUND", `no token is kept for ${origin}`, {
    hint: 'a token is for one scheme, host and port: see where "smc remote -v" leads',
  });
}
