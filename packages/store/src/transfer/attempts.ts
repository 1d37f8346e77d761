/** Pushes that have begun and not ended: so that the next run can tell how much the one before has brought there. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { isSmcError } from "../errors.ts";
import { createFolder, replaceFile } from "../fs.ts";
import type { Digest } from "../objects/digest.ts";
import type { Store } from "../store.ts";
import { readSmall } from "../worktree/head.ts";

const FILE_BYTES_MAX = 64 * 1024;
/** The oldest is forgotten. */
const ATTEMPTS_MAX = 100;

/** What is pushed, and where to. */
export interface Attempt {
  readonly url: string;
  readonly want: readonly Digest[];
}

/**
 * Notes that `objects` are still to be sent; tells how many there were when the same push began first, or undefined
 * when it begins now. It is lost without harm.
 */
export async function beginAttempt(
  store: Pick<Store, "path">,
  attempt: Attempt,
  objects: number,
): Promise<number | undefined> {
  const known = await readAttempts(store);
  const key = keyOf(attempt);
  const first = known.get(key);
  if (first !== undefined && first > objects) return first;
  if (objects === 0) return undefined;
  known.delete(key);
  known.set(key, objects);
  await writeAttempts(store, known);
  return undefined;
}

/** Forgets a push that came to its end. */
export async function endAttempt(store: Pick<Store, "path">, attempt: Attempt): Promise<void> {
  const known = await readAttempts(store);
  if (known.delete(keyOf(attempt))) await writeAttempts(store, known);
}

function keyOf({ url, want }: Attempt): string {
  return createHash("sha256")
    .update([url, ...[...want].sort()].join("\n"))
    .digest("hex");
}

function pathOf(store: Pick<Store, "path">): string {
  return join(store.path, "cache", "pushes.json");
}

/** Empty when there is none, or none that makes sense. */
async function readAttempts(store: Pick<Store, "path">): Promise<Map<string, number>> {
  try {
    const rows: unknown = JSON.parse((await readSmall(pathOf(store), FILE_BYTES_MAX)).toString("utf8"));
    const isRow = (row: unknown): row is [string, number] =>
      Array.isArray(row) && typeof row[0] === "string" && Number.isSafeInteger(row[1]);
    return new Map(Array.isArray(rows) ? rows.filter(isRow) : []);
  } catch (error) {
    if (error instanceof SyntaxError || isSmcError(error)) return new Map();
    throw error;
  }
}

async function writeAttempts(store: Pick<Store, "path">, known: Map<string, number>): Promise<void> {
  try {
    await createFolder(join(store.path, "cache"));
    await replaceFile(pathOf(store), JSON.stringify([...known].slice(-ATTEMPTS_MAX)), { durable: false });
  } catch (error) {
    // A disk that is full, or takes no writes, keeps nobody from pushing.
    if (!isSmcError(error)) throw error;
  }
}
