/** Asking for what nobody may see: never a word of the command line, never shown. */
import type { Readable } from "node:stream";
import { SmcError } from "@smc/store/errors";
import { readText } from "./input.ts";

const LENGTH_MAX = 4096;
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";

interface SecretSettings {
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Writes to the terminal, not to what the command prints. */
  readonly prompt: (text: string) => void;
}

/**
 * What is typed on a terminal, without showing it; else the one line of standard input. Throws USAGE for no line or
 * several, LIMIT_EXCEEDED, CANCELED.
 */
export async function readSecret(question: string, settings: SecretSettings): Promise<string> {
  if (process.stdin.isTTY) return typed(process.stdin, question, settings);
  const { folder, signal } = settings;
  const text = (await readText("-", { folder, signal, bytesMax: LENGTH_MAX })).replace(/\r?\n$/, "");
  if (text !== "" && !/[\r\n]/.test(text)) return text;
  throw new SmcError("USAGE", `standard input has ${text === "" ? "nothing in it" : "several lines"}`, {
    hint: "give it one line, or run the command on a terminal",
  });
}

/** What is typed up to the end of the line, none of it shown. Throws CANCELED for Ctrl-C. */
export function typed(
  terminal: Readable & { setRawMode(isRaw: boolean): unknown },
  question: string,
  { signal, prompt }: Pick<SecretSettings, "signal" | "prompt">,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const end = (): void => {
      signal.removeEventListener("abort", cancel);
      terminal.off("data", take);
      terminal.setRawMode(false);
      terminal.pause();
      prompt("\n");
    };
    const cancel = (): void => {
      end();
      reject(new SmcError("CANCELED", "interrupted"));
    };
    const take = (piece: string): void => {
      for (const character of piece) {
        if (character === CTRL_C) return cancel();
        if (character === "\r" || character === "\n" || character === CTRL_D) {
          end();
          return resolve(text);
        }
        if (character === "\u007f" || character === "\b") text = text.slice(0, -1);
        else if (text.length < LENGTH_MAX) text += character;
      }
    };
    if (signal.aborted) return reject(new SmcError("CANCELED", "interrupted"));
    signal.addEventListener("abort", cancel, { once: true });
    // Before the question, so that nothing typed early is shown.
    terminal.setRawMode(true);
    terminal.setEncoding("utf8").on("data", take);
    prompt(question);
  });
}
