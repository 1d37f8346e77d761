/** A warning about model files that are not named by `name.pattern`. */
import { show } from "@smc/store/show";
import type { Output } from "./output.ts";

const SHOWN_MAX = 5;

export function warnOfNames(paths: readonly string[], out: Output): void {
  for (const path of paths.slice(0, SHOWN_MAX))
    out.warn(`'${show(path, 300)}' is not named by name.pattern; see "smc name suggest"`);
  if (paths.length > SHOWN_MAX) out.warn(`so are ${paths.length - SHOWN_MAX} more`);
}
