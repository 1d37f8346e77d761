import { PassThrough } from "node:stream";
import { isSmcError } from "@smc/store/errors";
import { expect, test } from "vitest";
import { typed } from "./secret.ts";

/** What `tty.ReadStream` is, as far as this needs it: a stream with a switch that shows or hides what is typed. */
class Terminal extends PassThrough {
  isRaw = false;
  wasShown = false;

  setRawMode(isRaw: boolean): void {
    this.isRaw = isRaw;
  }

  type(text: string): void {
    this.wasShown ||= !this.isRaw;
    this.write(text);
  }
}

async function ask(keys: readonly string[], controller = new AbortController()) {
  const terminal = new Terminal();
  const said: string[] = [];
  const prompt = (text: string): void => {
    said.push(text);
    if (text === "Token: ") for (const key of keys) terminal.type(key);
  };
  const outcome = await typed(terminal, "Token: ", { signal: controller.signal, prompt }).catch(
    (error: unknown) => error,
  );
  return { outcome, said, terminal };
}

test.for([
  [["abc\r"], "abc"],
  [["a", "b", "\n"], "ab"],
  [["abx\u007fc\r"], "abc"],
  [["\b\b\ba\r"], "a"],
  [["\u0004"], ""],
  [["abc\rrest"], "abc"],
] as const)("typed() reads the keys %j without showing them", async ([keys, text]) => {
  const { outcome, said, terminal } = await ask(keys);
  expect(outcome).toBe(text);
  expect(said).toEqual(["Token: ", "\n"]);
  expect(terminal).toMatchObject({ isRaw: false, wasShown: false });
});

test("typed() ends with Ctrl-C and with its signal, and leaves the terminal as it was", async () => {
  const controller = new AbortController();
  const typing = ask(["abc"], controller);
  setImmediate(() => controller.abort());
  const stopped = new AbortController();
  stopped.abort();
  for (const { outcome, terminal } of [await ask(["abc\u0003"]), await typing, await ask([], stopped)]) {
    expect(isSmcError(outcome, "CANCELED")).toBe(true);
    expect(terminal.isRaw).toBe(false);
  }
});
