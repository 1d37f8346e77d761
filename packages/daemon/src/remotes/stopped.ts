/** How work on a remote ends when the caller goes away. */
import type { Call } from "@smc/store";
import { SmcError } from "@smc/store/errors";

export function stopped(): SmcError {
  return new SmcError("CANCELED", "stopped on request");
}

/** Throws CANCELED when the caller went away. */
export function throwIfStopped(call: Call): void {
  if (call.signal.aborted) throw stopped();
}
