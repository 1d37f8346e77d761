/**
 * Text → tree of an expression about metrics and params: `azi >= champion.azi and not (lr > 0.1)`. Pure.
 * The language is described in docs/reference/expressions.md.
 */
import { show } from "../show.ts";
import { expressionFault } from "./fault.ts";
import { readTokens, type Token } from "./tokens.ts";

/** Parentheses, `not` and signs inside one another. */
const DEPTH_MAX = 100;

/** `azi`, `params.lr`, `champion.azi`, `"v1.0.0".metrics.azi`. */
export interface Name {
  /** The revision it is of; undefined for the one that the expression is about. */
  readonly revision: string | undefined;
  /** Where it is looked up; undefined for metrics first, then params. */
  readonly space: "metrics" | "params" | undefined;
  readonly key: string;
}

export type Value = number | string | boolean;
export type Comparison = "<" | "<=" | ">" | ">=" | "==" | "!=";
export type Arithmetic = "+" | "-" | "*" | "/" | "%";

interface Place {
  /** First character of it in the source, and the one behind the last. */
  readonly start: number;
  readonly end: number;
  /** Where the operator is; where it starts when it has none. */
  readonly at: number;
}

export type Term =
  | (Place & { readonly type: "value"; readonly value: Value })
  | (Place & { readonly type: "name"; readonly name: Name })
  | (Place & { readonly type: "and" | "or"; readonly left: Term; readonly right: Term })
  | (Place & { readonly type: "not" | "negate"; readonly of: Term })
  | (Place & {
      readonly type: "compare";
      readonly sign: Comparison;
      readonly left: Term;
      readonly right: Term;
    })
  | (Place & {
      readonly type: "compute";
      readonly sign: Arithmetic;
      readonly left: Term;
      readonly right: Term;
    });

export interface Expression {
  readonly source: string;
  readonly root: Term;
}

/** Throws EXPRESSION_INVALID with the column. */
export function parseExpression(source: string): Expression {
  const parser = new Parser(source);
  return { source, root: parser.whole() };
}

/** Every name in it, each as often as it occurs. */
export function namesOf({ root }: Expression): Name[] {
  const names: Name[] = [];
  const open = [root];
  for (let term = open.pop(); term !== undefined; term = open.pop()) {
    if (term.type === "name") names.push(term.name);
    else if ("of" in term) open.push(term.of);
    else if ("left" in term) open.push(term.right, term.left);
  }
  return names;
}

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
  "=": "==",
  "==": "==",
  "!=": "!=",
};
const SUMS: Readonly<Record<string, Arithmetic>> = { "+": "+", "-": "-" };
const PRODUCTS: Readonly<Record<string, Arithmetic>> = { "*": "*", "/": "/", "%": "%" };
const WORDS = new Set(["and", "or", "not", "true", "false"]);

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  #position = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    this.#tokens = readTokens(source);
  }

  whole(): Term {
    const root = this.#or();
    if (this.#token.kind !== "end") throw this.#unexpected("the end of the expression");
    return root;
  }

  get #token(): Token {
    // The last token is "end", and nothing steps over it.
    return this.#tokens[this.#position] as Token;
  }

  #next(): Token {
    const token = this.#token;
    this.#position += 1;
    return token;
  }

  #is(kind: Token["kind"], text: string): boolean {
    return this.#token.kind === kind && this.#token.text === text;
  }

  #fault(at: number, why: string, hint?: string): Error {
    return expressionFault(this.#source, at, why, hint);
  }

  #unexpected(wanted: string): Error {
    const { kind, text, start } = this.#token;
    const found = kind === "end" ? "it ends here" : `found '${show(text, 40)}'`;
    return this.#fault(start, `expected ${wanted}; ${found}`);
  }

  #inside<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw this.#fault(this.#token.start, `deeper than ${DEPTH_MAX} levels`);
    const found = read();
    this.#depth -= 1;
    return found;
  }

  #or(): Term {
    let left = this.#and();
    while (this.#is("name", "or")) {
      const at = this.#next().start;
      const right = this.#and();
      left = { type: "or", left, right, start: left.start, end: right.end, at };
    }
    return left;
  }

  #and(): Term {
    let left = this.#not();
    while (this.#is("name", "and")) {
      const at = this.#next().start;
      const right = this.#not();
      left = { type: "and", left, right, start: left.start, end: right.end, at };
    }
    return left;
  }

  #not(): Term {
    if (!this.#is("name", "not")) return this.#comparison();
    const { start } = this.#next();
    const of = this.#inside(() => this.#not());
    return { type: "not", of, start, end: of.end, at: start };
  }

  #comparison(): Term {
    const left = this.#sum();
    const sign = this.#signOf(COMPARISONS);
    if (sign === undefined) return left;
    const at = this.#next().start;
    const right = this.#sum();
    if (this.#signOf(COMPARISONS) !== undefined) {
      throw this.#fault(this.#token.start, "comparisons cannot be chained", 'write "a < b and b < c"');
    }
    return { type: "compare", sign, left, right, start: left.start, end: right.end, at };
  }

  #signOf<Sign>(signs: Readonly<Record<string, Sign>>): Sign | undefined {
    const { kind, text } = this.#token;
    return kind === "sign" && Object.hasOwn(signs, text) ? signs[text] : undefined;
  }

  #sum(): Term {
    return this.#chain(SUMS, () => this.#product());
  }

  #product(): Term {
    return this.#chain(PRODUCTS, () => this.#signed());
  }

  #chain(signs: Readonly<Record<string, Arithmetic>>, read: () => Term): Term {
    let left = read();
    for (let sign = this.#signOf(signs); sign !== undefined; sign = this.#signOf(signs)) {
      const at = this.#next().start;
      const right = read();
      left = { type: "compute", sign, left, right, start: left.start, end: right.end, at };
    }
    return left;
  }

  #signed(): Term {
    if (!this.#is("sign", "-")) return this.#primary();
    const { start } = this.#next();
    const of = this.#inside(() => this.#signed());
    return { type: "negate", of, start, end: of.end, at: start };
  }

  #primary(): Term {
    const token = this.#token;
    const { kind, text, start, end } = token;
    if (kind === "sign" && text === "(") return this.#parenthesised();
    if (kind === "number") {
      this.#next();
      const value = Number(text);
      if (!Number.isFinite(value)) throw this.#fault(start, "this number is too large");
      return { type: "value", value, start, end, at: start };
    }
    if (kind === "text" && !this.#isSign(1, ".")) {
      this.#next();
      return { type: "value", value: text, start, end, at: start };
    }
    if (kind === "name" && (text === "true" || text === "false")) {
      this.#next();
      return { type: "value", value: text === "true", start, end, at: start };
    }
    if (kind === "text" || (kind === "name" && !WORDS.has(text))) return this.#name();
    throw this.#unexpected("a number, a name or '('");
  }

  #isSign(ahead: number, text: string): boolean {
    const token = this.#tokens[this.#position + ahead];
    return token?.kind === "sign" && token.text === text;
  }

  #parenthesised(): Term {
    const open = this.#next();
    const inner = this.#inside(() => this.#or());
    if (!this.#is("sign", ")")) throw this.#unexpected("')'");
    return { ...inner, start: open.start, end: this.#next().end };
  }

  #name(): Term {
    const first = this.#next();
    const { start } = first;
    const parts: string[] = [];
    let { end } = first;
    while (this.#is("sign", ".")) {
      this.#next();
      const { kind, text } = this.#token;
      if (kind !== "name" && kind !== "text") throw this.#notDotted();
      ({ end } = this.#next());
      parts.push(text);
    }
    if (this.#token.kind === "number" && this.#token.start === end) throw this.#notDotted();
    const name = nameOf(first, parts);
    if (name.key === "") throw this.#fault(start, "the name of a metric or param is missing");
    return { type: "name", name, start, end, at: start };
  }

  /** `v1.0.0.azi`: the dots of the revision are taken for those that divide it from the metric. */
  #notDotted(): Error {
    const hint = `quote what is no plain name: 'v1.0.0'.azi, metrics.'val/acc'`;
    return this.#fault(this.#token.start, "expected a name after '.'", hint);
  }
}

function nameOf(first: Token, parts: readonly string[]): Name {
  const isSpace = (text: string | undefined): text is "metrics" | "params" =>
    text === "metrics" || text === "params";
  if (first.kind === "name" && parts.length === 0)
    return { revision: undefined, space: undefined, key: first.text };
  if (first.kind === "name" && isSpace(first.text))
    return { revision: undefined, space: first.text, key: parts.join(".") };
  const [space, ...rest] = parts;
  return isSpace(space) && rest.length > 0
    ? { revision: first.text, space, key: rest.join(".") }
    : { revision: first.text, space: undefined, key: parts.join(".") };
}
