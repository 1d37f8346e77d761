/** Activating a file, and restoring a backup with or without that: asked about before it is done. */
import type { ActivateResult, RestoreBackupResult } from "@smc/store";
import { show } from "@smc/store/show";
import type { CommandContext } from "./command.ts";
import { formatCount, formatSize } from "./format.ts";
import type { Output } from "./output.ts";
import { hintUnrecorded } from "./unrecorded.ts";

export interface RestoredBackup extends RestoreBackupResult {
  /** Null unless --activate. */
  readonly activation: ActivateResult | null;
}

/** Throws CONFIRMATION_NEEDED, CONFIRMATION_DECLINED, and what the verb throws. */
export function activateAsked(
  context: CommandContext,
  input: { readonly target: string; readonly as?: string },
): Promise<ActivateResult> {
  return context.confirm<ActivateResult>({
    ask: (answer) => context.call("activate", { ...input, answer }),
    tell: ({ isActive, old, path }) => {
      if (isActive) return [];
      const kept = old === null ? [] : [`${old} is backed up and replaced`];
      return [...kept, `${path} becomes active`];
    },
  });
}

export async function restoreBackup(
  context: CommandContext,
  input: { readonly backup: string; readonly destination?: string; readonly force?: boolean },
  isActivating: boolean,
): Promise<RestoredBackup> {
  const data = await context.call("restore-backup", { ...input, onlyFile: isActivating });
  if (!isActivating) return { ...data, activation: null };
  const as = data.originalName === null ? {} : { as: data.originalName };
  return { ...data, activation: await activateAsked(context, { target: data.path, ...as }) };
}

export function printActivation(
  { path, backup, activated, old, recorded }: ActivateResult,
  out: Output,
): void {
  if (!activated) {
    out.line(`${show(path, 1000)} is active already`);
    return;
  }
  if (old !== null && backup !== null) out.line(`Backed up ${show(old, 1000)} as ${show(backup, 1000)}`);
  out.line(`Active: ${show(path, 1000)}`);
  hintUnrecorded(activated, recorded, out);
}

export function printRestoredBackup(data: RestoredBackup, out: Output): void {
  const path = show(data.path, 1000);
  const size = formatSize(data.contentBytes);
  if (!data.written) out.line(`${path} is there already, byte for byte`);
  else if (data.kind === "file") out.line(`Restored ${path}, ${size}, verified`);
  else out.line(`Restored ${path}: ${formatCount(data.files, "file")}, ${size}, verified`);
  if (data.kind === "store") out.hint(`check it with "smc --store ${path} fsck --full"`);
  for (const link of data.skippedLinks) out.hint(`symbolic link not restored: ${show(link, 500)}`);
  hintUnrecorded(data.written, data.recorded, out);
  if (data.activation !== null) printActivation(data.activation, out);
}
