/** What is live: everything from the roots down to the chunks and what those are stored against. */
import type { Call } from "../call.ts";
import { Damaged } from "../check/damaged.ts";
import { Walk, walkSource } from "../check/walk.ts";
import { SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { Root } from "./roots.ts";

/**
 * The live objects of a store. Fails closed: an object that is missing or cannot be read ends it with OBJECT_MISSING,
 * and nothing may be removed then.
 */
export class Mark {
  readonly #store: OwnedStore;
  readonly #damaged = new Damaged();
  readonly #walk: Walk;
  /** Of what commands rely on a part may still be on its way; what is not there cannot be taken away. */
  readonly #pinned: Walk;
  readonly #fresh: ReadonlySet<Digest>;

  /**
   * Of commits in `pruned` the trees stay, and files only where something else needs them. Those in `fresh` still have
   * their files.
   */
  constructor(
    store: OwnedStore,
    call: Call,
    { pruned = [], fresh = [] }: { pruned?: Iterable<Digest>; fresh?: Iterable<Digest> } = {},
  ) {
    this.#store = store;
    this.#fresh = new Set(fresh);
    const all = new Set([...pruned, ...this.#fresh]);
    const about = { damaged: this.#damaged, pruned: all, phase: "mark" };
    this.#walk = new Walk(walkSource(store), about, call);
    this.#pinned = new Walk(walkSource(store), { ...about, isPartial: true }, call);
  }

  /** Digests of commits, trees, tags, chunklists and chunks (a small blob is its one chunk), and of blobs. */
  get live(): Pick<Walk, "has"> {
    return { has: (digest) => this.#walk.has(digest) || this.#pinned.has(digest) };
  }

  /** Marks a root of any kind and all it needs. */
  async add({ digest, from }: Root): Promise<void> {
    await this.#walk.visit({ digest, kind: "unknown", root: from, path: "" });
    this.#assertSound();
  }

  /**
   * As `add`, but what is not in the store is left out: a pin may be of something that is about to be stored, and so
   * may be what that needs.
   */
  async addPin(digest: Digest): Promise<void> {
    const root = "a running command";
    if (this.#fresh.has(digest)) {
      // A command took up a version that was about to lose its files: for once they stay.
      const { tree } = await readCommit(this.#store, digest);
      await this.#pinned.visit({ digest: tree, kind: "tree", root, path: "" });
    }
    if (this.live.has(digest)) return;
    const place = await this.#store.index.find(digest);
    if (place?.kind === "chunk") await this.#pinned.visitChunks([digest]);
    else if (place?.kind === "chunklist") await this.#pinned.visitList(digest, place);
    else if (place !== undefined || (await this.#store.index.findChunklist(digest)) !== undefined)
      await this.#pinned.visit({ digest, kind: "unknown", root, path: "" });
    this.#assertSound();
  }

  #assertSound(): void {
    if (this.#damaged.isEmpty) return;
    const [broken] = this.#damaged.objects();
    const [record] = this.#damaged.records();
    const what = broken === undefined ? `${record} ${this.#damaged.whyOf(record as Digest)}` : broken.message;
    const [needer = "something"] = broken?.needers ?? [];
    throw new SmcError("OBJECT_MISSING", `${what}; it is needed by ${needer}. Nothing was removed`, {
      hint: 'see "smc fsck" for all that is wrong, "smc undelete" for what gc took away',
    });
  }
}
