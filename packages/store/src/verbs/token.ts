/** `smc token`: who may use this store over the network. */
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { SmcError } from "../errors.ts";
import { formatMoment, momentAt, parseSpan } from "../history/dates.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import {
  createToken,
  isExpired,
  readTokens,
  revokeToken,
  rotateToken,
  TOKEN_SCOPES,
  type TokenRecord,
  type TokenScope,
} from "../tokens.ts";

export interface TokenOptions {
  readonly action: "create" | "list" | "rotate" | "revoke";
  /** Of the token; not for `list`. */
  readonly name?: string;
  /** For `create`: "read", "push", "admin", "jobs"; `push` comes with `read`, `admin` with both. Default: push. */
  readonly scopes?: readonly string[];
  /** "90d". When left out a token that is created does not expire, and one that is rotated expires when it did. */
  readonly expires?: string;
}

export interface TokenRow {
  /** 32 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly created: string;
  /** Null: never. */
  readonly expires: string | null;
  readonly expired: boolean;
}

export interface TokenResult {
  readonly action: TokenOptions["action"];
  /** Those listed; else the one that was made, changed or taken away. */
  readonly tokens: readonly TokenRow[];
  /** After `create` and `rotate`: the token itself. Nothing tells it again. */
  readonly secret: string | null;
}

/** What each scope brings along. */
const INCLUDED: Readonly<Record<TokenScope, readonly TokenScope[]>> = {
  read: ["read"],
  push: ["read", "push"],
  admin: ["read", "push", "admin"],
  jobs: ["jobs"],
};

/**
 * Makes, lists, renews and takes away tokens. Throws ARGUMENT_INVALID, DATE_INVALID, ALREADY_EXISTS, TOKEN_NOT_FOUND,
 * LIMIT_EXCEEDED, STORE_CORRUPT.
 */
export async function token(
  store: Pick<Store, "path">,
  options: TokenOptions,
  call: Call,
): Promise<TokenResult> {
  const { action, name, scopes, expires } = options;
  if (action !== "create" && scopes !== undefined)
    throw new SmcError("ARGUMENT_INVALID", "scopes are said when a token is created");
  if (action !== "create" && action !== "rotate" && expires !== undefined)
    throw new SmcError("ARGUMENT_INVALID", "when it expires is said when a token is created or rotated");
  if (action === "list") {
    if (name !== undefined) throw new SmcError("ARGUMENT_INVALID", "list takes no name");
    return { action, tokens: (await readTokens(store)).map(rowOf), secret: null };
  }
  if (name === undefined) throw new SmcError("ARGUMENT_INVALID", `${action} needs the name of a token`);
  if (action === "revoke")
    return { action, tokens: [rowOf(await revokeToken(store, name, call))], secret: null };
  const made =
    action === "rotate"
      ? await rotateToken(store, { name, expiresMs: expiryOf(expires) }, call)
      : await createToken(
          store,
          { name, scopes: parseScopes(scopes ?? ["push"]), expiresMs: expiryOf(expires) ?? null },
          call,
        );
  return { action, tokens: [rowOf(made.record)], secret: made.secret };
}

function parseScopes(words: readonly string[]): readonly TokenScope[] {
  const asked = words.map((word) => {
    const scope = TOKEN_SCOPES.find((known) => known === word);
    if (scope !== undefined) return scope;
    const what = `'${show(word, 40)}' is not one of ${TOKEN_SCOPES.join(", ")}`;
    throw new SmcError("ARGUMENT_INVALID", `a token has no such scope: ${what}`);
  });
  if (asked.length === 0) throw new SmcError("ARGUMENT_INVALID", "a token needs a scope");
  return [...new Set(asked.flatMap((scope) => INCLUDED[scope]))];
}

function expiryOf(expires: string | undefined): number | undefined {
  if (expires === undefined) return undefined;
  const expiresMs = nowMs() + parseSpan(expires);
  if (Number.isSafeInteger(expiresMs) && !Number.isNaN(new Date(expiresMs).getTime())) return expiresMs;
  throw new SmcError("DATE_INVALID", `'${show(expires, 40)}' from now is no date`);
}

function rowOf(record: TokenRecord): TokenRow {
  const { id, name, scopes, createdMs, expiresMs } = record;
  const created = formatMoment(momentAt(createdMs));
  const expires = expiresMs === null ? null : formatMoment(momentAt(expiresMs));
  return { id, name, scopes, created, expires, expired: isExpired(record) };
}
