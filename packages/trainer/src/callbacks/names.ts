/** Callbacks by name: each is a part of the spec that is switched on with its usual settings. Pure. */
import { show } from "@smc/store/show";

/** Name → part of the spec. `csv` is no part: whether history.csv is written. */
const PARTS = { csv: undefined, "early-stop": "earlyStop", plateau: "plateau" } as const;

/** What is on where nothing is said. */
export const CSV = "csv";

/** `csv,plateau` → its names. */
export function callbackNames(text: string): string[] {
  return text.split(",").map((name) => name.trim());
}

/** Puts the parts that are named, and are not there, into the spec; gives what is wrong with the names. */
export function switchOn(spec: Record<string, unknown>): string[] {
  const { callbacks } = spec;
  if (typeof callbacks !== "string") return [];
  const faults: string[] = [];
  for (const name of callbackNames(callbacks)) {
    const part = Object.hasOwn(PARTS, name) ? PARTS[name as keyof typeof PARTS] : null;
    if (part === null)
      faults.push(`there is no '${show(name, 80)}'; there are ${Object.keys(PARTS).join(", ")}`);
    else if (part !== undefined) spec[part] ??= {};
  }
  return faults;
}
