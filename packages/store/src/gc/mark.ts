/** Follows everything from its roots down to the chunks and what those are stored against. */
import { type Call, createPacer, type Pacer } from "../call.ts";
import type { Place } from "../db/object-index.ts";
import type { Digest } from "../objects/digest.ts";
import { DigestSet } from "../objects/digest-set.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { decodeCommit, decodeTag, decodeTree } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import type { Root } from "./roots.ts";

/** Chunks asked of the index at a time. */
const LOOKUP_MAX = 1024;

/** An outline is a tree without the files in it. */
type Kind = "commit" | "tree" | "outline" | "tag" | "blob" | "unknown";

interface Step extends Root {
  readonly kind: Kind;
}

/**
 * The live objects of a store. Fails closed: an object that is missing or cannot be read ends it with
 * OBJECT_MISSING, OBJECT_CORRUPT …, and a caller that then removes anything has lost its senses.
 */
export class Mark {
  /** Digests of commits, trees, tags, chunklists and chunks (a small blob is its one chunk). */
  readonly live = new DigestSet();
  readonly #store: OwnedStore;
  readonly #call: Call;
  readonly #pace: Pacer;
  readonly #pruned: ReadonlySet<Digest>;
  readonly #fresh: ReadonlySet<Digest>;
  /** What was followed with all it needs; of a tree that is live as an outline only, not yet. */
  readonly #done = new DigestSet();
  readonly #stack: Step[] = [];

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
    this.#pruned = new Set([...pruned, ...fresh]);
    this.#call = call;
    this.#pace = createPacer(call);
  }

  /** Marks a root of any kind and all it needs. */
  async add(root: Root): Promise<void> {
    await this.#run({ ...root, kind: "unknown" });
    this.#call.onProgress({ phase: "mark", done: this.live.size, unit: "objects" });
  }

  async #run(first: Step): Promise<void> {
    this.#push(first);
    for (let step = this.#stack.pop(); step !== undefined; step = this.#stack.pop()) {
      await this.#visit(step);
      await this.#pace();
    }
  }

  /** As `add`, but what is not in the store is left out: a pin may be of something that is about to be stored. */
  async addPin(digest: Digest): Promise<void> {
    if (this.#fresh.has(digest)) await this.#keepFiles(digest);
    if (this.live.has(digest)) return;
    const place = await this.#store.index.find(digest);
    if (place?.kind === "chunk" || place?.kind === "chunklist")
      return this.#chunks([[digest, place]], "a command");
    if (place === undefined && (await this.#store.index.findChunklist(digest)) === undefined) return;
    await this.add({ digest, from: "a command" });
  }

  /** A command took up a version that was about to lose its files: for once they stay. */
  async #keepFiles(commit: Digest): Promise<void> {
    const { tree } = decodeCommit(await this.#store.objects.read(commit, "commit"));
    await this.#run({ digest: tree, kind: "tree", from: "a command" });
  }

  #push(step: Step): void {
    if (!this.#isDone(step)) this.#stack.push(step);
  }

  #isDone({ digest, kind }: Step): boolean {
    return this.#done.has(digest) || (kind === "outline" && this.live.has(digest));
  }

  async #visit(step: Step): Promise<void> {
    if (this.#isDone(step)) return;
    try {
      const kind = step.kind === "unknown" ? await this.#kindOf(step.digest) : step.kind;
      if (kind === "commit") await this.#commit(step);
      else if (kind === "tree" || kind === "outline") await this.#tree({ ...step, kind });
      else if (kind === "tag") await this.#tag(step);
      else await this.#blob(step);
    } catch (error) {
      if (!isSmcError(error) || error.code === "CANCELED") throw error;
      const code = error.code === "OBJECT_NOT_FOUND" ? "OBJECT_MISSING" : error.code;
      throw new SmcError(code, `${error.message}; it is needed by ${step.from}. Nothing was removed`, {
        cause: error,
        hint: 'see "smc fsck" for all that is wrong; "smc undelete" brings back what gc took away',
      });
    }
  }

  async #kindOf(digest: Digest): Promise<Kind> {
    const found = (await this.#store.objects.stat(digest))?.kind;
    if (found === undefined) throw new SmcError("OBJECT_MISSING", `the store does not have ${digest}`);
    return found === "chunk" || found === "chunklist" ? "blob" : found;
  }

  async #commit({ digest, from }: Step): Promise<void> {
    const { parents, tree } = decodeCommit(await this.#store.objects.read(digest, "commit"));
    this.live.add(digest);
    this.#done.add(digest);
    for (const parent of parents) this.#push({ digest: parent, kind: "commit", from });
    this.#push({ digest: tree, kind: this.#pruned.has(digest) ? "outline" : "tree", from });
  }

  async #tree({ digest, kind, from }: Step): Promise<void> {
    const entries = decodeTree(await this.#store.objects.read(digest, "tree"));
    this.live.add(digest);
    if (kind === "tree") this.#done.add(digest);
    for (const { digest: child, mode } of entries) {
      if (mode === "040000") this.#push({ digest: child, kind, from });
      else if (kind === "tree") this.#push({ digest: child, kind: "blob", from });
    }
  }

  async #tag({ digest, from }: Step): Promise<void> {
    const { target, targetKind } = decodeTag(await this.#store.objects.read(digest, "tag"));
    this.live.add(digest);
    this.#done.add(digest);
    this.#push({ digest: target, kind: targetKind, from });
  }

  async #blob({ digest, from }: Step): Promise<void> {
    const { index, objects } = this.#store;
    this.#done.add(digest);
    const list = await index.findChunklist(digest);
    if (list === undefined) return this.#chunks([[digest, await index.find(digest)]], from);
    const { chunks } = await objects.chunklist(digest, list.digest);
    for (let at = 0; at < chunks.length; at += LOOKUP_MAX) {
      const digests = chunks.slice(at, at + LOOKUP_MAX).map((chunk) => chunk.digest);
      const places = await index.findMany(digests);
      await this.#chunks(
        digests.map((chunk, number) => [chunk, places[number]]),
        from,
      );
      await this.#pace();
    }
    this.live.add(list.digest);
  }

  /** Chunks, then what those are stored against, and so on. */
  async #chunks(found: readonly (readonly [Digest, Place | undefined])[], from: string): Promise<void> {
    const parents = new Set<Digest>();
    for (const [digest, place] of found) {
      if (place === undefined)
        throw new SmcError("OBJECT_MISSING", `chunk ${digest} is not in the store (${from})`);
      this.live.add(digest);
      for (const parent of place.parents ?? []) if (!this.live.has(parent)) parents.add(parent);
    }
    if (parents.size === 0) return;
    const digests = [...parents];
    const places = await this.#store.index.findMany(digests);
    await this.#chunks(
      digests.map((digest, number) => [digest, places[number]]),
      from,
    );
  }
}
