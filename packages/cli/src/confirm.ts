/** Asking before what is live changes. */
import { createInterface } from "node:readline/promises";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Change } from "./command.ts";

interface Terminal {
  readonly signal: AbortSignal;
  /** Writes to the terminal, not to what the command prints. */
  readonly prompt: (text: string) => void;
}

/** As `CommandContext.confirm`, for who did not say --yes. */
export async function confirmed<Data>(change: Change<Data>, terminal: Terminal): Promise<Data> {
  const plan = await change.ask("plan");
  const lines = change.tell(plan);
  if (lines.length === 0) return plan;
  const told = lines.map((line) => `${show(line, 1000)}\n`).join("");
  if (!process.stdin.isTTY) {
    await change.ask("no", plan);
    throw new SmcError(
      "CONFIRMATION_NEEDED",
      `there is no terminal to ask on; nothing was changed\n${told.trimEnd()}`,
    );
  }
  terminal.prompt(told);
  if (await isYes(terminal)) return change.ask("yes", plan);
  await change.ask("no", plan);
  throw new SmcError("CONFIRMATION_DECLINED", "declined; nothing was changed");
}

/** Whatever is not "y" or "yes" is no; so is the end of the input. */
async function isYes({ signal, prompt }: Terminal): Promise<boolean> {
  prompt("Proceed? [y/N] ");
  const lines = createInterface({ input: process.stdin, signal });
  try {
    for await (const line of lines) return /^\s*y(es)?\s*$/i.test(line);
    if (signal.aborted) throw new SmcError("CANCELED", "interrupted");
    return false;
  } finally {
    lines.close();
  }
}
