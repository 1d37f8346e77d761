/** The words of an expression. Pure. */
import { show } from "../show.ts";
import { expressionFault } from "./fault.ts";

export type TokenKind = "number" | "text" | "name" | "sign" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** What a text says without its quotes; else as it is written. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export const EXPRESSION_LENGTH_MAX = 4096;

const BLANK = /[ \t\r\n]+/y;
const NUMBER = /(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const NAME = /[\p{L}_][\p{L}\p{N}\p{M}_]*/uy;
const TEXT = /"[^"]*"|'[^']*'/y;
const SIGN = /<=|>=|==|!=|[<>=+\-*/%().]/y;

function take(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

/** Ends with a token of kind "end". Throws EXPRESSION_INVALID: too long, an open quote, a character without meaning. */
export function readTokens(source: string): Token[] {
  if (source.length > EXPRESSION_LENGTH_MAX) {
    const why = `the expression is longer than ${EXPRESSION_LENGTH_MAX} characters`;
    throw expressionFault(source, EXPRESSION_LENGTH_MAX, why);
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const blank = take(BLANK, source, at);
    if (blank === undefined) {
      const token = readToken(source, at);
      tokens.push(token);
      at = token.end;
    } else at += blank.length;
  }
  return [...tokens, { kind: "end", text: "", start: at, end: at }];
}

function readToken(source: string, start: number): Token {
  const quoted = take(TEXT, source, start);
  if (quoted !== undefined)
    return { kind: "text", text: quoted.slice(1, -1), start, end: start + quoted.length };
  const kinds = [
    ["number", NUMBER],
    ["name", NAME],
    ["sign", SIGN],
  ] as const;
  for (const [kind, pattern] of kinds) {
    const text = take(pattern, source, start);
    if (text !== undefined) return { kind, text, start, end: start + text.length };
  }
  const character = String.fromCodePoint(source.codePointAt(start) ?? 0);
  if (character === '"' || character === "'")
    throw expressionFault(source, start, "this quote is not closed");
  const hint = "&|!".includes(character) ? "write and, or, not" : undefined;
  throw expressionFault(source, start, `'${show(character)}' has no meaning here`, hint);
}
