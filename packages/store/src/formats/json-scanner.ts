/**
 * Reads JSON (RFC 8259) from a file piece by piece: a header of 100 MB takes no more memory than what is asked of it.
 * Unlike JSON.parse it sees every key, also one that stands twice, and no number is rounded.
 */
import { type BoundedReader, decodeUtf8 } from "./bounded-reader.ts";

/** Values inside of values. */
const DEPTH_MAX = 128;
/** Strings of up to this many bytes are remembered, so that keys that repeat are made once. */
const REMEMBERED_BYTES_MAX = 16;
const REMEMBERED_MAX = 256;
const NUMBER_LENGTH_MAX = 400;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const LETTER_U = 0x75;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** What follows a backslash, and what it means. */
const ESCAPES = new Map(
  [`""`, `\\\\`, `//`, `b\b`, `f\f`, `n\n`, `r\r`, `t\t`].map((pair) => [
    pair.charCodeAt(0),
    pair.charCodeAt(1),
  ]),
);
const WORDS = ["true", "false", "null"];

/** Every method takes what it names from the cursor, or throws FILE_MALFORMED saying where. */
export class JsonScanner {
  readonly #reader: BoundedReader;
  readonly #end: number;
  readonly #remembered: string[] = [];
  #scratch = Buffer.alloc(256);
  #used = 0;
  #depth = 0;
  /** An object or a list was opened and nothing in it was taken yet. */
  #isFirst = false;

  /** `end`: offset after the JSON text. */
  constructor(reader: BoundedReader, end: number) {
    this.#reader = reader;
    this.#end = end;
  }

  /** The start of an object; then `key` and a value in turn, until there is no key. */
  openObject(): void {
    this.#enter(OPEN_OBJECT, "an object");
  }

  /** The next key of the object, of at most `bytesMax` bytes; undefined, and the object has ended. */
  key(bytesMax: number): string | undefined {
    if (!this.#goesOn(CLOSE_OBJECT)) return undefined;
    const key = this.string(bytesMax);
    this.#colon();
    return key;
  }

  /** The start of a list; then `item` and a value in turn, until there is no item. */
  openList(): void {
    this.#enter(OPEN_LIST, "a list");
  }

  /** False, and the list has ended, or an item follows. */
  item(): boolean {
    return this.#goesOn(CLOSE_LIST);
  }

  /** Text of at most `bytesMax` bytes of UTF-8. */
  string(bytesMax: number): string {
    if (this.#next() !== QUOTE) this.#wrong("a string");
    this.#used = 0;
    let all = 0;
    let hash = 0;
    for (;;) {
      const byte = this.#byte();
      if (byte === QUOTE) break;
      if (byte < 0x20) this.#wrong("no control character");
      all |= byte;
      hash = (hash * 31 + byte) | 0;
      if (byte === BACKSLASH) {
        this.#escape();
        all |= 0x80;
      } else {
        this.#keep(byte);
      }
      if (this.#used > bytesMax)
        this.#reader.fail(`a string of more than ${bytesMax} bytes before ${this.#reader.offset}`);
    }
    if (all < 0x80) return this.#ascii(hash & (REMEMBERED_MAX - 1));
    const text = decodeUtf8(this.#scratch.subarray(0, this.#used));
    return text ?? this.#reader.fail(`a string before ${this.#reader.offset} is not UTF-8`);
  }

  /** A whole number that JavaScript holds exactly. */
  integer(): number {
    let byte = this.#next();
    const isNegative = byte === MINUS;
    if (isNegative) byte = this.#byte();
    if (!isDigit(byte)) this.#wrong("a whole number");
    let value = byte - ZERO;
    for (let next = this.#peek(); isDigit(next); next = this.#peek()) {
      if (value === 0) this.#wrong("no number with a zero in front", 0);
      value = value * 10 + (next - ZERO);
      if (value > Number.MAX_SAFE_INTEGER) this.#wrong("a number below 2^53", 0);
      this.#byte();
    }
    if (isInFraction(this.#peek())) this.#wrong("a whole number", 0);
    return isNegative ? -value : value;
  }

  /** Any finite number. */
  number(): number {
    let text = String.fromCharCode(this.#next());
    for (
      let next = this.#peek();
      isDigit(next) || "+-.eE".includes(String.fromCharCode(next));
      next = this.#peek()
    ) {
      text += String.fromCharCode(this.#byte());
      if (text.length > NUMBER_LENGTH_MAX) break;
    }
    const value = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isFinite(value)) this.#wrong("a number");
    return value;
  }

  /** True when the next value begins with this character: `{`, `[`, `"`. */
  startsWith(character: string): boolean {
    this.#space();
    return this.#peek() === character.charCodeAt(0);
  }

  /** Passes over a value of any kind. */
  skip(): void {
    this.#space();
    const byte = this.#peek();
    if (byte === OPEN_OBJECT) {
      this.openObject();
      while (this.#goesOn(CLOSE_OBJECT)) {
        this.skipString();
        this.#colon();
        this.skip();
      }
    } else if (byte === OPEN_LIST) {
      this.openList();
      while (this.item()) this.skip();
    } else if (byte === QUOTE) this.skipString();
    else if (byte === MINUS || isDigit(byte)) this.number();
    else this.#word();
  }

  /** Passes over text of any length. */
  skipString(): void {
    if (this.#next() !== QUOTE) this.#wrong("a string");
    let following = 0;
    for (;;) {
      const byte = this.#byte();
      if (following > 0) {
        if ((byte & 0xc0) !== 0x80) this.#wrong("UTF-8");
        following -= 1;
      } else if (byte === QUOTE) return;
      else if (byte < 0x20) this.#wrong("no control character");
      else if (byte === BACKSLASH) {
        this.#used = 0;
        this.#escape();
      } else if (byte >= 0x80) {
        if (byte < 0xc2 || byte > 0xf4) this.#wrong("UTF-8");
        following = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
      }
    }
  }

  /** Throws unless only white space is left. */
  finish(): void {
    this.#space();
    if (this.#reader.offset < this.#end)
      this.#reader.fail(`something follows the JSON at ${this.#reader.offset}`);
  }

  #enter(bracket: number, what: string): void {
    if (this.#next() !== bracket) this.#wrong(what);
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) this.#reader.fail(`values nested deeper than ${DEPTH_MAX}`);
    this.#isFirst = true;
  }

  #goesOn(bracket: number): boolean {
    this.#space();
    const next = this.#peek();
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (next === bracket) {
      this.#byte();
      this.#depth -= 1;
      return false;
    }
    if (isFirst) return true;
    if (next !== COMMA) this.#wrong("a comma or an end", 0);
    this.#byte();
    return true;
  }

  #colon(): void {
    if (this.#next() !== COLON) this.#wrong("a colon");
  }

  #word(): void {
    const first = this.#peek();
    const word = WORDS.find((known) => known.charCodeAt(0) === first) ?? this.#wrong("a value", 0);
    for (const letter of word) if (this.#byte() !== letter.charCodeAt(0)) this.#wrong("a value");
  }

  /** The scratch as text, or the same text made before. */
  #ascii(slot: number): string {
    if (this.#used > REMEMBERED_BYTES_MAX) return this.#scratch.toString("latin1", 0, this.#used);
    const known = this.#remembered[slot];
    if (known !== undefined && this.#isScratch(known)) return known;
    const text = this.#scratch.toString("latin1", 0, this.#used);
    this.#remembered[slot] = text;
    return text;
  }

  #isScratch(text: string): boolean {
    if (text.length !== this.#used) return false;
    for (let index = 0; index < this.#used; index += 1)
      if (text.charCodeAt(index) !== this.#scratch[index]) return false;
    return true;
  }

  #escape(): void {
    const letter = this.#byte();
    const plain = ESCAPES.get(letter);
    if (plain !== undefined) return this.#keep(plain);
    if (letter !== LETTER_U) this.#wrong("an escape");
    let code = this.#hex();
    if (code >= 0xd800 && code < 0xdc00) {
      const isPair = this.#byte() === BACKSLASH && this.#byte() === LETTER_U;
      const low = isPair ? this.#hex() : 0;
      if (low < 0xdc00 || low > 0xdfff) this.#wrong("the other half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) this.#wrong("no half of a surrogate pair");
    for (const byte of Buffer.from(String.fromCodePoint(code))) this.#keep(byte);
  }

  #hex(): number {
    let code = 0;
    for (let digits = 0; digits < 4; digits += 1) {
      const value = Number.parseInt(String.fromCharCode(this.#byte()), 16);
      if (Number.isNaN(value)) this.#wrong("four hex digits");
      code = code * 16 + value;
    }
    return code;
  }

  #keep(byte: number): void {
    if (this.#used === this.#scratch.length) {
      const larger = Buffer.alloc(this.#used * 2);
      larger.set(this.#scratch);
      this.#scratch = larger;
    }
    this.#scratch[this.#used] = byte;
    this.#used += 1;
  }

  #space(): void {
    for (;;) {
      const byte = this.#peek();
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#byte();
    }
  }

  #next(): number {
    this.#space();
    return this.#byte();
  }

  #peek(): number {
    return this.#reader.offset < this.#end ? this.#reader.peek() : -1;
  }

  #byte(): number {
    if (this.#reader.offset >= this.#end) this.#reader.fail("the JSON ends in the middle");
    return this.#reader.u8();
  }

  /** The byte before the cursor is not what belongs there. */
  #wrong(expected: string, back = 1): never {
    return this.#reader.fail(`expected ${expected} in the JSON at ${this.#reader.offset - back}`);
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** True for what makes a whole number a fraction. */
function isInFraction(byte: number): boolean {
  return byte === 0x2e || byte === 0x65 || byte === 0x45;
}
