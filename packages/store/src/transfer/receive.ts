/**
 * Brings what some refs of a remote need into the store: commits, then trees, lists, chunks. Stops at what the refs
 * here reach already, which is whole. At the end every blob's SHA-256 is computed anew from its chunks.
 */
import { type Call, createPacer, type Pacer } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { readCommit, readTag } from "../history/graph.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import { DigestSet } from "../objects/digest-set.ts";
import { type Chunk, type Chunklist, decodeTree, encodeChunklist } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { recordBytes } from "../pack/format.ts";
import type { Piece } from "../pool/tasks.ts";
import { hashBlob } from "./hash-blob.ts";
import { Intake } from "./intake.ts";
import type { PackSource, RemoteRow } from "./remote.ts";
import { RemoteRecords } from "./remote-records.ts";
import { WholeCommits } from "./whole-commits.ts";

/** Digests that are looked up, or asked for, at a time. */
const BATCH = 4096;
/** Records that a remote named unasked and that are fetched with those that were asked for. */
const EXTRA_BYTES_MAX = 16 * 1024 * 1024;
const ROWS_MAX = 2_000_000;

export interface ReceiveOptions {
  readonly want: readonly Digest[];
  /** Commits here that are whole with all their ancestors: what refs name. */
  readonly have: readonly Digest[];
  /** Commits there that gave up their files. */
  readonly pruned: ReadonlySet<Digest>;
  /** Blobs of which the source has computed the SHA-256 from the chunks of the lists that it told of. */
  readonly proven?: ReadonlySet<Digest>;
}

export interface Received {
  readonly objects: number;
  readonly bytes: number;
  /** That it took to bring them. */
  readonly ms: number;
  readonly verifiedBlobs: number;
  /** New commits without their files. */
  readonly pruned: readonly Digest[];
}

/**
 * Throws REMOTE_INCOMPLETE, OBJECT_CORRUPT, REMOTE_FAILED; whole packs that arrived by then stay, until gc takes them
 * away.
 */
export async function receive(
  store: OwnedStore,
  remote: PackSource,
  options: ReceiveOptions,
  call: Call,
): Promise<Received> {
  await using intake = new Intake(store, remote, call);
  await using records = new RemoteRecords({ store, remote, isAlone: false }, call);
  const receiver = new Receiver({ store, remote, intake, records, call }, options);
  const startedMs = performance.now();
  await receiver.commits();
  await receiver.trees();
  await receiver.lists();
  await receiver.chunks();
  const ms = Math.round(performance.now() - startedMs);
  const verifiedBlobs = await receiver.verify();
  return {
    objects: intake.objects + receiver.listed,
    bytes: intake.receivedBytes + records.receivedBytes,
    ms,
    verifiedBlobs,
    pruned: receiver.pruned,
  };
}

/** What a remote says a blob is made of. */
interface NewList {
  readonly row: RemoteRow;
  readonly list: Chunklist;
}

interface Parts {
  readonly store: OwnedStore;
  readonly remote: PackSource;
  readonly intake: Intake;
  readonly records: RemoteRecords;
  readonly call: Call;
}

class Receiver {
  readonly pruned: Digest[] = [];
  readonly #parts: Parts;
  readonly #options: ReceiveOptions;
  readonly #pace: Pacer;
  readonly #whole: WholeCommits;
  /** Trees and blobs of commits that are here. */
  readonly #known = new DigestSet();
  readonly #boundary: Digest[] = [];
  readonly #trees: Digest[] = [];
  readonly #outlines: Digest[] = [];
  readonly #blobs = new Set<Digest>();
  /** Records that the remote told of unasked. */
  readonly #extra = new Map<Digest, RemoteRow>();
  readonly #wanted = new Map<Digest, RemoteRow>();
  /** Blobs whose lists are stored. */
  readonly #here: Digest[] = [];
  /** Of the other blobs. */
  readonly #lists = new Map<Digest, NewList>();

  constructor(parts: Parts, options: ReceiveOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#pace = createPacer(parts.call);
    this.#whole = new WholeCommits(parts.store, options.have, parts.call);
  }

  /** Level by level from the tips down to what is here. */
  async commits(): Promise<void> {
    const { store } = this.#parts;
    const seen = new DigestSet();
    for (let level = [...this.#options.want]; level.length > 0;) {
      const fresh = level.filter((digest) => seen.add(digest));
      await this.#ensure(fresh, "object");
      level = [];
      for (const digest of fresh) {
        const kind = (await store.objects.stat(digest))?.kind;
        if (kind === "tag") level.push((await readTag(store, digest)).target);
        else if (kind === "tree") this.#trees.push(digest);
        else if (kind === "blob" || this.#blobs.has(digest)) this.#blobs.add(digest);
        else if (await this.#whole.has(digest)) this.#boundary.push(digest);
        else level.push(...(await this.#commit(digest)));
        await this.#pace();
      }
    }
  }

  async #commit(digest: Digest): Promise<readonly Digest[]> {
    const { tree, parents } = await readCommit(this.#parts.store, digest);
    if (this.#options.pruned.has(digest)) {
      this.pruned.push(digest);
      this.#outlines.push(tree);
    } else this.#trees.push(tree);
    return parents;
  }

  async trees(): Promise<void> {
    const { store } = this.#parts;
    const known: Digest[] = [];
    for (const digest of this.#boundary) known.push((await readCommit(store, digest)).tree);
    await this.#walkTrees(known, (digest) => this.#known.add(digest));
    await this.#walkTrees(this.#trees, (digest) => {
      if (!this.#known.has(digest)) this.#blobs.add(digest);
    });
    await this.#walkTrees(this.#outlines, () => undefined);
  }

  async #walkTrees(roots: readonly Digest[], onBlob: (digest: Digest) => void): Promise<void> {
    const { store } = this.#parts;
    const isNew = new DigestSet();
    for (let level = [...roots]; level.length > 0;) {
      const fresh = level.filter((digest) => !this.#known.has(digest) && isNew.add(digest));
      await this.#ensure(fresh, "tree");
      level = [];
      for (const digest of fresh) {
        for (const entry of decodeTree(await store.objects.read(digest, "tree"))) {
          if (entry.mode === "040000") level.push(entry.digest);
          else onBlob(entry.digest);
        }
        await this.#pace();
      }
    }
  }

  /**
   * What the blobs are made of: chunks, or lists of them. A list says of itself whose it is, so it is only read: it is
   * stored when its chunks were seen to give that blob.
   */
  async lists(): Promise<void> {
    const { store } = this.#parts;
    for (const blobs of batches([...this.#blobs])) {
      store.pins.add(blobs);
      const lists = await store.index.findChunklists(blobs);
      this.#here.push(...blobs.filter((_, index) => lists[index] !== undefined));
      const single = blobs.filter((_, index) => lists[index] === undefined);
      const places = await store.index.findMany(single);
      const asked = single.filter((_, index) => places[index]?.kind !== "chunk");
      const proven: RemoteRow[] = [];
      for (const [index, row] of (await this.#locate(asked, "blob")).entries()) {
        const blob = asked[index] as Digest;
        if (row.kind === "chunk") this.#want(row);
        else if (row.kind !== "chunklist" || row.blob !== blob) throw this.#lacks(blob, "blob");
        else if (this.#isProven(blob)) proven.push(row);
        else this.#lists.set(blob, { row, list: await this.#readList(blob, row) });
        await this.#pace();
      }
      await this.#take(proven);
      this.#here.push(...proven.flatMap(({ blob }) => blob ?? []));
    }
  }

  #isProven(blob: Digest): boolean {
    return this.#options.proven?.has(blob) === true;
  }

  async #readList(blob: Digest, { digest }: RemoteRow): Promise<Chunklist> {
    try {
      return await this.#parts.records.chunklist(blob, digest);
    } catch (error) {
      throw isSmcError(error, "OBJECT_MISSING") ? this.#lacks(blob, "the list of blob", error) : error;
    }
  }

  async chunks(): Promise<void> {
    const { store, intake } = this.#parts;
    const seen = new DigestSet();
    for (const blob of this.#here) {
      const list = await store.index.findChunklist(blob);
      if (list === undefined) throw this.#lacks(blob, "blob");
      await this.#wantChunks((await store.objects.chunklist(blob, list.digest)).chunks, seen);
    }
    for (const { list } of this.#lists.values()) await this.#wantChunks(list.chunks, seen);
    for (let rows = [...this.#wanted.values()]; rows.length > 0;) {
      const before = this.#wanted.size;
      const parents = new Set(rows.flatMap((row) => row.parents ?? []));
      await this.#wantMissing([...parents].filter((digest) => !this.#wanted.has(digest)));
      rows = [...this.#wanted.values()].slice(before);
    }
    await intake.take([...this.#wanted.values()]);
  }

  async #wantChunks(chunks: readonly Chunk[], seen: DigestSet): Promise<void> {
    await this.#wantMissing(chunks.map(({ digest }) => digest).filter((digest) => seen.add(digest)));
    await this.#pace();
  }

  /** Lists that were stored. */
  get listed(): number {
    return this.#lists.size;
  }

  async #wantMissing(digests: readonly Digest[]): Promise<void> {
    const { store } = this.#parts;
    for (const part of batches(digests)) {
      store.pins.add(part);
      const places = await store.index.findMany(part);
      const missing = part.filter(
        (digest, index) => places[index] === undefined && !this.#wanted.has(digest),
      );
      for (const row of await this.#locate(missing, "chunk")) {
        if (row.kind !== "chunk") throw this.#lacks(row.digest, "chunk");
        this.#want(row);
      }
    }
  }

  #want(row: RemoteRow): void {
    this.#wanted.set(row.digest, row);
    if (this.#wanted.size > ROWS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `more than ${ROWS_MAX} objects to fetch; no ref was moved`, {
        hint: "fetch an older tag first, then the rest",
      });
  }

  /** The chunks that a list names must give its blob; then the list is stored, durable when it returns. */
  async verify(): Promise<number> {
    const { store } = this.#parts;
    const blobs = [...this.#here.filter((blob) => !this.#isProven(blob)), ...this.#lists.keys()];
    let done = 0;
    await inLanes(blobs, store.pool.size, async (blob) => {
      await this.#prove(blob);
      done += 1;
      this.#parts.call.onProgress({ phase: "verify", done, total: blobs.length, unit: "objects" });
    });
    if (this.#lists.size > 0) {
      await using session = store.writePacks("fetch");
      for (const { list } of this.#lists.values()) {
        await session.putRecord("chunklist", encodeChunklist(list));
        await this.#pace();
      }
      await session.finish();
    }
    return this.#blobs.size;
  }

  /** Throws OBJECT_CORRUPT. */
  async #prove(blob: Digest): Promise<void> {
    const { store, remote, call } = this.#parts;
    using _ = store.objects.readers.enter();
    const found = this.#lists.get(blob);
    const places =
      found === undefined ? (await store.objects.blob(blob)).pieces : await this.#pieces(blob, found);
    // What is stored was verified when it came.
    const pieces = places.map((piece) => ({ ...piece, isVerified: true }));
    const digest = await hashBlob(store, { blob, pieces }, { signal: call.signal });
    if (digest === blob) return;
    const pack = found?.row.pack;
    throw new SmcError(
      "OBJECT_CORRUPT",
      `${remote.url}: the chunks of blob ${blob} give ${digest}; no ref was moved`,
      pack === undefined ? {} : { details: { pack } },
    );
  }

  async #pieces(blob: Digest, { row, list: { chunks } }: NewList): Promise<Piece[]> {
    const places = await this.#parts.store.objects.placesOf([...new Set(chunks.map(({ digest }) => digest))]);
    const pieces: Piece[] = [];
    let at = 0;
    for (const { digest, sizeBytes } of chunks) {
      const place = places.get(digest);
      if (place === undefined) throw this.#lacks(digest, "chunk");
      if (place.span.rawBytes !== sizeBytes)
        throw new SmcError(
          "OBJECT_CORRUPT",
          `blob ${blob}: chunk ${digest} does not have ${sizeBytes} bytes`,
          {
            details: { pack: row.pack },
          },
        );
      pieces.push({ ...place, at });
      at += sizeBytes;
    }
    return pieces;
  }

  /** Fetches those commits, trees and tags that are not here. */
  async #ensure(digests: readonly Digest[], what: string): Promise<void> {
    const { store } = this.#parts;
    for (const part of batches(digests)) {
      store.pins.add(part);
      const places = await store.index.findMany(part);
      const blobs = await store.index.findChunklists(part);
      const missing = part.filter((_, index) => places[index] === undefined && blobs[index] === undefined);
      const rows = await this.#locate(missing, what);
      await this.#take(rows.filter(({ kind }) => kind !== "chunk" && kind !== "chunklist"));
      for (const [index, { kind }] of rows.entries())
        if (kind === "chunk" || kind === "chunklist") this.#blobs.add(missing[index] as Digest);
    }
  }

  /** A row for each, or REMOTE_INCOMPLETE. */
  async #locate(digests: readonly Digest[], what: string): Promise<RemoteRow[]> {
    const { remote, call } = this.#parts;
    const unknown = digests.filter((digest) => !this.#extra.has(digest));
    if (unknown.length > 0) {
      for (const row of await remote.locate(unknown, call)) {
        this.#extra.set(row.digest, row);
        if (row.blob !== undefined) this.#extra.set(row.blob, row);
      }
    }
    return digests.map((digest) => {
      const row = this.#extra.get(digest);
      if (row === undefined) throw this.#lacks(digest, what);
      return row;
    });
  }

  /** Together with what lies beside them and will be asked for next. */
  async #take(rows: readonly RemoteRow[]): Promise<void> {
    if (rows.length === 0) return;
    const { store, intake } = this.#parts;
    const packs = new Set(rows.map(({ pack }) => pack));
    const chosen = new Map(rows.map((row) => [row.digest, row]));
    let extraBytes = 0;
    const beside = new Map<Digest, RemoteRow>();
    for (const row of this.#extra.values()) {
      // A list says of itself whose it is: only one that was asked for is taken, for a blob that is not here.
      if (row.kind === "chunk" || row.kind === "chunklist") continue;
      if (!packs.has(row.pack) || chosen.has(row.digest)) continue;
      extraBytes += recordBytes(row.storedBytes);
      if (extraBytes > EXTRA_BYTES_MAX) break;
      beside.set(row.digest, row);
    }
    store.pins.add(beside.keys());
    for (const part of batches([...beside.values()])) {
      const places = await store.index.findMany(part.map(({ digest }) => digest));
      for (const [index, row] of part.entries()) if (places[index] === undefined) chosen.set(row.digest, row);
    }
    await intake.take([...chosen.values()]);
  }

  #lacks(digest: Digest, what: string, cause?: unknown): SmcError {
    const { url } = this.#parts.remote;
    return new SmcError("REMOTE_INCOMPLETE", `${url} lacks ${what} ${digest}; no ref was moved`, {
      details: { missing: digest },
      cause,
    });
  }
}

function batches<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += BATCH) parts.push(items.slice(from, from + BATCH));
  return parts;
}
