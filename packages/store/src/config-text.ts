/** The text of a configuration file: one flat JSON object, read with the line of every entry. Pure. */
import { SmcError } from "./errors.ts";
import { show } from "./show.ts";

export const CONFIG_BYTES_MAX = 1024 * 1024;
const ENTRIES_MAX = 10_000;

export type ConfigValue = string | number | boolean;

export interface ConfigLine {
  readonly key: string;
  readonly value: ConfigValue;
  readonly line: number;
}

// oxlint-disable-next-line no-control-regex
const TOKEN = /[ \t\r]+|(\n)|("(?:[^"\\\u0000-\u001f]|\\.)*")|(-?\d[\d.eE+-]*|true|false|null)|([{}[\],:])/y;

interface Token {
  readonly text: string;
  readonly line: number;
}

/** Reads tokens one by one and knows the line it is on. */
class Scanner {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  line = 1;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  fail(why: string): SmcError {
    return new SmcError("CONFIG_INVALID", `'${show(this.#file)}', line ${this.line}: ${why}`, {
      hint: "correct the file; it is left as it is",
      details: { file: this.#file, line: this.line },
    });
  }

  /** Undefined at the end. */
  next(): Token | undefined {
    while (this.#at < this.#text.length) {
      TOKEN.lastIndex = this.#at;
      const match = TOKEN.exec(this.#text);
      if (match === null) throw this.fail(`'${show(this.#text.slice(this.#at, this.#at + 20))}' is not JSON`);
      this.#at = TOKEN.lastIndex;
      if (match[1] !== undefined) this.line += 1;
      else if (match[0].trim() !== "") return { text: match[0], line: this.line };
    }
    return undefined;
  }

  expect(wanted: string): void {
    const token = this.next();
    if (token?.text !== wanted) throw this.fail(`'${wanted}' expected, ${told(token)} found`);
  }

  /** The value of a JSON scalar. */
  scalar(token: Token | undefined): unknown {
    if (token === undefined || /^[{}[\],:]$/.test(token.text))
      throw this.fail(`a value expected, ${told(token)} found`);
    try {
      return JSON.parse(token.text) as unknown;
    } catch (error) {
      if (error instanceof SyntaxError) throw this.fail(`${told(token)} is not JSON`);
      throw error;
    }
  }
}

function told(token: Token | undefined): string {
  return token === undefined ? "the end of the file" : `'${show(token.text, 40)}'`;
}

/** Reads a configuration file. Throws CONFIG_INVALID with the line: not JSON, not flat, a key twice. */
export function parseConfigText(text: string, file: string): ConfigLine[] {
  const scanner = new Scanner(text, file);
  if (text.startsWith("\ufeff")) throw scanner.fail("a byte order mark");
  if (text.includes("\ufffd")) throw scanner.fail("not valid UTF-8");
  const lines = new Map<string, ConfigLine>();
  scanner.expect("{");
  let token = scanner.next();
  while (token?.text !== "}") {
    const key = scanner.scalar(token);
    if (typeof key !== "string") throw scanner.fail(`a key in quotes expected, ${told(token)} found`);
    if (lines.has(key)) throw scanner.fail(`'${show(key, 80)}' is there twice`);
    scanner.expect(":");
    const value = scanner.scalar(scanner.next());
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      throw scanner.fail(`'${show(key, 80)}' has no text, number, true or false`);
    }
    if (lines.size >= ENTRIES_MAX) throw scanner.fail(`more than ${ENTRIES_MAX} keys`);
    lines.set(key, { key, value, line: scanner.line });
    token = scanner.next();
    if (token?.text === ",") {
      token = scanner.next();
      if (token?.text === "}") throw scanner.fail("a comma before '}'");
    } else if (token?.text !== "}") throw scanner.fail(`',' or '}' expected, ${told(token)} found`);
  }
  const rest = scanner.next();
  if (rest !== undefined) throw scanner.fail(`${told(rest)} behind the end of the object`);
  return [...lines.values()];
}

/** The file that `parseConfigText` reads: keys in order, one a line. */
export function formatConfigText(entries: readonly { key: string; value: ConfigValue }[]): string {
  const sorted = [...entries].sort((a, b) => (a.key < b.key ? -1 : 1));
  const lines = sorted.map(({ key, value }) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return lines.length === 0 ? "{}\n" : `{\n${lines.join(",\n")}\n}\n`;
}
