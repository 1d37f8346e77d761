/** Verbs that change something at once, and ask only where something that was set is replaced. */
import { isSmcError } from "@smc/store/errors";
import type { CommandContext } from "./command.ts";

interface Asking<Data> {
  readonly call: (more: { answer?: "plan" | "yes" | "no" }) => Promise<Data>;
  /** What would change, of an answer to "plan". */
  readonly tell: (data: Data) => string[];
}

/** The answer of the verb, after a question where it throws CONFIRMATION_NEEDED; --yes answers. */
export async function callOrAsk<Data>(
  { confirm }: Pick<CommandContext, "confirm">,
  { call, tell }: Asking<Data>,
): Promise<Data> {
  try {
    return await call({});
  } catch (error) {
    if (!isSmcError(error, "CONFIRMATION_NEEDED")) throw error;
    return confirm<Data>({ ask: (answer) => call({ answer }), tell });
  }
}
