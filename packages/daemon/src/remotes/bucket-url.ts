/** Addresses of folders and object stores: `file:///folder` and `s3://bucket/prefix?endpoint=…&region=…`. */
import { fileURLToPath } from "node:url";
import { isLoopback } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { isHidden, show } from "@smc/store/show";
import type { Bucket } from "./bucket.ts";
import { assertBucketPrefix } from "./bucket-key.ts";
import { assertUrlText, invalidUrl as invalid } from "./http-url.ts";
import { NO_HOSTS } from "./outside-addresses.ts";

const FILE = /^file:\/\/(\/[^?#]*)$/i;
const S3 = /^s3:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i;
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION = /^[a-z0-9][a-z0-9-]{0,62}$/;
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;
const QUERY_KEYS = ["endpoint", "region", "insecure"];

export interface FolderUrl {
  readonly kind: "file";
  readonly path: string;
  /** For people; without credentials. */
  readonly url: string;
}

export interface S3Url {
  readonly kind: "s3";
  readonly bucket: string;
  /** Empty, or keys' parts with a slash after each. */
  readonly prefix: string;
  /** Scheme, host and port; undefined is AWS. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** For people; without credentials. */
  readonly url: string;
}

export type BucketUrl = FolderUrl | S3Url;

/**
 * Reads an address and asks nobody. Throws URL_INVALID for everything but a folder of this machine and an S3
 * bucket without credentials in it; plain HTTP goes to this machine only, unless `insecure=1` says otherwise.
 */
export function parseBucketUrl(text: string): BucketUrl {
  assertUrlText(text);
  const file = FILE.exec(text)?.[1];
  if (file !== undefined) return parseFile(file);
  const s3 = S3.exec(text);
  if (s3 !== null) return parseS3({ bucket: s3[1] ?? "", path: s3[2] ?? "", query: s3[3] ?? "" });
  throw invalid(
    "it is none of file:///folder, s3://bucket/prefix and https://host/repository",
    /^[./~]/.test(text) ? "write a folder as file:// and its whole path: file:///mnt/nas/model" : undefined,
  );
}

/**
 * Opens what an address names; `metadataHosts` are those that may be asked although machines are told their keys there.
 * Throws what `parseBucketUrl` and the opening throw.
 */
export async function openBucket(at: string | BucketUrl, metadataHosts = NO_HOSTS): Promise<Bucket> {
  const url = typeof at === "string" ? parseBucketUrl(at) : at;
  if (url.kind === "file") {
    const { FolderBucket } = await import("./folder-bucket.ts");
    return FolderBucket.open(url);
  }
  const { S3Bucket } = await import("./s3-bucket.ts");
  return S3Bucket.open(url, { metadataHosts });
}

function parseFile(encoded: string): FolderUrl {
  let path: string;
  try {
    path = fileURLToPath(`file://${encoded}`);
  } catch (error) {
    // A wrong escape, or an escaped slash.
    if (!(error instanceof TypeError || error instanceof URIError)) throw error;
    throw invalid("its path has a wrong % escape");
  }
  if (isHidden(path)) throw invalid("its path has a control character");
  const folder = path.replace(/\/+$/, "");
  if (folder === "") throw invalid("the root of the file system is no remote");
  if (/(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i.test(encoded)) throw invalid("its path has '.' or '..' in it");
  return { kind: "file", path: folder, url: `file://${encoded.replace(/\/+$/, "")}` };
}

function parseS3({ bucket, path, query }: { bucket: string; path: string; query: string }): S3Url {
  if (bucket.includes("@") || bucket.includes(":")) throw invalid("a user, password or port stands in it");
  if (!BUCKET_NAME.test(bucket) || bucket.includes("..") || IPV4.test(bucket)) {
    throw invalid("the name of its bucket is none: 3 to 63 of a-z, 0-9, '.' and '-'");
  }
  const trimmed = path.replace(/\/$/, "");
  const prefix = trimmed === "" ? "" : `${trimmed}/`;
  assertPrefix(prefix);
  const { endpoint, region } = parseQuery(query);
  const shown = [
    ...(endpoint === undefined ? [] : [`endpoint=${endpoint}`]),
    ...(region === undefined ? [] : [`region=${region}`]),
  ];
  const url = `s3://${bucket}/${trimmed}${shown.length === 0 ? "" : `?${shown.join("&")}`}`;
  return { kind: "s3", bucket, prefix, endpoint, region, url };
}

function assertPrefix(prefix: string): void {
  try {
    assertBucketPrefix(prefix);
  } catch (error) {
    if (!(error instanceof SmcError) || error.code !== "PATH_INVALID") throw error;
    throw invalid("its path is not made of parts of A-Z, a-z, 0-9, '.', '_' and '-' that begin with no dot");
  }
}

function parseQuery(query: string): { endpoint: string | undefined; region: string | undefined } {
  const values = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (!QUERY_KEYS.includes(key)) throw invalid(`'${show(key, 50)}' is none of ${QUERY_KEYS.join(", ")}`);
    if (values.has(key)) throw invalid(`'${key}' stands in it twice`);
    values.set(key, value);
  }
  const region = values.get("region");
  if (region !== undefined && !REGION.test(region)) throw invalid("its region is none");
  const insecure = values.get("insecure");
  if (insecure !== undefined && insecure !== "1") throw invalid("insecure is 1 or absent");
  const endpoint = values.get("endpoint");
  if (endpoint === undefined) return { endpoint, region };
  return { endpoint: parseEndpoint(endpoint, insecure === "1"), region };
}

function parseEndpoint(text: string, isInsecure: boolean): string {
  if (isHidden(text) || text.includes("\\"))
    throw invalid("its endpoint has a control character or a backslash");
  if (!/^https?:\/\/[^/?#@]+\/?$/i.test(text) || !URL.canParse(text)) {
    throw invalid("its endpoint is not https://host:port, without user, path and query");
  }
  const { protocol, hostname, origin } = new URL(text);
  if (protocol === "http:" && !isInsecure && !isLoopback(hostname)) {
    throw new SmcError("URL_INVALID", `anyone can read and change what goes to ${show(origin, 200)}`, {
      hint: "use https, or add insecure=1 to the address",
    });
  }
  return origin;
}
