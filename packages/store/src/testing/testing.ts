/** For tests: a store in a folder of its own, and a call that nobody watches. */
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import type { Call } from "../call.ts";
import { openStore, type OwnedStore } from "../open-store.ts";
import { withFolder } from "./folder.ts";

export { withFolder };

const signal = new AbortController().signal;
setMaxListeners(0, signal);

/** A call without progress that is never canceled. */
export const QUIET: Call = { signal, onProgress: () => undefined };

/** Processor time of this process so far: a clock that stands still while others have the processor. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Runs with a new store (below `folder`/store) that is closed and removed afterwards. */
export async function withStore<T>(run: (store: OwnedStore, folder: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    await using store = await openStore(join(folder, "store"), { create: true });
    return await run(store, folder);
  });
}
