/**
 * What an expression gives for the values of its names, and which of its terms are to blame when that is "no". Pure.
 */
import { assert } from "../errors.ts";
import { show } from "../show.ts";
import { expressionFault } from "./fault.ts";
import type { Arithmetic, Comparison, Expression, Name, Term, Value } from "./parse.ts";

/** The value of a name; undefined when there is none, null when there is one that is not a number, text or boolean. */
export type Lookup = (name: Name) => Value | null | undefined;

export interface EvaluateOptions {
  /**
   * What a name without a value does: "throw" (the default), or "unknown", for lists where not all have all: what
   * cannot be told is unknown, `and`, `or` and `not` go on with what is known.
   */
  readonly missing?: "throw" | "unknown";
}

/** A comparison, or another term that is true or false, that is not as it must be. */
export interface FailedTerm {
  /** As it is written. */
  readonly term: string;
  readonly left: Value;
  /** Null for a term without two sides. */
  readonly right: Value | null;
}

export interface Outcome {
  readonly met: boolean;
  readonly failed: readonly FailedTerm[];
}

/**
 * Both sides of `and` and `or` are always looked at, so that a wrong name never hides behind the other side.
 * Undefined means unknown. Throws EXPRESSION_INVALID for names without a value and for values of the wrong type.
 */
export function evaluate(
  expression: Expression,
  lookup: Lookup,
  options: EvaluateOptions = {},
): Value | undefined {
  const { source, root } = expression;
  return new Evaluation(source, lookup, options.missing === "unknown").value(root);
}

/** Whether a condition is true. Throws as `evaluate`, also for an expression that is neither true nor false. */
export function isTrue(expression: Expression, lookup: Lookup, options: EvaluateOptions = {}): boolean {
  const value = evaluate(expression, lookup, options);
  if (value === undefined || typeof value === "boolean") return value === true;
  throw notCondition(expression, expression.root, value);
}

/** Whether a condition is true, and if not, why. Throws as `isTrue`. */
export function judge(expression: Expression, lookup: Lookup): Outcome {
  const evaluation = new Evaluation(expression.source, lookup, false);
  const value = evaluation.value(expression.root);
  if (typeof value !== "boolean") throw notCondition(expression, expression.root, value);
  return { met: value, failed: value ? [] : evaluation.blame(expression.root, true) };
}

function notCondition({ source }: Expression, { at }: Term, value: Value | undefined): Error {
  return expressionFault(source, at, `a condition is needed here, this is ${typeName(value)}`);
}

function typeName(value: Value | undefined): string {
  if (value === undefined) return "unknown";
  return { number: "a number", string: "a text", boolean: "true or false" }[
    typeof value as "number" | "string" | "boolean"
  ];
}

const COMPARE: Readonly<Record<Comparison, (distance: number) => boolean>> = {
  "<": (distance) => distance < 0,
  "<=": (distance) => distance <= 0,
  ">": (distance) => distance > 0,
  ">=": (distance) => distance >= 0,
  "==": (distance) => distance === 0,
  "!=": (distance) => distance !== 0,
};

const COMPUTE: Readonly<Record<Arithmetic, (left: number, right: number) => number>> = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "%": (left, right) => left % right,
};

class Evaluation {
  readonly #source: string;
  readonly #lookup: Lookup;
  readonly #allowsUnknown: boolean;

  constructor(source: string, lookup: Lookup, allowsUnknown: boolean) {
    this.#source = source;
    this.#lookup = lookup;
    this.#allowsUnknown = allowsUnknown;
  }

  value(term: Term): Value | undefined {
    switch (term.type) {
      case "value":
        return term.value;
      case "name":
        return this.#named(term);
      case "not": {
        const of = this.#condition(term.of);
        return of === undefined ? undefined : !of;
      }
      case "negate": {
        const of = this.#number(term.of);
        return of === undefined ? undefined : -of;
      }
      case "and":
      case "or":
        return this.#joined(term);
      case "compare":
        return this.#compared(term);
      case "compute":
        return this.#computed(term);
    }
  }

  /** The terms that would have to be other for `term` to be `wanted`, which it is not. */
  blame(term: Term, wanted: boolean): FailedTerm[] {
    if (this.value(term) === wanted) return [];
    if (term.type === "not") return this.blame(term.of, !wanted);
    if (term.type === "and" || term.type === "or")
      return [...this.blame(term.left, wanted), ...this.blame(term.right, wanted)];
    const text = this.#source.slice(term.start, term.end);
    const written = wanted ? text : `not ${text}`;
    if (term.type !== "compare") return [{ term: written, left: !wanted, right: null }];
    const [left, right] = [this.value(term.left), this.value(term.right)];
    assert(left !== undefined && right !== undefined, "a comparison of unknown values");
    return [{ term: written, left, right }];
  }

  #fault({ at }: Term, why: string, hint?: string): Error {
    return expressionFault(this.#source, at, why, hint);
  }

  #named(term: Term & { type: "name" }): Value | undefined {
    const { revision, space, key } = term.name;
    const found = this.#lookup(term.name);
    if (found !== undefined && found !== null && !Number.isNaN(found)) return found;
    if (this.#allowsUnknown) return undefined;
    const whose = revision === undefined ? "" : ` of '${show(revision, 80)}'`;
    const what = { metrics: "metric", params: "param", any: "metric or param" }[space ?? "any"];
    if (found === undefined) throw this.#fault(term, `there is no ${what} '${show(key, 80)}'${whose}`);
    throw this.#fault(term, `the ${what} '${show(key, 80)}'${whose} has no value that can be compared`);
  }

  #condition(term: Term): boolean | undefined {
    const value = this.value(term);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.#fault(term, `true or false is needed here, this is ${typeName(value)}`);
  }

  #number(term: Term): number | undefined {
    const value = this.value(term);
    if (value === undefined || typeof value === "number") return value;
    throw this.#fault(term, `a number is needed here, this is ${typeName(value)}`);
  }

  #joined(term: Term & { type: "and" | "or" }): boolean | undefined {
    const [left, right] = [this.#condition(term.left), this.#condition(term.right)];
    const decides = term.type === "or";
    if (left === decides || right === decides) return decides;
    return left === undefined || right === undefined ? undefined : !decides;
  }

  #compared(term: Term & { type: "compare" }): boolean | undefined {
    const [left, right] = [this.value(term.left), this.value(term.right)];
    if (left === undefined || right === undefined) return undefined;
    if (typeof left !== typeof right)
      throw this.#fault(term, `${typeName(left)} cannot be compared with ${typeName(right)}`);
    if (typeof left === "boolean" && term.sign !== "==" && term.sign !== "!=")
      throw this.#fault(term, "true and false have no order", "compare them with == or !=");
    if (left === right) return COMPARE[term.sign](0);
    return COMPARE[term.sign](left < right ? -1 : 1);
  }

  #computed(term: Term & { type: "compute" }): number | undefined {
    const [left, right] = [this.#number(term.left), this.#number(term.right)];
    if (left === undefined || right === undefined) return undefined;
    const result = COMPUTE[term.sign](left, right);
    if (Number.isFinite(result)) return result;
    throw this.#fault(term, `${left} ${term.sign} ${right} is no number`);
  }
}
