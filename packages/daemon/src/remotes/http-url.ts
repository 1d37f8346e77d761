/** Addresses of servers of smc: `https://host:port/repository`. */
import { assertRepositoryName, isLoopback } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { isHidden, show } from "@smc/store/show";

const URL_LENGTH_MAX = 2000;
const HTTP = /^https?:\/\/([^/?#]*)(?:\/([^?#]*))?$/i;
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

export interface HttpUrl {
  readonly kind: "http";
  /** Scheme, host and port: what a token is kept for. */
  readonly origin: string;
  readonly repository: string;
  /** For people; without credentials. */
  readonly url: string;
}

/** Of an address that is none. The text may hold a password: it is never repeated. */
export function invalidUrl(why: string, hint?: string): SmcError {
  const options = hint === undefined ? {} : { hint };
  return new SmcError("URL_INVALID", `this is not the address of a remote: ${why}`, options);
}

/** Throws URL_INVALID for what no address of any remote may have. */
export function assertUrlText(text: string): void {
  if (text.length > URL_LENGTH_MAX) throw invalidUrl(`it has more than ${URL_LENGTH_MAX} characters`);
  if (isHidden(text) || text.includes("\\")) throw invalidUrl("it has a control character or a backslash");
}

/**
 * Reads an address and asks nobody. Throws URL_INVALID for everything but scheme, host, port and the name of a
 * repository; plain HTTP goes to this machine only.
 */
export function parseHttpUrl(text: string): HttpUrl {
  const { origin, path } = parse(text);
  const repository = path.replace(/\/$/, "");
  if (repository === "")
    throw invalidUrl("it names no repository", `write it as ${origin}/name or ${origin}/owner/name`);
  assertName(repository);
  return { kind: "http", origin, repository, url: `${origin}/${repository}` };
}

/** The origin of a server, of its own address or that of a repository there. Throws as `parseHttpUrl`. */
export function parseOrigin(text: string): string {
  const { origin, path } = parse(text);
  const repository = path.replace(/\/$/, "");
  if (repository !== "") assertName(repository);
  return origin;
}

function parse(text: string): { origin: string; path: string } {
  assertUrlText(text);
  const found = HTTP.exec(text);
  if (found === null) {
    if (/^https?:/i.test(text) && /[?#]/.test(text)) throw invalidUrl("it has a query or a fragment");
    throw invalidUrl("it is not https://host/repository");
  }
  const [, authority = "", path = ""] = found;
  if (authority.includes("@"))
    throw invalidUrl(
      "a user or password stands in it",
      'keep a token with "smc login URL"; take it out of the address',
    );
  if (!HOST.test(authority) || authority.includes("..") || !URL.canParse(text))
    throw invalidUrl("its host is not made of a-z, 0-9, '.' and '-', with a port after ':' if any");
  const { protocol, hostname, origin } = new URL(text);
  if (protocol === "http:" && !isLoopback(hostname)) {
    throw new SmcError("URL_INVALID", `anyone can read and change what goes to ${show(origin, 200)}`, {
      hint: "use https",
    });
  }
  return { origin, path };
}

function assertName(repository: string): void {
  try {
    assertRepositoryName(repository);
  } catch (error) {
    if (!isSmcError(error, "REPOSITORY_NAME_INVALID")) throw error;
    throw invalidUrl("its path is not the name of a repository", 'use "name" or "owner/name"');
  }
}
