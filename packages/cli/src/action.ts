import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

/** The first word of a verb that can do several things. Throws ARGUMENT_INVALID. */
export function parseAction<A extends string>(verb: string, actions: readonly A[], word: string): A {
  const action = actions.find((known) => known === word);
  if (action !== undefined) return action;
  throw new SmcError("ARGUMENT_INVALID", `${verb}: '${show(word, 80)}' is not one of ${actions.join(", ")}`);
}
