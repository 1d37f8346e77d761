/**
 * Which addresses somebody else may make this daemon ask: none of this machine, of private networks, or of what has no
 * network.
 */
import { lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

/** Reserved by RFC 6890 and later ones; NAT64 and 6to4 lead to addresses of IPv4 that are among them. */
const NOT_PUBLIC = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const)
  NOT_PUBLIC.addSubnet(network, bits, "ipv4");
for (const [network, bits] of [
  ["::", 127],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2001::", 32],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const)
  NOT_PUBLIC.addSubnet(network, bits, "ipv6");

/** Hosts of private networks that the user named, in lower case. */
export type PrivateHosts = ReadonlySet<string>;

/** `models.lan, 10.0.0.5`. */
export function parsePrivateHosts(text: string): PrivateHosts {
  const hosts = text.split(",").map((host) => host.trim().toLowerCase());
  return new Set(hosts.filter((host) => host !== ""));
}

/** True for what is on the other side of a router to the internet. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  return !NOT_PUBLIC.check(address, family === 6 ? "ipv6" : "ipv4");
}

/**
 * Throws URL_INVALID for the address of a host that is not public and not among those of the user; names are looked at
 * by `lookupPublic`.
 */
export function assertPublicHost({ hostname }: Pick<URL, "hostname">, allowed: PrivateHosts): void {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0 && !isPublicAddress(host) && !allowed.has(host)) throw notPublic(host, host);
}

/**
 * Looks names up as a connection does, and refuses one that has an address that is not public: it is connected to what
 * was looked at, so that a name cannot lead elsewhere a moment later.
 */
export function lookupPublic(allowed: PrivateHosts): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [], 0);
      const bad = addresses.find(({ address }) => !isPublicAddress(address));
      const name = hostname.toLowerCase().replace(/\.$/, "");
      if (bad !== undefined && !allowed.has(name)) return callback(notPublic(name, bad.address), [], 0);
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

function notPublic(host: string, address: string): SmcError {
  const is = host === address ? `'${show(host, 100)}' is` : `'${show(host, 100)}' is ${show(address, 60)}:`;
  return new SmcError(
    "URL_INVALID",
    `${is} an address of this machine or of a private network; it was not asked`,
    {
      hint: `if this file may come from there: smc config set catalog.privateHosts ${show(host, 100)}`,
    },
  );
}
