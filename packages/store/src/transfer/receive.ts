/**
 * Brings what some refs of a remote need into the store: commits, then trees, lists, chunks. Stops at what the refs here reach
 * already, which is whole. At the end every blob's SHA-256 is computed anew from its chunks.
 */
import { type Call, createPacer, type Pacer } from "../call.ts";
import { SmcError } from "../errors.ts";
import { readCommit, readTag, walk } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import { DigestSet } from "../objects/digest-set.ts";
import { decodeTree } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { recordBytes } from "../pack/format.ts";
import { Intake } from "./intake.ts";
import type { PackSource, RemoteRow } from "./remote.ts";

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
  readonly verifiedBlobs: number;
  /** New commits without their files. */
  readonly pruned: readonly Digest[];
}

/** Throws REMOTE_INCOMPLETE, OBJECT_CORRUPT, REMOTE_FAILED; whole packs that arrived by then stay, until gc takes them away. */
export async function receive(
  store: OwnedStore,
  remote: PackSource,
  options: ReceiveOptions,
  call: Call,
): Promise<Received> {
  await using intake = new Intake(store, remote, call);
  const receiver = new Receiver({ store, remote, intake, call }, options);
  await receiver.commits();
  await receiver.trees();
  await receiver.lists();
  await receiver.chunks();
  const verifiedBlobs = await receiver.verify();
  return { objects: intake.objects, bytes: intake.receivedBytes, verifiedBlobs, pruned: receiver.pruned };
}

interface Parts {
  readonly store: OwnedStore;
  readonly remote: PackSource;
  readonly intake: Intake;
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
  readonly #chunked: Digest[] = [];

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
        else if (kind === "blob") this.#blobs.add(digest);
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

  /** What the blobs are made of: chunks, or lists of them. */
  async lists(): Promise<void> {
    const { store } = this.#parts;
    for (const blobs of batches([...this.#blobs])) {
      store.pins.add(blobs);
      const lists = await store.index.findChunklists(blobs);
      const single = blobs.filter((_, index) => lists[index] === undefined);
      const places = await store.index.findMany(single);
      const rows = await this.#locate(
        single.filter((_, index) => places[index]?.kind !== "chunk"),
        "blob",
      );
      for (const row of rows) if (row.kind === "chunk") this.#want(row);
      await this.#takeLists(rows, single);
    }
    for (const blobs of batches([...this.#blobs])) {
      const lists = await store.index.findChunklists(blobs);
      this.#chunked.push(...blobs.filter((_, index) => lists[index] !== undefined));
      const lost = blobs.find((blob, index) => lists[index] === undefined && !this.#wanted.has(blob));
      if (lost !== undefined && (await store.index.find(lost))?.kind !== "chunk")
        throw this.#lacks(lost, "blob");
    }
  }

  async chunks(): Promise<void> {
    const { store, intake } = this.#parts;
    const seen = new DigestSet();
    for (const blob of this.#chunked) {
      const list = await store.index.findChunklist(blob);
      if (list === undefined) throw this.#lacks(blob, "blob");
      const { chunks } = await store.objects.chunklist(blob, list.digest);
      await this.#wantMissing(chunks.map(({ digest }) => digest).filter((digest) => seen.add(digest)));
      await this.#pace();
    }
    for (let rows = [...this.#wanted.values()]; rows.length > 0;) {
      const before = this.#wanted.size;
      const parents = new Set(rows.flatMap((row) => row.parents ?? []));
      await this.#wantMissing([...parents].filter((digest) => !this.#wanted.has(digest)));
      rows = [...this.#wanted.values()].slice(before);
    }
    await intake.take([...this.#wanted.values()]);
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

  /** The blobs that came: the chunks that their lists name must give their digests. */
  async verify(): Promise<number> {
    const { store, call } = this.#parts;
    const { proven } = this.#options;
    const unproven = this.#chunked.filter((blob) => proven?.has(blob) !== true);
    let done = 0;
    await inLanes(unproven, store.pool.size, async (blob) => {
      using _ = store.objects.readers.enter();
      const { pieces } = await store.objects.blob(blob);
      const found = await store.pool.run("hashPieces", { pieces }, { signal: call.signal });
      if (found !== blob)
        throw new SmcError(
          "OBJECT_CORRUPT",
          `${this.#parts.remote.url}: the chunks of blob ${blob} give ${found}`,
        );
      done += 1;
      call.onProgress({ phase: "verify", done, total: unproven.length, unit: "objects" });
    });
    return this.#blobs.size;
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
      for (const row of rows) if (row.kind === "chunk") this.#want(row);
      await this.#takeLists(rows, missing);
    }
  }

  /** Lists of these blobs, and no others. */
  async #takeLists(rows: readonly RemoteRow[], blobs: readonly Digest[]): Promise<void> {
    const asked = new Set<Digest | undefined>(blobs);
    await this.#take(rows.filter(({ kind, blob }) => kind === "chunklist" && asked.has(blob)));
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

  #lacks(digest: Digest, what: string): SmcError {
    const { url } = this.#parts.remote;
    return new SmcError("REMOTE_INCOMPLETE", `${url} lacks ${what} ${digest}; no ref was moved`, {
      details: { missing: digest },
    });
  }
}

/** Which commits are whole with all their ancestors. Reads no more of the history than it has to. */
class WholeCommits {
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

function batches<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += BATCH) parts.push(items.slice(from, from + BATCH));
  return parts;
}
