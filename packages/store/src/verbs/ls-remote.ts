/** `smc ls-remote`: the refs of a remote as they are there now; nothing is fetched. */
import type { Call } from "../call.ts";
import { matchesPattern } from "../pattern.ts";
import type { Remote, RemoteRef } from "../transfer/remote.ts";

export interface LsRemoteOptions {
  /** Names, or patterns with `*` and `?`, of whole refs or of their last parts: `main`, `v1.*`, `refs/tags/*`. */
  readonly patterns?: readonly string[];
  /** Branches only; with `tags` both. */
  readonly heads?: boolean;
  readonly tags?: boolean;
}

export interface LsRemoteResult {
  readonly url: string;
  readonly refs: readonly RemoteRef[];
}

/** Throws as `Remote.refs`. */
export async function lsRemote(
  { remote }: { readonly remote: Remote },
  options: LsRemoteOptions,
  call: Call,
): Promise<LsRemoteResult> {
  const { patterns = [], heads = false, tags = false } = options;
  const kinds = [...(heads ? ["refs/heads/"] : []), ...(tags ? ["refs/tags/"] : [])];
  const isWanted = (name: string): boolean =>
    (kinds.length === 0 || kinds.some((kind) => name.startsWith(kind))) &&
    (patterns.length === 0 || patterns.some((pattern) => matchesRef(pattern, name)));
  const refs = (await remote.refs(call)).filter(({ name }) => isWanted(name));
  return { url: remote.url, refs: refs.map(({ digest, name }) => ({ digest, name })) };
}

/** As git: a pattern is compared with the whole name and with what follows each `/`. */
function matchesRef(pattern: string, name: string): boolean {
  for (let at = 0; ;) {
    if (matchesPattern(pattern, name.slice(at))) return true;
    const slash = name.indexOf("/", at);
    if (slash < 0) return false;
    at = slash + 1;
  }
}
