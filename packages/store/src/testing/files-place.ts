/** For tests: where verbs that deal with files of people work. */
import { join } from "node:path";
import type { FilesPlace } from "../layout/folders.ts";
import { owned } from "./two-stores.ts";
import type { Bench } from "./worktree.ts";

export function placeOf(bench: Bench): FilesPlace {
  return {
    store: bench.store,
    folder: bench.root,
    root: bench.root,
    models: join(bench.root, "data", "models"),
    actor: "Ada <ada@example.org>",
    openRepository: () => Promise.resolve(owned(bench)),
  };
}
