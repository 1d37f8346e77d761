/** Values before and after, as people read them. */
import type { TrainResult } from "@smc/store";

type Change = TrainResult["changes"][number];

/** `  settings.lr  0.01 -> 0.02` for each. */
export function changeLines(changes: readonly Change[]): string[] {
  const text = (value: Change["before"]): string =>
    value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
  return changes.map(({ key, before, after }) => `  ${key}  ${text(before)} -> ${text(after)}`);
}
