/**
 * The only file that prints. stdout gets the answer and nothing else; progress, hints and errors go to stderr.
 * Control characters in text from outside are shown, never sent to the terminal.
 */
import type { Progress } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { isHidden, show } from "@smc/store/show";
import { createProgressView, cutTo, type ProgressStyle } from "./progress.ts";

const COLUMNS_DEFAULT = 80;
const SGR = {
  bold: "1",
  dim: "2",
  red: "31",
  green: "32",
  yellow: "33",
  cyan: "36",
} as const;
export type Colour = keyof typeof SGR;

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];
const SHADES = [" ", "░", "▒", "▓", "█"];

/** What the environment and the global options ask for. */
export interface OutputSettings {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: boolean;
  /** Undefined: a bar on a terminal, lines elsewhere. */
  readonly progress: ProgressStyle | undefined;
}

/** What a command prints with. */
export interface Output {
  /** Columns of the terminal, or 80. */
  readonly columns: number;
  /** One line of the answer. Printed when the command has ended. */
  line(text?: string): void;
  /** The text in a colour when stdout takes colours. */
  paint(colour: Colour, text: string): string;
  /**
   * One character with an upper half of one colour and a lower half of another; shades where stdout takes no colours.
   */
  halves(upper: Rgb, lower: Rgb): string;
  /** Bytes of the answer, at once; waits for a slow reader. Throws CANCELED (broken pipe), DISK_FULL, IO_FAILED. */
  bytes(chunk: Uint8Array): Promise<void>;
  /** One line of advice on stderr; nothing with --quiet. */
  hint(text: string): void;
  /** One line on stderr that tells what may be wrong. */
  warn(text: string): void;
}

/** `stdout` was closed by its reader: the command ends quietly with 141. */
export class BrokenPipe extends Error {}

// oxlint-disable-next-line no-control-regex
const PAINT = /(\u001b\[[0-9;]*m)/;
const HIDDEN_IN_JSON =
  /[\u007f-\u009f\u00ad\u061c\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Shows what must not reach a terminal; keeps line feeds, tabs, and the colours that `paint` put in. */
function clean(text: string, painted: boolean): string {
  const shown = (part: string): string => (isHidden(part) ? show(part, Number.MAX_SAFE_INTEGER, true) : part);
  if (!painted) return shown(text);
  return text
    .split(PAINT)
    .map((part, position) => (position % 2 === 1 ? part : shown(part)))
    .join("");
}

/** One JSON document; characters that a terminal would hide or obey are written as escapes. */
export function formatJson(data: unknown, indent: boolean): string {
  const text = JSON.stringify(data ?? null, null, indent ? 2 : 0);
  return text.replace(
    HIDDEN_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function takesColour(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, TERM } = process.env;
  return stream.isTTY && (NO_COLOR ?? "") === "" && TERM !== "dumb";
}

function progressStyle(settings: OutputSettings): ProgressStyle {
  if (settings.quiet) return "none";
  if (settings.progress !== undefined) return settings.progress;
  return process.stderr.isTTY && process.env["TERM"] !== "dumb" ? "fancy" : "plain";
}

/** A write to stdout failed. EPIPE is not an error of the command. */
function writeFault(error: NodeJS.ErrnoException): Error {
  if (error.code === "EPIPE") return new BrokenPipe();
  const code = error.code === "ENOSPC" || error.code === "EDQUOT" ? "DISK_FULL" : "IO_FAILED";
  const why = code === "DISK_FULL" ? "no space left on the device" : `I/O error ${error.code ?? "unknown"}`;
  return new SmcError(code, `cannot write to standard output: ${why}`, { cause: error });
}

/** Everything the process prints in its life. `flush` sends the collected lines. */
export class Printer implements Output {
  readonly columns: number;
  readonly #settings: OutputSettings;
  readonly #colours: boolean;
  readonly #colourErrors: boolean;
  readonly #style: ProgressStyle;
  readonly #view: ReturnType<typeof createProgressView>;
  #lines: string[] = [];
  #drawn = false;

  constructor(settings: OutputSettings) {
    this.#settings = settings;
    this.#colours = settings.color && takesColour(process.stdout);
    this.#colourErrors = settings.color && takesColour(process.stderr);
    this.#style = progressStyle(settings);
    this.columns = process.stdout.columns > 0 ? process.stdout.columns : COLUMNS_DEFAULT;
    const width = process.stderr.columns > 0 ? process.stderr.columns : COLUMNS_DEFAULT;
    this.#view = createProgressView(this.#style, width);
    // A write that fails also emits an error; the callback of the write reports it.
    process.stdout.on("error", () => undefined);
    process.stderr.on("error", () => undefined);
  }

  line(text = ""): void {
    this.#lines.push(clean(text, this.#colours));
  }

  paint(colour: Colour, text: string): string {
    return this.#colours && text !== "" ? `\u001b[${SGR[colour]}m${text}\u001b[0m` : text;
  }

  halves(upper: Rgb, lower: Rgb): string {
    if (this.#colours) return `\u001b[38;2;${upper.join(";")}m\u001b[48;2;${lower.join(";")}m▀\u001b[0m`;
    const mean = [...upper, ...lower].reduce((sum, value) => sum + value, 0) / 6;
    return SHADES[Math.min(SHADES.length - 1, Math.floor((mean / 256) * SHADES.length))] ?? " ";
  }

  json(data: unknown): void {
    this.#lines.push(formatJson(data, process.stdout.isTTY));
  }

  jsonLine(data: unknown): void {
    this.#lines.push(formatJson(data, false));
  }

  text(text: string): Promise<void> {
    return text === "" ? Promise.resolve() : this.bytes(Buffer.from(clean(text, false)));
  }

  bytes(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      process.stdout.write(chunk, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(writeFault(error));
      });
    });
  }

  /** Sends the lines to stdout. Throws BrokenPipe, DISK_FULL, IO_FAILED. */
  async flush(): Promise<void> {
    this.endProgress();
    const lines = this.#lines;
    this.#lines = [];
    if (lines.length > 0) await this.bytes(Buffer.from(`${lines.join("\n")}\n`));
  }

  progress(progress: Progress): void {
    const text = this.#view.next(progress, performance.now());
    if (text === undefined) return;
    if (this.#style !== "fancy") return this.#error(text);
    process.stderr.write(`\r\u001b[K${clean(text, false)}`);
    this.#drawn = true;
  }

  /** True on a terminal that takes bars. */
  get redraws(): boolean {
    return this.#style === "fancy" && process.stdout.isTTY;
  }

  /** A line that the next one takes the place of, and that `flush` takes away; cut to the terminal. */
  draw(text: string): void {
    const width = process.stderr.columns > 0 ? process.stderr.columns : COLUMNS_DEFAULT;
    process.stderr.write(`\r\u001b[K${clean(cutTo(text, width - 1), false)}`);
    this.#drawn = true;
  }

  /** Takes the bar off the terminal. */
  endProgress(): void {
    if (this.#drawn) process.stderr.write("\r\u001b[K");
    this.#drawn = false;
  }

  /** A question on stderr, without an end of line. */
  prompt(text: string): void {
    this.endProgress();
    process.stderr.write(clean(text, false));
  }

  hint(text: string): void {
    if (!this.#settings.quiet) this.#error(`hint: ${text}`);
  }

  warn(text: string): void {
    this.endProgress();
    this.#error(`${this.#paintError("yellow", "warning:")} ${text}`);
  }

  /** `error: …` and `hint: …` on stderr; with --json the error object on stdout too. */
  error(error: SmcError, options: { verbose: boolean }): void {
    this.endProgress();
    this.#lines = [];
    this.#error(`${this.#paintError("red", "error:")} ${show(error.message, Number.MAX_SAFE_INTEGER, true)}`);
    if (error.hint !== undefined) this.#error(`hint: ${error.hint}`);
    if (options.verbose) this.#error(`code: ${error.code} ${formatJson(error.details, false)}`);
    if (this.#settings.json) this.json({ error: error.toJSON() });
  }

  #paintError(colour: Colour, text: string): string {
    return this.#colourErrors ? `\u001b[${SGR[colour]}m${text}\u001b[0m` : text;
  }

  #error(text: string): void {
    process.stderr.write(`${clean(text, this.#colourErrors)}\n`);
  }
}
