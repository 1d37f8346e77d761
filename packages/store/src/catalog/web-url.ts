/** Addresses that files are downloaded from. Pure: asks nobody. */
import { SmcError } from "../errors.ts";
import { isHidden } from "../show.ts";

const URL_LENGTH_MAX = 8192;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** True for this machine: what goes there nobody else reads or changes. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

/** Reads an address. Throws URL_INVALID without repeating it: it may hold a password. */
export function parseWebUrl(text: string): URL {
  if (text.length > URL_LENGTH_MAX) throw invalid(`it has more than ${URL_LENGTH_MAX} characters`);
  if (isHidden(text) || /[\s\\]/.test(text))
    throw invalid("it has white space, a control character or a backslash");
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) throw invalid("it is not https://host/path");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    throw invalid("a user or password stands in it", "smc keeps none in files that are shared; take it out");
  if (url.hash !== "") throw invalid("it has a fragment", "take away the '#' and what follows");
  return url;
}

/** What people may see: without the query, which may be a key by itself. */
export function shownUrl({ origin, pathname, search }: URL): string {
  return `${origin}${pathname}${search === "" ? "" : "?…"}`;
}

/** Throws URL_INVALID for plain HTTP over a network, unless a SHA-256 tells what must come. */
export function assertSafe(url: URL, sha256: string | null): void {
  if (url.protocol === "https:" || isLoopback(url.hostname) || sha256 !== null) return;
  throw invalid("anyone can change what comes from there", "use https, or say what must come with --sha256");
}

function invalid(why: string, hint?: string): SmcError {
  return new SmcError("URL_INVALID", `this is not an address to download from: ${why}`, {
    hint: hint ?? "write it as https://host/path",
  });
}
