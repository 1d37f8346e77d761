/**
 * Follows objects to every chunk, and chunks to what they are stored against: what is there is live, what is not is
 * reported with the ref, commit and path that need it. Reads in batches, and keeps 32 bytes for each object.
 */
import { type Call, createPacer, type Pacer } from "../call.ts";
import type { Place } from "../db/object-index.ts";
import { isDamage, isSmcError, SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import {
  type Chunk,
  type Chunklist,
  decodeChunklist,
  decodeCommit,
  decodeTag,
  decodeTree,
} from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import type { RecordKind } from "../pack/format.ts";
import { type Damaged } from "./damaged.ts";
import { DigestSet } from "../objects/digest-set.ts";
import { readRecords } from "./read-records.ts";

/** Objects that are looked up and read together. */
const BATCH = 256;
const BATCH_BYTES = 8 * 1024 * 1024;
const LOOKUP_MAX = 1000;

export interface WalkCounts {
  refs: number;
  commits: number;
  trees: number;
  tags: number;
  blobs: number;
}

/** An outline is a tree of which only the folders must be there: of a version that gave up its files. */
type Kind = "commit" | "tree" | "outline" | "tag" | "blob" | "unknown";

export interface Step {
  readonly digest: Digest;
  readonly kind: Kind;
  /** "repository ref" or "worktree path": where the walk came from. */
  readonly root: string;
  /** "commit <digest> /path" below it, or the start of that. */
  readonly path: string;
}

export interface WalkAbout {
  readonly damaged: Damaged;
  /** Commits of which the trees must be there, and no blobs. */
  readonly pruned: ReadonlySet<Digest>;
  /** For progress: "check", "mark". */
  readonly phase: string;
  /** What is missing is passed over: it may be on its way. What is damaged is reported all the same. */
  readonly isPartial?: boolean;
}

/** What a walk has to know of a record before it reads it. */
export interface WalkPlace {
  readonly kind: RecordKind;
  readonly rawBytes: number;
  readonly parents?: readonly Digest[];
}

/** Where a walk finds records and reads them. */
export interface WalkSource<P extends WalkPlace> {
  /** For people: "the store". */
  readonly where: string;
  find(digests: readonly Digest[]): Promise<readonly (P | undefined)[]>;
  /** The lists of these blobs; undefined for one that has none. */
  findLists(blobs: readonly Digest[]): Promise<readonly ({ readonly digest: Digest } | undefined)[]>;
  /** In order: verified raw bytes, or why there are none (exit 4). */
  read(
    wanted: readonly { readonly digest: Digest; readonly place: P }[],
    call: Call,
  ): Promise<readonly (Uint8Array | SmcError)[]>;
  /** Throws OBJECT_CORRUPT, OBJECT_MISSING. */
  chunklist(blob: Digest, list: Digest): Promise<Chunklist>;
}

/** A store as a walk sees it. */
export function walkSource(store: OwnedStore): WalkSource<Place> {
  return {
    where: "the store",
    find: (digests) => store.index.findMany(digests),
    findLists: (blobs) => store.index.findChunklists(blobs),
    read: (wanted, call) => readRecords(store, wanted, call),
    chunklist: (blob, list) => store.objects.chunklist(blob, list),
  };
}

export class Walk<P extends WalkPlace = Place> {
  readonly counts: WalkCounts = { refs: 0, commits: 0, trees: 0, tags: 0, blobs: 0 };
  readonly #source: WalkSource<P>;
  readonly #damaged: Damaged;
  readonly #call: Call;
  readonly #pace: Pacer;
  readonly #pruned: ReadonlySet<Digest>;
  readonly #phase: string;
  readonly #isPartial: boolean;
  readonly #seen = new DigestSet();
  readonly #outlines = new DigestSet();
  readonly #chunks = new DigestSet();
  readonly #lists = new DigestSet();
  readonly #stack: Step[] = [];
  #blobs: Step[] = [];

  constructor(source: WalkSource<P>, about: WalkAbout, call: Call) {
    this.#source = source;
    this.#damaged = about.damaged;
    this.#pruned = about.pruned;
    this.#phase = about.phase;
    this.#isPartial = about.isPartial === true;
    this.#call = call;
    this.#pace = createPacer(call);
  }

  /** Everything below one ref or one entry of a stage that was not visited before. */
  async visit(step: Step): Promise<void> {
    this.#push(step);
    await this.#run();
  }

  /** As `visit`, for chunks alone. */
  async visitChunks(digests: readonly Digest[]): Promise<void> {
    await this.#checkChunks(digests);
  }

  /** A list of chunks, and its chunks. Throws OBJECT_CORRUPT, OBJECT_MISSING. */
  async visitList(digest: Digest, place: P): Promise<void> {
    if (!this.#lists.add(digest)) return;
    const [raw] = await this.#source.read([{ digest, place }], this.#call);
    if (raw === undefined || isSmcError(raw))
      throw raw ?? new SmcError("OBJECT_MISSING", `no list ${digest}`);
    await this.#checkChunks(decodeChunklist(raw).chunks.map((chunk) => chunk.digest));
  }

  /** True for every record, and every blob, that a visit has come by. */
  has(digest: Digest): boolean {
    return (
      this.#chunks.has(digest) ||
      this.#seen.has(digest) ||
      this.#lists.has(digest) ||
      this.#outlines.has(digest)
    );
  }

  #push(step: Step): void {
    if (!this.#damaged.isEmpty) this.#damaged.addNeeder(step.digest, () => `${step.root} ${step.path}`);
    const isNew =
      step.kind === "outline"
        ? !this.#seen.has(step.digest) && this.#outlines.add(step.digest)
        : this.#seen.add(step.digest);
    if (!isNew) return;
    if (step.kind === "blob") this.#blobs.push(step);
    else this.#stack.push(step);
  }

  async #run(): Promise<void> {
    while (this.#stack.length > 0 || this.#blobs.length > 0) {
      if (this.#blobs.length >= LOOKUP_MAX || this.#stack.length === 0) await this.#checkBlobs();
      else await this.#readBatch();
      const done = this.#seen.size + this.#outlines.size - this.#stack.length - this.#blobs.length;
      this.#call.onProgress({ phase: this.#phase, done, unit: "objects" });
      await this.#pace();
    }
  }

  async #readBatch(): Promise<void> {
    const steps = this.#stack.splice(-BATCH);
    const places = await this.#source.find(steps.map(({ digest }) => digest));
    let part: { step: Step; place: P }[] = [];
    let partBytes = 0;
    for (const [index, step] of steps.entries()) {
      const place = places[index];
      if (place === undefined || place.kind === "chunk" || place.kind === "chunklist") {
        this.#wrongKind(step, place);
        continue;
      }
      part.push({ step, place });
      partBytes += place.rawBytes;
      if (partBytes < BATCH_BYTES) continue;
      await this.#read(part);
      part = [];
      partBytes = 0;
    }
    await this.#read(part);
  }

  /** No tree, commit or tag: right only where a ref or a tag may name a blob. */
  #wrongKind(step: Step, place: P | undefined): void {
    if (step.kind === "unknown" && (place === undefined || place.kind === "chunk")) {
      this.#blobs.push({ ...step, kind: "blob" });
      return;
    }
    if (place === undefined && this.#isPartial) return;
    const message =
      place === undefined
        ? `there is no ${step.kind} ${step.digest} in ${this.#source.where}`
        : `object ${step.digest} is a ${place.kind}, not a ${step.kind}`;
    this.#report(step, message, [step.digest]);
  }

  async #read(part: readonly { step: Step; place: P }[]): Promise<void> {
    if (part.length === 0) return;
    const wanted = part.map(({ step, place }) => ({ digest: step.digest, place }));
    const raws = await this.#source.read(wanted, this.#call);
    for (const [index, raw] of raws.entries()) {
      const entry = part[index];
      if (entry === undefined) continue;
      const { step, place } = entry;
      try {
        if (isSmcError(raw)) throw raw;
        if (!isKind(step.kind, place)) this.#wrongKind(step, place);
        else this.#follow(step, place, raw);
        const known = this.#damaged.whyOf(step.digest);
        if (known !== undefined) this.#report(step, known, [step.digest]);
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.#report(step, error.message, [step.digest]);
      }
      await this.#pace();
    }
  }

  #follow({ digest, kind: asked, root, path }: Step, place: P, raw: Uint8Array): void {
    const short = digest.slice(0, 12);
    if (place.kind === "commit") {
      const commit = decodeCommit(raw);
      this.counts.commits += 1;
      for (const parent of commit.parents)
        this.#push({ digest: parent, kind: "commit", root, path: `parent of commit ${short}` });
      const kind = this.#pruned.has(digest) ? "outline" : "tree";
      this.#push({ digest: commit.tree, kind, root, path: `commit ${short} ` });
    } else if (place.kind === "tree") {
      this.counts.trees += 1;
      for (const entry of decodeTree(raw)) {
        const isTree = entry.mode === "040000";
        if (asked === "outline" && !isTree) continue;
        const kind = !isTree ? "blob" : asked === "outline" ? "outline" : "tree";
        // Only joined, never looked into: a path may be very long, and most are never shown.
        this.#push({ digest: entry.digest, kind, root, path: `${path}/${entry.name}` });
      }
    } else {
      const tag = decodeTag(raw);
      this.counts.tags += 1;
      this.#push({ digest: tag.target, kind: tag.targetKind, root, path: `tag ${tag.name}` });
    }
  }

  #report(step: Step, message: string, records: readonly Digest[]): void {
    this.#damaged.report(step.digest, { message, records, needer: () => `${step.root} ${step.path}` });
  }

  async #checkBlobs(): Promise<void> {
    const blobs = this.#blobs.splice(0, LOOKUP_MAX);
    const lists = await this.#source.findLists(blobs.map(({ digest }) => digest));
    this.counts.blobs += blobs.length;
    const single = blobs.filter((_, index) => lists[index] === undefined);
    await this.#checkChunks(single.map(({ digest }) => digest));
    for (const step of single) this.#judge(step, [step.digest], "blob");
    const several = blobs.flatMap((step, index) => ({ step, list: lists[index] }));
    for (const { step, list } of several) {
      if (list === undefined) continue;
      await this.#pace();
      this.#lists.add(list.digest);
      const chunks = await this.#chunksOf(step, list.digest);
      if (chunks === undefined) continue;
      const digests = [...new Set(chunks.map(({ digest }) => digest))];
      await this.#checkChunks(digests);
      this.#judge(step, [list.digest, ...digests], "chunk");
    }
  }

  /** Undefined, and reported, when the list cannot be read. */
  async #chunksOf(step: Step, list: Digest): Promise<readonly Chunk[] | undefined> {
    try {
      return (await this.#source.chunklist(step.digest, list)).chunks;
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (error.code !== "OBJECT_MISSING" || !this.#isPartial) this.#report(step, error.message, [list]);
      return undefined;
    }
  }

  #judge(step: Step, records: readonly Digest[], what: "blob" | "chunk"): void {
    const bad = this.#damaged.isEmpty
      ? []
      : records.filter((digest) => this.#damaged.whyOf(digest) !== undefined);
    const [first] = bad;
    if (first === undefined) return;
    const why = this.#damaged.whyOf(first) ?? "";
    const isMissing = why === MISSING;
    const message =
      what === "blob"
        ? isMissing
          ? `there is no blob ${step.digest} in ${this.#source.where}`
          : why
        : isMissing
          ? `blob ${step.digest} needs ${first}, which ${this.#source.where} does not have`
          : `blob ${step.digest} needs ${first}: ${why}`;
    this.#report(step, message, bad);
  }

  /** Notes which of these chunks, or of the chunks they are a difference to, the index does not have. */
  async #checkChunks(digests: readonly Digest[]): Promise<void> {
    const fresh = digests.filter((digest) => this.#chunks.add(digest));
    for (let from = 0; from < fresh.length; from += LOOKUP_MAX) {
      const part = fresh.slice(from, from + LOOKUP_MAX);
      const places = await this.#source.find(part);
      const parents = places.flatMap((place) => place?.parents ?? []);
      // Not without end: a chunk that was seen is not looked at again.
      if (parents.length > 0) await this.#checkChunks(parents);
      for (const [index, digest] of part.entries()) {
        const place = places[index];
        const lost = place?.parents?.find((parent) => this.#damaged.whyOf(parent) !== undefined);
        if (place === undefined && this.#isPartial) continue;
        if (place === undefined || place.kind !== "chunk") this.#damaged.mark(digest, MISSING);
        else if (lost !== undefined) this.#damaged.mark(digest, `its parent ${lost} cannot be read`);
      }
    }
  }
}

function isKind(asked: Kind, { kind }: WalkPlace): boolean {
  return asked === "unknown" || asked === kind || (asked === "outline" && kind === "tree");
}

const MISSING = "is missing";
