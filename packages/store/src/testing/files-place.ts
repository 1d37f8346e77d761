/** For tests: where verbs that deal with files of people work. */
import { join } from "node:path";
import { SmcError } from "../errors.ts";
import type { WebPlace } from "../verbs/catalog.ts";
import { owned } from "./two-stores.ts";
import type { Bench } from "./worktree.ts";

export function placeOf(bench: Bench): WebPlace {
  return {
    store: bench.store,
    folder: bench.root,
    root: bench.root,
    models: join(bench.root, "data", "models"),
    actor: "Ada <ada@example.org>",
    web: webOf({}),
    openRepository: () => Promise.resolve(owned(bench)),
  };
}

/** A web of these files, by their addresses; `asked` are the addresses that somebody downloaded from. */
export function webOf(
  files: Readonly<Record<string, string>>,
): WebPlace["web"] & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    download: async ({ url, part }) => {
      asked.push(url);
      const text = files[url];
      if (text === undefined) throw new SmcError("REMOTE_FAILED", "it answered 404");
      await part.begin(undefined);
      await part.write(Buffer.from(text));
    },
  };
}
