import type { Output } from "./output.ts";

/** For work on files that the audit log could not take. */
export function hintUnrecorded(isDone: boolean, recorded: boolean, out: Output): void {
  if (isDone && !recorded)
    out.hint('the audit log does not have it: the store takes no writes, see "smc doctor"');
}
