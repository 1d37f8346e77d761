/** Reads objects that something in the store names: when one is absent, the store is damaged. */
import type { Digest } from "./objects/digest.ts";
import { isSmcError, SmcError } from "./errors.ts";
import type { ObjectStore } from "./store.ts";

/** Throws OBJECT_MISSING where `read` throws OBJECT_NOT_FOUND; else as `read`. */
export async function readNamed(
  objects: Pick<ObjectStore, "read">,
  digest: Digest,
  kind: "tree" | "commit" | "tag",
): Promise<Uint8Array> {
  try {
    return await objects.read(digest, kind);
  } catch (error) {
    if (!isSmcError(error, "OBJECT_NOT_FOUND")) throw error;
    throw new SmcError("OBJECT_MISSING", `${kind} ${digest} is named by the store, but not in it`, {
      cause: error,
      details: { digest },
    });
  }
}
