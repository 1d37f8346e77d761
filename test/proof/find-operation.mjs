/** All operations, by their names. */
import { FILE_OPERATIONS } from "./file-operations.mjs";
import { OPERATIONS } from "./operations.mjs";

/** The operation of this name. */
export function operationOf(name) {
  const found = [...OPERATIONS, ...FILE_OPERATIONS].find((operation) => operation.name === name);
  if (found === undefined) throw new Error(`there is no operation '${name}'`);
  return found;
}
