/**
 * What keys of a bucket may be, and where a pack and its index lie: names that every file system and every object store
 * takes as they are.
 */
import { randomBytes } from "node:crypto";
import { type Digest, isDigest } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

const KEY_LENGTH_MAX = 512;
const PART = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}";
const KEY = new RegExp(`^${PART}(?:/${PART})*$`);
const PREFIX = new RegExp(`^(?:${PART}/)*(?:${PART})?$`);

export function isBucketKey(text: string): boolean {
  return text.length <= KEY_LENGTH_MAX && KEY.test(text);
}

/** Throws PATH_INVALID. */
export function assertBucketKey(key: string): void {
  if (isBucketKey(key)) return;
  throw new SmcError("PATH_INVALID", `'${show(key, 100)}' is no key of a bucket; nothing was changed`);
}

/** The beginning of a key, possibly all of it or nothing. Throws PATH_INVALID. */
export function assertBucketPrefix(prefix: string): void {
  if (prefix.length <= KEY_LENGTH_MAX && PREFIX.test(prefix)) return;
  throw new SmcError("PATH_INVALID", `'${show(prefix, 100)}' is no beginning of a key of a bucket`);
}

/** A pack as it lies in a bucket: no other pack is ever stored by its key, not even the same one again. */
export interface StoredPack {
  readonly name: Digest;
  /** 16 random hex digits. */
  readonly id: string;
}

export const PACKS = "packs/";
export const INDEX = "index/";

export function newPackId(): string {
  return randomBytes(8).toString("hex");
}

export function isPackId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

export function packKey({ name, id }: StoredPack): string {
  return `${PACKS}${name.slice(0, 2)}/${name}-${id}.pack`;
}

/** Undefined for a key that is none of a pack. */
export function parsePackKey(key: string): StoredPack | undefined {
  const [, name = "", id = ""] = /^packs\/[0-9a-f]{2}\/([0-9a-f]{64})-([0-9a-f]{16})\.pack$/.exec(key) ?? [];
  return isDigest(name) && key === packKey({ name, id }) ? { name, id } : undefined;
}

/** It says which pack it is about, and what its own bytes must be. */
export function indexKey({ name, id }: StoredPack, hash: Digest): string {
  return `${INDEX}${name}-${hash}-${id}`;
}

/** Undefined for a key that is none of an index. */
export function parseIndexKey(key: string): (StoredPack & { readonly hash: Digest }) | undefined {
  const [name = "", hash = "", id = "", ...more] = key.slice(INDEX.length).split("-");
  const isKey =
    key.startsWith(INDEX) && more.length === 0 && isDigest(name) && isDigest(hash) && isPackId(id);
  return isKey ? { name, hash, id } : undefined;
}
