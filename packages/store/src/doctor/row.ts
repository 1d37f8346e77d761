/** One answer of `smc doctor`, and what every check of it is given. */
import type { Call } from "../call.ts";
import { isSmcError } from "../errors.ts";
import type { Store } from "../store.ts";

export interface DoctorRow {
  /** What was looked at, in a word or two: `node`, `space`, `file system`. */
  readonly check: string;
  readonly state: "pass" | "warn" | "fail";
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

export interface DoctorOptions {
  /** Absolute path of where the user stands. */
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Files to look at besides those in the folders of model files, as seen from `folder`. */
  readonly files?: readonly string[];
}

export interface Examined {
  readonly store: Store;
  readonly options: DoctorOptions;
  readonly call: Call;
}

/** What is wrong, without the check's name. */
export type Finding = Omit<DoctorRow, "check">;
export type Check = (examined: Examined) => Promise<readonly Finding[]>;

/** Of each check at most so many findings are told. */
export const FINDINGS_MAX = 20;

export function pass(message: string): Finding {
  return { state: "pass", message };
}

export function warn(message: string, hint: string): Finding {
  return { state: "warn", message, hint };
}

export function fail(message: string, hint: string): Finding {
  return { state: "fail", message, hint };
}

/** Runs a check; one that cannot be made fails. Throws CANCELED and what is a mistake of ours. */
export async function runCheck(name: string, run: () => Promise<readonly Finding[]>): Promise<DoctorRow[]> {
  try {
    return (await run()).slice(0, FINDINGS_MAX).map((finding) => ({ check: name, ...finding }));
  } catch (error) {
    if (!isSmcError(error) || error.code === "CANCELED") throw error;
    const { message, hint } = error;
    return [{ check: name, state: "fail", message, ...(hint === undefined ? {} : { hint }) }];
  }
}
