/** The SHA-256 of a blob from chunks of which each was compared with its own before. */
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { TaskOptions } from "../pool/pool.ts";
import type { Piece } from "../pool/tasks.ts";

/**
 * Chunks that say `isVerified` are not hashed for themselves: a wrong one makes the whole wrong, and then all are, so
 * that damage is stepped around or named. Throws OBJECT_CORRUPT as reading them does.
 */
export async function hashBlob(
  store: OwnedStore,
  { blob, pieces }: { readonly blob: Digest; readonly pieces: readonly Piece[] },
  task: TaskOptions,
): Promise<Digest> {
  const found = await store.pool.run("hashPieces", { pieces }, task);
  if (found === blob || !pieces.some(({ isVerified }) => isVerified === true)) return found;
  const all = pieces.map((piece) => ({ ...piece, isVerified: false }));
  return store.pool.run("hashPieces", { pieces: all }, task);
}
