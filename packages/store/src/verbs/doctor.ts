/** `smc doctor`: is everything in order, and what to do where it is not. */
import type { Call } from "../call.ts";
import { checkDigest, checkPermissions, checkSize } from "../doctor/files.ts";
import { checkClock, checkFileSystem, checkNode, checkSpace } from "../doctor/machine.ts";
import { checkConfig, checkWorktree } from "../doctor/place.ts";
import { type Check, type DoctorOptions, type DoctorRow, runCheck } from "../doctor/row.ts";
import { checkRefs, checkScrub, checkStore } from "../doctor/store.ts";
import type { Store } from "../store.ts";

export type { DoctorOptions, DoctorRow } from "../doctor/row.ts";

/** Name → check, in the order in which they are told. */
const CHECKS: readonly (readonly [string, Check])[] = [
  ["node", checkNode],
  ["clock", checkClock],
  ["store", checkStore],
  ["space", checkSpace],
  ["file system", checkFileSystem],
  ["refs", checkRefs],
  ["scrub", checkScrub],
  ["config", checkConfig],
  ["worktree", checkWorktree],
  ["size", checkSize],
  ["digest", checkDigest],
  ["permissions", checkPermissions],
];

export interface DoctorResult {
  /** False when a row fails. */
  readonly ok: boolean;
  readonly checks: readonly DoctorRow[];
}

/** Changes nothing. Never throws for what it finds: a check that cannot be made fails. Throws CANCELED. */
export async function doctor(store: Store, options: DoctorOptions, call: Call): Promise<DoctorResult> {
  const checks: DoctorRow[] = [];
  for (const [name, check] of CHECKS)
    checks.push(...(await runCheck(name, () => check({ store, options, call }))));
  return { ok: checks.every((row) => row.state !== "fail"), checks };
}
