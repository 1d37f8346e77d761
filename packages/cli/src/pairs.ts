/** `key=value` words of --metric, --param and --meta. Pure. */
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

export type Scalar = string | number | boolean | null;

const KEY_BYTES_MAX = 200;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const POISONED = new Set(["__proto__", "constructor", "prototype"]);

/** Throws ARGUMENT_INVALID for no `=`, an empty key, or a key twice. */
export function parsePairs(option: string, words: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const word of words) {
    const cut = word.indexOf("=");
    const key = word.slice(0, Math.max(cut, 0)).trim();
    const fail = (why: string): never => {
      throw new SmcError("ARGUMENT_INVALID", `${option} '${show(word, 80)}': ${why}`, {
        hint: `write it as ${option} name=value`,
      });
    };
    if (cut < 0) fail("there is no '='");
    if (key === "") fail("the name before '=' is empty");
    if (POISONED.has(key)) fail("this name is not allowed");
    if (Buffer.byteLength(key) > KEY_BYTES_MAX) fail(`the name is longer than ${KEY_BYTES_MAX} bytes`);
    if (pairs.has(key)) fail(`'${show(key, 80)}' is given twice`);
    pairs.set(key, word.slice(cut + 1));
  }
  return pairs;
}

/** A metric is a finite decimal number. Throws ARGUMENT_INVALID. */
export function parseMetrics(words: readonly string[], option = "--metric"): Record<string, number> {
  const metrics: Record<string, number> = {};
  for (const [key, text] of parsePairs(option, words)) {
    const value = NUMBER.test(text) ? Number(text) : Number.NaN;
    if (!Number.isFinite(value)) {
      throw new SmcError(
        "ARGUMENT_INVALID",
        `${option} ${show(key, 80)}: '${show(text, 40)}' is not a finite number`,
      );
    }
    metrics[key] = value;
  }
  return metrics;
}

function parseScalar(text: string): Scalar {
  if (text === "true") return true;
  if (text === "false") return false;
  if (text === "null") return null;
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  // A number that would not come back as it was typed stays text: 007, 12345678901234567890.
  const exact =
    Number.isFinite(value) &&
    !/^[+-]?0\d/.test(text) &&
    (!Number.isInteger(value) || Number.isSafeInteger(value));
  return exact ? value : text;
}

/** Numbers, true, false and null become such; all else stays text. Throws ARGUMENT_INVALID. */
export function parseScalars(option: string, words: readonly string[]): Record<string, Scalar> {
  return Object.fromEntries([...parsePairs(option, words)].map(([key, text]) => [key, parseScalar(text)]));
}
