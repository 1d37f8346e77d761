/**
 * Which addresses somebody else may make this daemon ask: none of this machine, of private networks, or of what has no
 * network. Which its own user may not, unless they say so: those where a machine is told its keys.
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

/**
 * Where a machine of a cloud is told its own keys, by whoever asks from it: link-local addresses, and those of Alibaba
 * Cloud (100.100.100.200), Azure (168.63.129.16), AWS and Google Cloud over IPv6. Nothing that people run is there.
 */
const METADATA = new BlockList();
METADATA.addSubnet("169.254.0.0", 16, "ipv4");
METADATA.addAddress("100.100.100.200", "ipv4");
METADATA.addAddress("168.63.129.16", "ipv4");
METADATA.addSubnet("fe80::", 10, "ipv6");
METADATA.addSubnet("64:ff9b::a9fe:0", 112, "ipv6");
METADATA.addAddress("fd00:ec2::254", "ipv6");
METADATA.addAddress("fd20:ce::254", "ipv6");

/** Hosts that the user named, in lower case. */
export type PrivateHosts = ReadonlySet<string>;

/** None. */
export const NO_HOSTS: PrivateHosts = new Set();

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
  return lookupAllowed({ allowed, isAllowed: isPublicAddress, refusal: notPublic });
}

/** True for an address where a machine of a cloud is told its keys. */
export function isMetadataAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && METADATA.check(address, family === 6 ? "ipv6" : "ipv4");
}

/**
 * For addresses that only the user gives: the private network is theirs, but nobody means these. Throws URL_INVALID;
 * names are looked at by `lookupOutside`.
 */
export function assertOutsideHost({ hostname }: Pick<URL, "hostname">, allowed: PrivateHosts): void {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isMetadataAddress(host) && !allowed.has(host)) throw metadata(host, host);
}

/** As `lookupPublic`, for `assertOutsideHost`. */
export function lookupOutside(allowed: PrivateHosts): LookupFunction {
  return lookupAllowed({ allowed, isAllowed: (address) => !isMetadataAddress(address), refusal: metadata });
}

interface Looking {
  readonly allowed: PrivateHosts;
  readonly isAllowed: (address: string) => boolean;
  readonly refusal: (host: string, address: string) => SmcError;
}

function lookupAllowed({ allowed, isAllowed, refusal }: Looking): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [], 0);
      const bad = addresses.find(({ address }) => !isAllowed(address));
      const name = hostname.toLowerCase().replace(/\.$/, "");
      if (bad !== undefined && !allowed.has(name)) return callback(refusal(name, bad.address), [], 0);
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

function notPublic(host: string, address: string): SmcError {
  const why = "an address of this machine or of a private network";
  return refused({ host, address, why, key: "catalog.privateHosts", what: "this file may come from there" });
}

function metadata(host: string, address: string): SmcError {
  const why = "an address where machines are told their own keys";
  return refused({ host, address, why, key: "network.metadataHosts", what: "it is meant all the same" });
}

interface Refused {
  readonly host: string;
  readonly address: string;
  readonly why: string;
  /** The setting that allows it. */
  readonly key: string;
  readonly what: string;
}

function refused({ host, address, why, key, what }: Refused): SmcError {
  const is = host === address ? `'${show(host, 100)}' is` : `'${show(host, 100)}' is ${show(address, 60)}:`;
  return new SmcError("URL_INVALID", `${is} ${why}; it was not asked`, {
    hint: `if ${what}: smc config set ${key} ${show(host, 100)}`,
  });
}
