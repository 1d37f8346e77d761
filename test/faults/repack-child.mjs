/** Repacks the store that is named, after it said that it is open. */
import { openStore, repack } from "@smc/store";

const store = await openStore(process.argv[2]);
process.stdout.write("open\n");
await repack(store, { again: true }, { signal: new AbortController().signal, onProgress: () => undefined });
await store[Symbol.asyncDispose]();
