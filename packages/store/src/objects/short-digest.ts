/** The shortest form of a digest that still names one object. */
import type { Digest } from "./digest.ts";
import { SmcError } from "../errors.ts";
import type { Store } from "../store.ts";

const DIGITS_MIN = 4;
const DIGITS_MAX = 64;

/** At least `digits` digits, and as many as it takes to tell the object from all others. Throws ARGUMENT_INVALID. */
export async function shortenDigest(store: Store, digest: Digest, digits = 7): Promise<string> {
  if (!Number.isInteger(digits) || digits < DIGITS_MIN || digits > DIGITS_MAX) {
    throw new SmcError(
      "ARGUMENT_INVALID",
      `${digits} digits: a short digest has ${DIGITS_MIN} to ${DIGITS_MAX}`,
    );
  }
  for (let length = digits; length < DIGITS_MAX; length += 1) {
    const found = await store.objects.findPrefix(digest.slice(0, length), 2);
    if (found.length < 2) return digest.slice(0, length);
  }
  return digest;
}
