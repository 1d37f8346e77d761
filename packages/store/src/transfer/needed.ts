/** What a remote lacks of what some refs need: commits, trees, lists, chunks, and what those are stored against. */
import { type Call, createPacer } from "../call.ts";
import { SmcError } from "../errors.ts";
import { readCommit, readTag, walk } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { DigestSet } from "../objects/digest-set.ts";
import { decodeTree } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import type { Place } from "../db/object-index.ts";
import type { Remote } from "./remote.ts";

/** Digests that the remote is asked about at a time. */
const ASKED_MAX = 16_384;
const BLOBS_MAX = 1000;
/** Refs of the remote whose history is left out of the walk; the remote is asked about the rest anyway. */
const HAVE_MAX = 1000;
/** Records of one push; each takes about 300 bytes of memory. */
const RECORDS_MAX = 1_000_000;

/** A record that the remote lacks. */
export interface NeededRecord {
  readonly digest: Digest;
  readonly place: Place;
  /** Of a chunklist: its blob. */
  readonly blob?: Digest;
}

export interface Needed {
  readonly records: readonly NeededRecord[];
  /** Records that the remote has. */
  readonly there: number;
  /** Of all files that were asked about, each once, and of what the remote has of them. */
  readonly content: { readonly bytes: number; readonly thereBytes: number };
  /** Commits among them that gave up their files here. */
  readonly pruned: readonly Digest[];
}

export interface NeededOptions {
  readonly want: readonly Digest[];
  /** What refs of the remote name; it has everything below. */
  readonly have: readonly Digest[];
  /** Commits of which only the trees are here. */
  readonly pruned: ReadonlySet<Digest>;
  /** Records go as they are stored, with what they are differences to (the default), or as what they hold. */
  readonly form?: "stored" | "content";
}

/** Who is asked what it has. */
export type Receiver = Pick<Remote, "missing">;

/** Throws OBJECT_MISSING when this store lacks some of it, LIMIT_EXCEEDED. */
export async function collectNeeded(
  store: OwnedStore,
  remote: Receiver,
  options: NeededOptions,
  call: Call,
): Promise<Needed> {
  const collector = new Collector(store, remote, call);
  await collector.add(options);
  return collector.finish();
}

interface Item extends Omit<NeededRecord, "place"> {
  /** Of a chunk: of the content of files. */
  readonly contentBytes?: number;
}

interface Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

class Collector {
  readonly #store: OwnedStore;
  readonly #remote: Receiver;
  readonly #call: Call;
  readonly #pace: ReturnType<typeof createPacer>;
  readonly #seen = new DigestSet();
  readonly #records: NeededRecord[] = [];
  readonly #pruned: Digest[] = [];
  #waiting: Item[] = [];
  #blobs: Blob[] = [];
  #there = 0;
  readonly #content = { bytes: 0, thereBytes: 0 };
  #withParents = true;

  constructor(store: OwnedStore, remote: Receiver, call: Call) {
    this.#store = store;
    this.#remote = remote;
    this.#call = call;
    this.#pace = createPacer(call);
  }

  async add({ want, have, pruned, form = "stored" }: NeededOptions): Promise<void> {
    this.#withParents = form === "stored";
    this.#store.pins.add(want);
    const commits: Digest[] = [];
    for (const digest of want) await this.#addRoot(digest, commits);
    const exclude: Digest[] = [];
    for (const digest of have.slice(0, HAVE_MAX)) {
      const isHere = (await this.#store.objects.stat(digest)) !== undefined;
      const commit = isHere ? await commitOfRef(this.#store, digest) : undefined;
      if (commit !== undefined) exclude.push(commit);
    }
    for await (const { digest } of walk(this.#store, { from: commits, exclude }, this.#call)) {
      await this.#offer({ digest });
      if (pruned.has(digest)) this.#pruned.push(digest);
      await this.#addTree((await readCommit(this.#store, digest)).tree, pruned.has(digest));
    }
  }

  async #addRoot(root: Digest, commits: Digest[]): Promise<void> {
    for (let digest = root; ;) {
      const { kind, sizeBytes = 0 } = (await this.#store.objects.stat(digest)) ?? {};
      if (kind === "commit") commits.push(digest);
      else if (kind === "tree") await this.#addTree(digest, false);
      else if (kind === "blob") this.#addBlob({ digest, sizeBytes });
      if (kind === undefined) throw missing(digest);
      if (kind !== "tag" || this.#seen.has(digest)) return;
      await this.#offer({ digest });
      digest = (await readTag(this.#store, digest)).target;
    }
  }

  /** An outline is without its files. */
  async #addTree(root: Digest, isOutline: boolean): Promise<void> {
    const stack = [root];
    for (let digest = stack.pop(); digest !== undefined; digest = stack.pop()) {
      const isNew = await this.#offer({ digest });
      // Seen as an outline it may still lack its files; the blobs themselves are seen once.
      if (!isNew && isOutline) continue;
      if (!isNew && !this.#outlines.delete(digest)) continue;
      if (isOutline) this.#outlines.add(digest);
      for (const entry of decodeTree(await this.#store.objects.read(digest, "tree"))) {
        if (entry.mode === "040000") stack.push(entry.digest);
        else if (!isOutline) this.#addBlob(entry);
      }
      if (this.#blobs.length >= BLOBS_MAX) await this.#flushBlobs();
      await this.#pace();
    }
  }

  readonly #outlines = new Set<Digest>();

  #addBlob({ digest, sizeBytes }: Blob): void {
    this.#blobs.push({ digest, sizeBytes });
  }

  async #flushBlobs(): Promise<void> {
    const blobs = this.#blobs.filter(({ digest }) => !this.#seen.has(digest));
    this.#blobs = [];
    const digests = blobs.map(({ digest }) => digest);
    this.#store.pins.add(digests);
    const lists = await this.#store.index.findChunklists(digests);
    for (const [index, { digest: blob, sizeBytes }] of blobs.entries()) {
      const list = lists[index];
      if (list === undefined) {
        await this.#offer({ digest: blob, contentBytes: sizeBytes });
        continue;
      }
      this.#seen.add(blob);
      await this.#offer({ digest: list.digest, blob });
      const { chunks } = await this.#store.objects.chunklist(blob, list.digest);
      for (const { digest, sizeBytes: contentBytes } of chunks) await this.#offer({ digest, contentBytes });
      await this.#pace();
    }
  }

  /** False when it was offered before. */
  async #offer(item: Item): Promise<boolean> {
    if (!this.#seen.add(item.digest)) return false;
    this.#waiting.push(item);
    if (this.#waiting.length >= ASKED_MAX) await this.#ask();
    return true;
  }

  async #ask(): Promise<void> {
    const items = this.#waiting;
    this.#waiting = [];
    const digests = items.map(({ digest }) => digest);
    this.#store.pins.add(digests);
    const isMissing = await this.#remote.missing(digests, this.#call);
    const wanted = items.filter((_, index) => isMissing[index] === 1);
    for (const [index, { contentBytes = 0 }] of items.entries()) {
      this.#content.bytes += contentBytes;
      if (isMissing[index] !== 1) this.#content.thereBytes += contentBytes;
    }
    this.#there += items.length - wanted.length;
    const places = await this.#store.index.findMany(wanted.map(({ digest }) => digest));
    for (const [index, item] of wanted.entries()) {
      const place = places[index];
      if (place === undefined) throw missing(item.digest);
      const { digest, blob } = item;
      this.#records.push({ digest, place, ...(blob === undefined ? {} : { blob }) });
      // It is sent as it is stored, so what it is a difference to has to be there too.
      for (const parent of this.#withParents ? (place.parents ?? []) : [])
        if (this.#seen.add(parent)) this.#waiting.push({ digest: parent });
    }
    if (this.#records.length > RECORDS_MAX) {
      throw new SmcError("LIMIT_EXCEEDED", `more than ${RECORDS_MAX} objects to send; nothing was sent`, {
        hint: "send an older tag first, then the rest",
      });
    }
    const done = this.#records.length + this.#there;
    this.#call.onProgress({ phase: "compare", done, unit: "objects" });
  }

  async finish(): Promise<Needed> {
    await this.#flushBlobs();
    while (this.#waiting.length > 0) await this.#ask();
    return { records: this.#records, there: this.#there, content: this.#content, pruned: this.#pruned };
  }
}

function missing(digest: Digest): SmcError {
  return new SmcError("OBJECT_MISSING", `the store lacks ${digest}; nothing was sent`, {
    hint: 'see "smc fsck", and "smc undelete" for what gc took away',
    details: { missing: digest },
  });
}
