/** Differences of decimal numbers as people write them: 0.3 - 0.1 is 0.2. Pure. */

const DIGITS_MAX = 20;

/** Digits behind the decimal point in the shortest text of a number. */
function fractionDigits(value: number): number {
  const [mantissa = "", exponent = "0"] = String(value).split("e");
  const digits = mantissa.split(".")[1]?.length ?? 0;
  return Math.max(0, digits - Number(exponent));
}

/** `to - from` with as many decimals as the two have; not rounded when they have more than 20. */
export function subtractDecimals(to: number, from: number): number {
  const raw = to - from;
  const digits = Math.max(fractionDigits(to), fractionDigits(from));
  if (!Number.isFinite(raw) || digits > DIGITS_MAX || Math.abs(raw) >= 1e21) return raw;
  return Number(raw.toFixed(digits)) + 0;
}
