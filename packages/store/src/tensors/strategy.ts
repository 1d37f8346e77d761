/** How a merge joins the weights of two sides: `average`, `weighted:0.3`, `take=GLOB:theirs`, `ours`, `theirs`. */
import { SmcError } from "../errors.ts";
import { matchesPattern } from "../pattern.ts";
import { show } from "../show.ts";

const STRATEGIES_MAX = 1000;
const PATTERN_LENGTH_MAX = 1000;
const WEIGHT = /^(0?\.\d{1,17}|0|1|1\.0{1,17})$/;

export type SideName = "ours" | "theirs";

export interface MergeStrategy {
  /** As it was written, for the commit. */
  readonly text: string;
  /** Who wins where both sides changed a file that is not joined tensor by tensor. */
  readonly prefer: SideName | undefined;
  /** Share of theirs in a mixture; undefined when tensors are not mixed. */
  readonly weight: number | undefined;
  /** Tensors that are taken from one side; the first pattern that matches counts. */
  readonly takes: readonly { readonly pattern: string; readonly side: SideName }[];
}

/** Throws ARGUMENT_INVALID for a word that means nothing, and for two that contradict each other. */
export function parseStrategies(texts: readonly string[]): MergeStrategy {
  if (texts.length > STRATEGIES_MAX) throw invalid(`more than ${STRATEGIES_MAX} strategies`);
  let prefer: SideName | undefined;
  let weight: number | undefined;
  const takes: { pattern: string; side: SideName }[] = [];
  for (const text of texts) {
    const take = /^take=(.*):(ours|theirs)$/s.exec(text);
    const mixed = weightOf(text);
    if (isSide(text)) {
      if (prefer !== undefined) throw invalid(`'${prefer}' and '${text}' exclude each other`);
      prefer = text;
    } else if (mixed !== undefined) {
      if (weight !== undefined) throw invalid(`'${show(text, 40)}' is one mixture too many`);
      weight = mixed;
    } else if (take?.[1] !== undefined && isSide(take[2])) {
      const [, pattern, side] = take;
      if (pattern === "" || pattern.length > PATTERN_LENGTH_MAX)
        throw invalid(`'${show(text, 80)}': a pattern has 1 to ${PATTERN_LENGTH_MAX} characters`);
      takes.push({ pattern, side });
    } else throw unknown(text);
  }
  return { text: texts.join(", "), prefer, weight, takes };
}

/** True when files of weights are joined tensor by tensor. */
export function joinsTensors({ weight, takes }: MergeStrategy): boolean {
  return weight !== undefined || takes.length > 0;
}

/** The side that a pattern takes a tensor from. */
export function sideOf({ takes }: MergeStrategy, name: string): SideName | undefined {
  return takes.find(({ pattern }) => matchesPattern(pattern, name))?.side;
}

function isSide(text: string | undefined): text is SideName {
  return text === "ours" || text === "theirs";
}

function weightOf(text: string): number | undefined {
  if (text === "average") return 0.5;
  if (!text.startsWith("weighted:")) return undefined;
  const value = text.slice("weighted:".length);
  if (!WEIGHT.test(value)) throw invalid(`'${show(text, 40)}': the share of theirs is a number from 0 to 1`);
  return Number(value);
}

function unknown(text: string): SmcError {
  return invalid(
    `'${show(text, 80)}' is no strategy: ours, theirs, average, weighted:SHARE, take=GLOB:ours, take=GLOB:theirs`,
  );
}

function invalid(why: string): SmcError {
  return new SmcError("ARGUMENT_INVALID", `--strategy: ${why}; nothing was changed`);
}
