/** Names of files that smc puts into the folders of model files. Pure. */
import { SmcError } from "../errors.ts";
import { assertPath } from "../objects/names.ts";
import { show } from "../show.ts";

/**
 * Throws PATH_INVALID for what is no plain name: `/` in it, `.` in front, or `.json` behind, which is the end of
 * records.
 */
export function assertFileName(name: string): void {
  if (!name.includes("/") && !name.startsWith(".") && !name.endsWith(".json")) {
    assertPath(name, { allowNonportable: true });
    return;
  }
  throw new SmcError("PATH_INVALID", `'${show(name, 80)}' is no name for a model file; nothing was changed`, {
    hint: "a name has no '/', does not start with '.' and does not end with .json",
  });
}
