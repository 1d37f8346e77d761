/** Operations, the states that they start from and what they lead to; made once per test file. */
import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Children } from "./children.ts";

const MEMORY_BYTES_MIN = 512 * 1024 * 1024;

/** SMC_PROOF=long runs everything; otherwise a sample that CI has the time for. */
export const IS_LONG = process.env.SMC_PROOF === "long";
/** For what does not lose power: where writing is quick. */
export const IN_MEMORY = hasRoom("/dev/shm") ? "/dev/shm" : tmpdir();

function hasRoom(path: string): boolean {
  if (!existsSync(path)) return false;
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize >= MEMORY_BYTES_MIN;
}

/** Processes at a time. */
export const AT_ONCE = 2;

interface State {
  readonly refs: readonly string[];
  readonly files: Readonly<Record<string, string>>;
}

export interface Expected {
  readonly before: State;
  readonly after: State;
  readonly middle: readonly (readonly string[])[];
}

export interface Start {
  readonly name: string;
  /** The folder with `home` and `desk`. */
  readonly folder: string;
  /** Calls of fs.ts. */
  readonly calls: number;
  readonly expected: Expected;
}

export interface Workshop extends AsyncDisposable {
  readonly folder: string;
  readonly children: Children;
  readonly starts: readonly Start[];
}

/** Builds what every operation starts from. `dist`: another build of the store. */
export async function openWorkshop(
  names: readonly string[],
  options: { dist?: string; parent?: string } = {},
): Promise<Workshop> {
  const folder = mkdtempSync(join(options.parent ?? tmpdir(), "smc-proof-"));
  const children = new Children({ count: AT_ONCE, quick: true, ...options });
  const starts: Start[] = [];
  const workshop: Workshop = {
    folder,
    children,
    starts,
    async [Symbol.asyncDispose]() {
      await children[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    const base = join(folder, "base");
    if (names.length > 0) await children.run("base", { folder: base });
    for (const name of names) {
      const start = join(folder, `start ${name}`);
      await children.run("arrange", { name, base, folder: start });
      const slot = join(folder, "measure");
      const { calls, expected } = await children.run<{ calls: number; expected: Expected }>("measure", {
        name,
        start,
        folder: slot,
      });
      starts.push({ name, folder: start, calls, expected });
    }
    return workshop;
  } catch (error) {
    await workshop[Symbol.asyncDispose]();
    throw error;
  }
}

/** Work for several children at a time, in the order of the list. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, lane: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lanes = Array.from({ length: width }, async (_, lane) => {
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      await work(item, lane);
    }
  });
  await Promise.all(lanes);
}

/** Numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** As many of the items as wanted, evenly over the list and the same for the same seed. */
export function sample<T>(items: readonly T[], wanted: number, random: () => number): T[] {
  if (items.length <= wanted) return [...items];
  const step = items.length / wanted;
  return Array.from({ length: wanted }, (_, index) => items[Math.floor((index + random()) * step)] as T);
}
