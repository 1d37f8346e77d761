/** `smc repack`: stores what is there in less space. No digest changes. */
import type { Call } from "../call.ts";
import type { OwnedStore } from "../open-store.ts";
import { consolidate } from "../repack/consolidate.ts";
import { recodeHistory } from "../repack/recode-history.ts";

export interface RepackOptions {
  /** Looks again at files that an earlier repack has looked at. */
  readonly again?: boolean;
}

export interface RepackResult {
  /** Versions of files that were looked at. */
  readonly files: number;
  readonly chunks: { readonly tried: number; readonly shorter: number; readonly savedBytes: number };
  readonly packs: { readonly before: number; readonly after: number; readonly removed: number };
  /** Of all packs. */
  readonly bytes: { readonly before: number; readonly after: number };
  /** What was left as it is because it cannot be read, and why. */
  readonly problems: readonly string[];
}

/**
 * Encodes chunks that stand alone against older versions and siblings, then puts small and half-empty packs together.
 * Stopped or killed at any moment it leaves a whole store, and goes on where it was the next time. Throws READ_ONLY,
 * DISK_FULL, CANCELED, PACK_CORRUPT when a new pack cannot be read back (nothing is removed then).
 */
export function repack(store: OwnedStore, options: RepackOptions, call: Call): Promise<RepackResult> {
  return store.alone(async () => {
    const before = measure(store);
    const recoded = await recodeHistory(store, { again: options.again === true }, call);
    const { removed, problems } = await consolidate(store, call);
    const after = measure(store);
    return {
      files: recoded.files,
      chunks: { tried: recoded.tried, shorter: recoded.shorter, savedBytes: recoded.savedBytes },
      packs: { before: before.count, after: after.count, removed },
      bytes: { before: before.bytes, after: after.bytes },
      problems: [...recoded.problems, ...problems],
    };
  });
}

function measure(store: OwnedStore): { count: number; bytes: number } {
  const packs = store.index.packs();
  return { count: packs.length, bytes: packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}
