/** JSON as the daemon reads and writes it: stricter than JSON.parse, and never long in one go. Pure. */
import { SmcError } from "@smc/store/errors";

export const NESTING_MAX = 64;
/** Elements of an array that are written as one piece. */
const PIECE_ELEMENTS = 500;
const POISONED = new Set(["__proto__", "constructor", "prototype"]);
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

function refuse(why: string): never {
  throw new SmcError("REQUEST_INVALID", `the request is not JSON as smc takes it: ${why}`);
}

/**
 * Reads one JSON document. Throws REQUEST_INVALID for what is no JSON or no UTF-8, and for what JSON.parse lets
 * through: a key twice, keys that name prototypes, more than 64 levels, numbers that would be rounded, lone surrogates.
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse("it is not UTF-8");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    return refuse(
      text === "" ? "it is empty" : `syntax error${position === undefined ? "" : ` at ${position}`}`,
    );
  }
  inspect(text);
  return value;
}

/** Walks a text that JSON.parse accepted. */
function inspect(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text.charCodeAt(at);
    if (character === 0x22) {
      at = inspectString(text, at, open.at(-1));
    } else if (character === 0x7b || character === 0x5b) {
      if (open.length === NESTING_MAX) refuse(`more than ${NESTING_MAX} levels at ${at}`);
      open.push(character === 0x7b ? new Set() : undefined);
      at += 1;
    } else if (character === 0x7d || character === 0x5d) {
      open.pop();
      at += 1;
    } else if (character === 0x2d || (character >= 0x30 && character <= 0x39)) {
      at = inspectNumber(text, at);
    } else {
      at += 1;
    }
  }
}

function inspectString(text: string, start: number, keys: Set<string> | undefined): number {
  let end = text.indexOf('"', start + 1);
  let escaped = false;
  while (isEscaped(text, end)) {
    escaped = true;
    end = text.indexOf('"', end + 1);
  }
  let raw = text.slice(start + 1, end);
  escaped ||= raw.includes("\\");
  if (escaped) {
    raw = String(JSON.parse(text.slice(start, end + 1)));
    if (!raw.isWellFormed()) refuse(`half of a surrogate pair at ${start}`);
  }
  if (keys !== undefined && isKey(text, end + 1)) {
    if (POISONED.has(raw)) refuse(`the key '${raw}' at ${start}`);
    if (keys.has(raw)) refuse(`a key twice at ${start}`);
    keys.add(raw);
  }
  return end + 1;
}

function isEscaped(text: string, quote: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(quote - 1 - slashes) === 0x5c) slashes += 1;
  return slashes % 2 === 1;
}

function isKey(text: string, after: number): boolean {
  let at = after;
  while (/\s/.test(text.charAt(at))) at += 1;
  return text.charAt(at) === ":";
}

function inspectNumber(text: string, start: number): number {
  NUMBER.lastIndex = start;
  const digits = NUMBER.exec(text)?.[0] ?? "";
  const value = Number(digits);
  const rounded = Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value);
  if (rounded) refuse(`the number at ${start} is too large`);
  return start + digits.length;
}

/** The text of a JSON value in pieces; long arrays, also inside objects, are cut so that no piece takes long. */
export function* jsonPieces(value: unknown): Generator<string> {
  if (Array.isArray(value) && value.length > PIECE_ELEMENTS) {
    yield "[";
    for (let at = 0; at < value.length; at += PIECE_ELEMENTS) {
      yield (at === 0 ? "" : ",") + JSON.stringify(value.slice(at, at + PIECE_ELEMENTS)).slice(1, -1);
    }
    yield "]";
  } else if (isPlain(value)) {
    yield "{";
    let first = true;
    for (const [key, inner] of Object.entries(value)) {
      if (inner === undefined) continue;
      yield `${first ? "" : ","}${JSON.stringify(key)}:`;
      yield* jsonPieces(inner);
      first = false;
    }
    yield "}";
  } else {
    yield JSON.stringify(value ?? null);
  }
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !("toJSON" in value);
}
