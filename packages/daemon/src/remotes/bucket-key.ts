/** What keys of a bucket may be: names that every file system and every object store takes as they are. */
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
