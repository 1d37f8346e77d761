/** Whether everything that refs and stages need is there. */
import { type Call, createPacer } from "../call.ts";
import { readPruned } from "../history/pruned.ts";
import type { OwnedStore } from "../open-store.ts";
import { show } from "../show.ts";
import type { Damaged } from "./damaged.ts";
import { knownStages } from "./stages.ts";
import { Walk, type WalkCounts, walkSource } from "./walk.ts";

/** Adds to `damaged` what is missing, and who needs it: one that does, or all up to the limit. Throws CANCELED. */
export async function checkConnectivity(
  store: OwnedStore,
  { damaged, everyNeeder }: { damaged: Damaged; everyNeeder: boolean },
  call: Call,
): Promise<WalkCounts> {
  let counts = await walkAll(store, damaged, call);
  // Whoever came by before the damage was known is told in a second round.
  if (everyNeeder && !damaged.isEmpty) counts = await walkAll(store, damaged, call);
  return counts;
}

async function walkAll(store: OwnedStore, damaged: Damaged, call: Call): Promise<WalkCounts> {
  const pruned = new Set((await readPruned(store)).map(({ digest }) => digest));
  const walk = new Walk(walkSource(store), { damaged, pruned, phase: "check" }, call);
  for (const { name: repository } of await store.refs.listRepositories()) {
    for (const { name, digest } of await store.refs.list(repository)) {
      walk.counts.refs += 1;
      await walk.visit({ digest, kind: "unknown", root: `${repository} ${name}`, path: "" });
    }
  }
  const pace = createPacer(call);
  const onFault = (message: string): void => damaged.addFault(message);
  for await (const { root, stage } of knownStages(store, onFault)) {
    for (const [path, { digest }] of stage.entries) {
      await walk.visit({ digest, kind: "blob", root: `stage of ${show(root)}`, path: `/${path}` });
      await pace();
    }
  }
  return walk.counts;
}
