/** Symbolic links of a checkout: the option that allows them, and which were left out. */
import { show } from "@smc/store/show";
import type { Output } from "./output.ts";
import type { OptionSpec } from "./words.ts";

const HINTS_MAX = 5;

export const SYMLINKS = {
  type: "choice",
  choices: ["never", "safe"],
  summary: "make symbolic links: never, or those that stay inside (checkout.symlinks)",
} as const satisfies OptionSpec;

export function hintSkipped(
  links: readonly { readonly path: string; readonly reason: string }[],
  out: Output,
): void {
  for (const { path, reason } of links.slice(0, HINTS_MAX))
    out.hint(`link '${show(path)}' was not made: ${show(reason)}`);
  if (links.length > HINTS_MAX) out.hint(`${links.length - HINTS_MAX} more links were not made`);
}
