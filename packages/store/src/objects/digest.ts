/** The names of objects: SHA-256 as 64 lower-case hex digits, or the same as a CIDv1 (multiformats). */
import { createHash } from "node:crypto";
import { CID } from "multiformats/cid";
import { create as createMultihash } from "multiformats/hashes/digest";
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";

declare const brand: unique symbol;
/** 64 lower-case hex digits. The only constructors are in this file. */
export type Digest = string & { readonly [brand]: "Digest" };

export const DIGEST_BYTES = 32;
const HEX = /^[0-9a-f]{64}$/;
const SHA2_256 = 0x12;
const RAW = 0x55;
const DAG_CBOR = 0x71;

export function isDigest(text: string): text is Digest {
  return HEX.test(text);
}

/** Reads 64 hex digits, `sha256:<hex>` or a CIDv1 of SHA-256. Throws DIGEST_INVALID. */
export function parseDigest(text: string): Digest {
  const hex = text.startsWith("sha256:") ? text.slice(7) : text;
  if (isDigest(hex)) return hex;
  const fromCid = hex === text ? parseCid(text) : undefined;
  if (fromCid !== undefined) return fromCid;
  throw new SmcError("DIGEST_INVALID", `'${show(text, 100)}' is not a digest`);
}

/** The digest that a CIDv1 names, or undefined when the text is no such CID. */
export function parseCid(text: string): Digest | undefined {
  if (text.length < 40 || text.length > 128 || !/^[bzfFkKmuU][A-Za-z0-9+/_=-]+$/.test(text)) {
    return undefined;
  }
  let cid: CID;
  try {
    cid = CID.parse(text);
  } catch {
    return undefined;
  }
  const wanted = cid.version === 1 && (cid.code === RAW || cid.code === DAG_CBOR);
  if (!wanted || cid.multihash.code !== SHA2_256) return undefined;
  return digestFromBytes(cid.multihash.digest);
}

/** CIDv1 of a digest: codec raw (0x55) for blobs and chunks, dag-cbor (0x71) for everything else. */
export function formatCid(digest: Digest, kind: string): string {
  const codec = kind === "blob" || kind === "chunk" ? RAW : DAG_CBOR;
  return CID.createV1(codec, createMultihash(SHA2_256, digestToBytes(digest))).toString();
}

export function hashBytes(bytes: Uint8Array): Digest {
  return createHash("sha256").update(bytes).digest("hex") as Digest;
}

export function digestFromBytes(bytes: Uint8Array): Digest {
  if (bytes.length !== DIGEST_BYTES) {
    throw new SmcError("DIGEST_INVALID", `a digest has 32 bytes, not ${bytes.length}`);
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex") as Digest;
}

export function digestToBytes(digest: Digest): Uint8Array {
  return Buffer.from(digest, "hex");
}
