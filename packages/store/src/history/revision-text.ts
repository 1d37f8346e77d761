/**
 * The grammar of revisions (`main~2`, `v1.0.0^{tree}`, `HEAD@{yesterday}:weights/a.bin`, `@{-1}`, `:/text`, `A..B`) as
 * data. Pure.
 */
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";

export const REVISION_BYTES_MAX = 4096;
const STEPS_MAX = 1000;
/** The largest `n` of `~n` and `@{n}`. */
const COUNT_MAX = 10_000_000;

const PEEL_KINDS = ["commit", "tree", "blob", "tag", "object"] as const;
export type PeelKind = (typeof PEEL_KINDS)[number];

export type RevisionStep =
  /** `~n`: n times the first parent. */
  | { readonly type: "ancestor"; readonly count: number }
  /** `^n`: the n-th parent; 0 is the commit itself. */
  | { readonly type: "parent"; readonly nth: number }
  /** `^{kind}`; "any" is `^{}`: follow tags only. */
  | { readonly type: "peel"; readonly kind: PeelKind | "any" };

/** `@{n}` or `@{date}` behind the name of a ref. */
export type ReflogSelector = { readonly nth: number } | { readonly date: string };

/** `@{-n}`: the branch or commit that was left n switches ago. */
export interface PreviousSelector {
  readonly previous: number;
}

export interface RevisionText {
  /** A name or digest; "" before `@{…}` is the current branch. */
  readonly name: string;
  readonly at?: ReflogSelector | PreviousSelector;
  readonly steps: readonly RevisionStep[];
  /** What stands behind `:`. */
  readonly path?: string;
}

export interface StageText {
  /** `:path`, a file of the stage. */
  readonly stagePath: string;
}

export interface MessageText {
  /** `:/text`, the newest commit whose message has the text. */
  readonly messagePart: string;
}

export interface RangeText {
  readonly from: string;
  readonly to: string;
  /** `A...B`: what either has and the other does not. */
  readonly symmetric: boolean;
}

function invalid(text: string, why: string): SmcError {
  return new SmcError("REVISION_INVALID", `'${show(text, 80)}' is not a revision: ${why}`);
}

function assertLength(text: string): void {
  if (Buffer.byteLength(text) > REVISION_BYTES_MAX) {
    throw invalid(text, `it is longer than ${REVISION_BYTES_MAX} bytes`);
  }
}

/** The first colon that parts a path off: not inside `{}`, not the one of `sha256:`. -1 when there is none. */
function findColon(text: string): number {
  let depth = 0;
  const start = /^sha256:[0-9a-f]{64}(?![0-9a-f])/.test(text) ? "sha256:".length : 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === "{") depth += 1;
    else if (character === "}") depth = Math.max(0, depth - 1);
    else if (character === ":" && depth === 0) return at;
  }
  return -1;
}

const STEP = /\^\{([^{}]*)\}|\^(\d*)|~(\d*)/y;

function count(digits: string, text: string): number {
  const value = digits === "" ? 1 : Number(digits);
  if (value > COUNT_MAX) throw invalid(text, `${show(digits, 20)} is more than ${COUNT_MAX}`);
  return value;
}

function parseStep(match: RegExpExecArray, text: string): RevisionStep {
  const [whole, peel, parent, ancestor] = match;
  if (ancestor !== undefined) return { type: "ancestor", count: count(ancestor, text) };
  if (parent !== undefined) return { type: "parent", nth: count(parent, text) };
  if (peel === undefined || peel === "") return { type: "peel", kind: "any" };
  const kind = PEEL_KINDS.find((name) => name === peel);
  if (kind === undefined)
    throw invalid(text, `'${show(whole, 40)}' is not known; use one of ${PEEL_KINDS.join(", ")}`);
  return { type: "peel", kind };
}

function parseSteps(text: string, whole: string): RevisionStep[] {
  const steps: RevisionStep[] = [];
  let at = 0;
  while (at < text.length) {
    STEP.lastIndex = at;
    const match = STEP.exec(text);
    if (match === null) throw invalid(whole, `'${show(text.slice(at), 40)}' has no meaning here`);
    steps.push(parseStep(match, whole));
    if (steps.length > STEPS_MAX) throw invalid(whole, `more than ${STEPS_MAX} of '~' and '^'`);
    at = STEP.lastIndex;
  }
  return steps;
}

function parseSelector(
  { base, inside }: { base: string; inside: string },
  text: string,
): ReflogSelector | PreviousSelector {
  if (inside === "") throw invalid(text, "'@{}' says neither a number nor a date");
  if (/^\d{1,8}$/.test(inside)) return { nth: count(inside, text) };
  if (/^-\d+$/.test(inside)) {
    if (base !== "") throw invalid(text, `'@{${show(inside, 20)}}' stands without a name before it`);
    const previous = count(inside.slice(1), text);
    if (previous === 0) throw invalid(text, "'@{-0}' was never left; the last one is '@{-1}'");
    return { previous };
  }
  return { date: inside };
}

// Told from a path behind a name: `md5:…` is never the branch "md5".
const FOREIGN_DIGEST = /^(?:sha1|sha224|sha256|sha384|sha512|md5|blake3|blake2b):/i;
const OWN_DIGEST = /^sha256:[0-9a-f]{64}(?![0-9a-zA-Z])/;

function assertOwnDigest(text: string): void {
  if (!FOREIGN_DIGEST.test(text) || (text.startsWith("sha256:") && OWN_DIGEST.test(text))) return;
  const why = "expected sha256: followed by 64 lower-case hex digits";
  throw new SmcError("DIGEST_INVALID", `'${show(text, 100)}' is not a digest: ${why}`);
}

/** Reads one revision; ranges are `parseRange`. Throws REVISION_INVALID, DIGEST_INVALID for another algorithm. */
export function parseRevision(text: string): RevisionText | StageText | MessageText {
  assertLength(text);
  if (text === "") throw invalid(text, "it is empty");
  assertOwnDigest(text);
  const colon = findColon(text);
  if (colon === 0) {
    if (text.length === 1) throw invalid(text, "no path behind ':'");
    if (text === ":/") throw invalid(text, "no text behind ':/'");
    if (text.startsWith(":/")) return { messagePart: text.slice(2) };
    return { stagePath: text.slice(1) };
  }
  const revision = colon < 0 ? text : text.slice(0, colon);
  const path = colon < 0 ? {} : { path: text.slice(colon + 1) };
  const end = revision.search(/[\^~]|@\{/);
  const base = end < 0 ? revision : revision.slice(0, end);
  let rest = end < 0 ? "" : revision.slice(end);
  const selector = /^@\{([^{}]*)\}/.exec(rest);
  if (selector === null) {
    if (base === "") throw invalid(text, "no name or digest at its start");
    return { name: base === "@" ? "HEAD" : base, steps: parseSteps(rest, text), ...path };
  }
  rest = rest.slice(selector[0].length);
  const at = parseSelector({ base, inside: selector[1] ?? "" }, text);
  return { name: base === "@" ? "HEAD" : base, at, steps: parseSteps(rest, text), ...path };
}

/** Reads `A..B` and `A...B`, where an end left out is HEAD; undefined for anything else. Throws REVISION_INVALID. */
export function parseRange(text: string): RangeText | undefined {
  assertLength(text);
  const dots = text.indexOf("..");
  if (dots < 0) return undefined;
  const colon = findColon(text);
  if (colon >= 0 && colon < dots) return undefined;
  const symmetric = text.startsWith("...", dots);
  const from = text.slice(0, dots);
  const to = text.slice(dots + (symmetric ? 3 : 2));
  if (from === "" && to === "") throw invalid(text, "a range needs a revision on one side at least");
  if (to.startsWith(".") || /(^|[^/:.])\.\.+($|[^/.])/.test(to)) throw invalid(text, "more than one range");
  return { from: from === "" ? "HEAD" : from, to: to === "" ? "HEAD" : to, symmetric };
}
