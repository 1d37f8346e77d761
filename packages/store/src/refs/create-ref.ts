/** Moves one ref under the store's rules about names; says "exists" also when another process was faster. */
import { isSmcError, type SmcError } from "../errors.ts";
import type { Repository } from "../repository.ts";
import { refPolicy } from "./ref-policy.ts";
import type { RefChange, RefReason } from "./refs.ts";

/** Throws what `refs.update` throws, and `alreadyExists` when a ref that was absent a moment ago is there now. */
export async function createRef(
  repository: Repository,
  change: RefChange,
  reason: RefReason,
  alreadyExists: () => SmcError,
): Promise<void> {
  try {
    await repository.store.refs.update(repository.name, [change], reason, await refPolicy(repository));
  } catch (error) {
    throw change.from === "absent" && isSmcError(error, "REF_CHANGED") ? alreadyExists() : error;
  }
}
