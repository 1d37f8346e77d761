/** Where HEAD went, for people. */
import type { SwitchResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatCount, shortDigest } from "./format.ts";
import type { Output } from "./output.ts";

export function printSwitch(data: SwitchResult, out: Output): void {
  const at = data.digest === null ? "no commits yet" : shortDigest(data.digest);
  if (data.branch === null) out.line(`HEAD is now at ${at}`);
  else out.line(`Switched to ${data.created ? "a new " : ""}branch '${show(data.branch, 300)}' (${at})`);
  if (data.written + data.removed > 0) {
    out.line(`${formatCount(data.written, "file")} written, ${data.removed} removed`);
  }
  if (data.note !== null) out.hint(show(data.note));
}
