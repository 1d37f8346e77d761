/** Which commits are here with all that they need: what refs reach. */
import type { Call } from "../call.ts";
import { walk } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { DigestSet } from "../objects/digest-set.ts";
import type { OwnedStore } from "../open-store.ts";

/** Which commits are whole with all their ancestors. Reads no more of the history than it has to. */
export class WholeCommits {
  readonly #store: OwnedStore;
  readonly #tips: readonly Digest[];
  readonly #call: Call;
  readonly #seen = new DigestSet();
  #rest: AsyncIterator<{ digest: Digest }> | undefined;

  constructor(store: OwnedStore, tips: readonly Digest[], call: Call) {
    this.#store = store;
    this.#tips = tips;
    this.#call = call;
  }

  async has(digest: Digest): Promise<boolean> {
    this.#rest ??= walk(this.#store, { from: await this.#commits() }, this.#call);
    if (this.#seen.has(digest)) return true;
    for (let next = await this.#rest.next(); next.done !== true; next = await this.#rest.next()) {
      this.#seen.add(next.value.digest);
      if (next.value.digest === digest) return true;
    }
    return false;
  }

  async #commits(): Promise<Digest[]> {
    const commits = new Set<Digest>();
    for (const tip of this.#tips) {
      const commit = await commitOfRef(this.#store, tip);
      if (commit !== undefined) commits.add(commit);
    }
    return [...commits];
  }
}
