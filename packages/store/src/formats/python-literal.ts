/** The few Python literals that NumPy writes into headers: text, whole numbers, True, False, tuples, lists, dicts. */

export type Literal =
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "tuple" | "list"; readonly items: readonly Literal[] }
  | { readonly kind: "dict"; readonly entries: readonly { key: string; value: Literal }[] };

const DEPTH_MAX = 32;

interface Cursor {
  readonly text: string;
  readonly fail: (problem: string) => never;
  at: number;
}

/**
 * Parses the whole of `text`; nothing is evaluated. Calls `fail` for anything else than literals, for a key that is
 * there twice, and below DEPTH_MAX levels.
 */
export function parseLiteral(text: string, fail: (problem: string) => never): Literal {
  const cursor: Cursor = { text, fail, at: 0 };
  const literal = parseValue(cursor, 0);
  skipSpace(cursor);
  if (cursor.at !== text.length) fail(`something after the literal at ${cursor.at}`);
  return literal;
}

function skipSpace(cursor: Cursor): void {
  while (/[ \n\t]/.test(cursor.text[cursor.at] ?? "")) cursor.at += 1;
}

/** The match of a sticky pattern at the cursor, which moves behind it. */
function take(cursor: Cursor, pattern: RegExp): string | undefined {
  skipSpace(cursor);
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0];
  if (found !== undefined) cursor.at += found.length;
  return found;
}

function parseValue(cursor: Cursor, depth: number): Literal {
  if (depth > DEPTH_MAX) cursor.fail(`literals nested deeper than ${DEPTH_MAX}`);
  const quote = take(cursor, /'[^'\\\n]*'|"[^"\\\n]*"/y);
  if (quote !== undefined) return { kind: "text", value: quote.slice(1, -1) };
  const digits = take(cursor, /-?\d{1,20}(?!\d)L?/y);
  if (digits !== undefined) return { kind: "int", value: Number.parseInt(digits, 10) };
  const word = take(cursor, /True\b|False\b/y);
  if (word !== undefined) return { kind: "bool", value: word === "True" };
  if (take(cursor, /\(/y) !== undefined) return parseTuple(cursor, depth);
  if (take(cursor, /\[/y) !== undefined)
    return { kind: "list", items: parseItems(cursor, /\]/y, depth).items };
  if (take(cursor, /\{/y) !== undefined) return parseDict(cursor, depth);
  return cursor.fail(`no literal at ${cursor.at}`);
}

/** One item in parentheses without a comma is the item. */
function parseTuple(cursor: Cursor, depth: number): Literal {
  const { items, hasComma } = parseItems(cursor, /\)/y, depth);
  const [only] = items;
  return items.length === 1 && only !== undefined && !hasComma ? only : { kind: "tuple", items };
}

function parseItems(cursor: Cursor, close: RegExp, depth: number): { items: Literal[]; hasComma: boolean } {
  const items: Literal[] = [];
  let hasComma = true;
  for (;;) {
    if (take(cursor, close) !== undefined) return { items, hasComma: items.length > 0 && hasComma };
    if (!hasComma) cursor.fail(`no comma at ${cursor.at}`);
    items.push(parseValue(cursor, depth + 1));
    hasComma = take(cursor, /,/y) !== undefined;
  }
}

function parseDict(cursor: Cursor, depth: number): Literal {
  const entries: { key: string; value: Literal }[] = [];
  const keys = new Set<string>();
  let hasComma = true;
  for (;;) {
    if (take(cursor, /\}/y) !== undefined) return { kind: "dict", entries };
    if (!hasComma) cursor.fail(`no comma at ${cursor.at}`);
    const key = parseValue(cursor, depth + 1);
    if (key.kind !== "text" || take(cursor, /:/y) === undefined) return cursor.fail(`no key at ${cursor.at}`);
    if (keys.has(key.value)) cursor.fail("a key that is there twice");
    keys.add(key.value);
    entries.push({ key: key.value, value: parseValue(cursor, depth + 1) });
    hasComma = take(cursor, /,/y) !== undefined;
  }
}
