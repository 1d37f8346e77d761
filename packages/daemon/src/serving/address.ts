/** Where a server listens, and the names by which requests may call it. Pure. */
import { isIP, isIPv4, isIPv6 } from "node:net";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

const PORT_MAX = 65_535;
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/;
const NAME_LENGTH_MAX = 253;
/** A name or address, IPv6 in brackets, and a port. */
const HOST_AND_PORT = /^(\[[0-9A-Fa-f:.]{2,45}\]|[^:[\]\s]{1,253})(?::(\d{1,5}))?$/;
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

export interface Address {
  /** As `listen` takes it: IPv6 without brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** Reads `HOST:PORT`. Throws USAGE. */
export function parseAddress(text: string): Address {
  const [, written = "", digits = ""] = HOST_AND_PORT.exec(text) ?? [];
  const host = written.replace(/^\[|\]$/g, "");
  const port = Number(digits);
  const isHost = written.startsWith("[") ? isIPv6(host) : isIPv4(host) || isName(host);
  if (isHost && digits !== "" && port <= PORT_MAX) return { host, port };
  throw new SmcError("USAGE", `'${show(text, 80)}' is no address to listen on`, {
    hint: "write it as HOST:PORT: 127.0.0.1:7433, [::1]:7433, 192.168.1.5:7433",
  });
}

function isName(text: string): boolean {
  return text.length <= NAME_LENGTH_MAX && NAME.test(text);
}

/** True when only this machine reaches it. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

function isEveryAddress(host: string): boolean {
  return host === "0.0.0.0" || (isIPv6(host) && /^[0:]+$/.test(host));
}

/** How a host stands in a URL and in the header `host`. */
export function formatHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

/**
 * What may stand in the header `host`, in lower case and without a port. Ports are not compared: they differ behind one
 * that is passed on, and a web page cannot choose the name. Throws USAGE for a name that is none, or when there is
 * none.
 */
export function allowedHosts({ host }: Address, names: readonly string[]): ReadonlySet<string> {
  const allowed = new Set<string>();
  for (const name of names) {
    const bare = name.replace(/^\[|\]$/g, "");
    if (!isIPv6(bare) && !isName(name)) {
      throw new SmcError("USAGE", `'${show(name, 80)}' is not the name of a host`, {
        hint: "write it without a port: --host-name models.lan",
      });
    }
    allowed.add(formatHost(bare).toLowerCase());
  }
  if (isLoopback(host)) for (const name of LOOPBACK_NAMES) allowed.add(name);
  if (!isEveryAddress(host)) allowed.add(formatHost(host).toLowerCase());
  if (allowed.size > 0) return allowed;
  throw new SmcError("USAGE", `who listens on every address (${formatHost(host)}) must say its name`, {
    hint: "add --host-name with the name that stands in the URL: --host-name models.lan",
  });
}

/** True when the header `host` names one of `allowed`. */
export function isAllowedHost(header: string, allowed: ReadonlySet<string>): boolean {
  const [, name = "", port = "0"] = HOST_AND_PORT.exec(header) ?? [];
  return Number(port) <= PORT_MAX && allowed.has(name.toLowerCase());
}

/** The URL for people: with a name where the address says nothing. */
export function urlOf(
  { host, port }: Address,
  { isTls, names }: { isTls: boolean; names: readonly string[] },
): string {
  const [name = formatHost(host)] = isEveryAddress(host) ? names : [];
  return `${isTls ? "https" : "http"}://${name}:${port}`;
}
