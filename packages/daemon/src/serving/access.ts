/** Who asks, and what it may do. */
import { findToken, type OwnedStore, type TokenRecord, type TokenScope } from "@smc/store";
import { SmcError } from "@smc/store/errors";

const BEARER = /^Bearer (\S{1,128})$/;

/**
 * The token that a request came with. Throws AUTH_FAILED, which does not say what was wrong with it, and STORE_CORRUPT
 * when the list of tokens cannot be read.
 */
export async function identify(
  store: Pick<OwnedStore, "path">,
  authorization: string | undefined,
): Promise<TokenRecord> {
  const secret = BEARER.exec(authorization ?? "")?.[1] ?? "";
  const found = await findToken(store, secret);
  if (found !== undefined) return found;
  throw new SmcError("AUTH_FAILED", "this server needs a token, and this is none that it knows", {
    hint: 'who runs the server makes one with "smc token create NAME"',
  });
}

/** Throws SCOPE_MISSING unless the token may do what needs this scope; undefined is for every token. */
export function assertScope({ name, scopes }: TokenRecord, needed: TokenScope | undefined): void {
  if (needed === undefined || scopes.includes(needed)) return;
  throw new SmcError("SCOPE_MISSING", `the token '${name}' may not do that: it needs the scope '${needed}'`, {
    details: { scope: needed },
  });
}
