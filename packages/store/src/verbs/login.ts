/** `smc login`: keeps a token for a server, after the server has taken it. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { isForeignToken, isTokenSecret } from "../tokens.ts";

const CA_BYTES_MAX = 256 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/;

export interface LoginOptions {
  /** Of the server, or of a repository there. */
  readonly url: string;
  readonly token: string;
  /** Certificates of authorities that vouch for the server, besides those that the system knows. */
  readonly caPem?: string;
}

/** What a server says of a token. */
export interface TokenFound {
  /** As the server calls it. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** Null when it does not end by itself. */
  readonly expiresMs: number | null;
}

export interface LoginResult extends TokenFound {
  /** Scheme, host and port that the token is for. */
  readonly origin: string;
}

/** A token for one server. */
export interface Login {
  readonly origin: string;
  readonly token: string;
  readonly caPem?: string;
}

/** The way to servers and to the tokens for them, which is not the store's business. */
export interface LoginAccess {
  /** Throws URL_INVALID for what is not a server. */
  originOf(url: string): string;
  /** True for a server that is none of smc, and whose tokens look as they like. */
  isForeign?(origin: string): Promise<boolean>;
  /** Throws AUTH_FAILED, REMOTE_UNREACHABLE, REMOTE_FAILED. */
  ask(login: Login, call: Call): Promise<TokenFound>;
  keep(login: Login, call: Call): Promise<void>;
  /** False when none was kept. */
  forget(origin: string, call: Call): Promise<boolean>;
}

/**
 * What was kept for the server before is replaced. Throws URL_INVALID, ARGUMENT_INVALID, AUTH_FAILED, and as
 * `LoginAccess`; nothing is kept then.
 */
export async function login(access: LoginAccess, options: LoginOptions, call: Call): Promise<LoginResult> {
  const { url, token, caPem } = options;
  const origin = access.originOf(url);
  // Never repeated: a wrong word may be another password.
  const isForeign = (await access.isForeign?.(origin)) === true;
  if (isForeign ? !isForeignToken(token) : !isTokenSecret(token)) {
    if (isForeign) throw new SmcError("ARGUMENT_INVALID", "this is no token: 20 to 512 visible characters");
    throw new SmcError("ARGUMENT_INVALID", "this is not a token of smc: smc_ and 43 characters", {
      hint: "ask who runs the server for one",
    });
  }
  if (caPem !== undefined && (caPem.length > CA_BYTES_MAX || !CERTIFICATE.test(caPem)))
    throw new SmcError("ARGUMENT_INVALID", "the file of the authority holds no certificate in PEM");
  const kept: Login = { origin, token, ...(caPem === undefined ? {} : { caPem }) };
  const found = await access.ask(kept, call);
  await access.keep(kept, call);
  return { origin, ...found };
}
