/**
 * Single records of a remote, verified: they are brought into a folder that is removed again, and decoded with what
 * they are differences to. The store is not changed.
 */
import { createHash } from "node:crypto";
import type { Call } from "../call.ts";
import { isDamage, isSmcError, SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { type Chunklist, decodeChunklist } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { recordBytes, type RecordRow } from "../pack/format.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import { linkPlaces, type Located } from "./chains.ts";
import { Downloads } from "./downloads.ts";
import { assertRemoteRow, type PackSource, type RemoteRow } from "./remote.ts";

/** Records that describe the data are brought together with those beside them, up to so many bytes. */
const BESIDE_BYTES_MAX = 16 * 1024 * 1024;
/** Times that such records were brought whose files are kept. */
const KEPT_MAX = 8;
/** Stored bytes of chunks that are brought at a time, and how many chunks that may be. */
const WINDOW = { bytes: 32 * 1024 * 1024, chunks: 1024 };
/** Chunks that are in memory at a time. */
const READ_MAX = 4;

/** Where records are that were brought, by digest; those that could not be had are not in it. */
type Places = ReadonlyMap<Digest, ChunkPlace>;

interface Kept {
  readonly downloads: Downloads;
  readonly places: Places;
}

export interface RemoteRecordsOptions {
  readonly store: OwnedStore;
  readonly remote: PackSource;
  /** Reads nothing but the remote: what a record is a difference to is brought although the store has it. */
  readonly isAlone: boolean;
  /** Brings nothing but what is asked for. */
  readonly isExact?: boolean;
}

export class RemoteRecords implements AsyncDisposable {
  receivedBytes = 0;
  readonly #options: RemoteRecordsOptions;
  readonly #call: Call;
  /** By digest, and lists by their blobs too. */
  readonly #rows = new Map<Digest, RemoteRow>();
  /** Of each pack all that is known but chunks. */
  readonly #beside = new Map<Digest, RemoteRow[]>();
  readonly #kept: Kept[] = [];
  readonly #faults = new Map<Digest, Promise<string | undefined>>();

  constructor(options: RemoteRecordsOptions, call: Call) {
    this.#options = options;
    this.#call = call;
  }

  get url(): string {
    return this.#options.remote.url;
  }

  /** In order; of a blob of several chunks it is the list. Undefined for what the remote does not have. */
  async find(digests: readonly Digest[]): Promise<(RemoteRow | undefined)[]> {
    const unknown = digests.filter((digest) => !this.#rows.has(digest));
    if (unknown.length > 0)
      for (const row of await this.#options.remote.locate(unknown, this.#call)) this.#learn(row);
    return digests.map((digest) => this.#rows.get(digest));
  }

  #learn(row: RemoteRow): void {
    if (this.#rows.has(row.digest)) return;
    assertRemoteRow(row);
    this.#rows.set(row.digest, row);
    if (row.blob !== undefined) this.#rows.set(row.blob, row);
    if (row.kind === "chunk") return;
    const beside = this.#beside.get(row.pack);
    if (beside === undefined) this.#beside.set(row.pack, [row]);
    else beside.push(row);
  }

  /** Why nothing of this pack can be read: it is gone, or not as long as it was. */
  faultOf(pack: Digest): Promise<string | undefined> {
    const known = this.#faults.get(pack) ?? this.#compare(pack);
    this.#faults.set(pack, known);
    return known;
  }

  async #compare(pack: Digest): Promise<string | undefined> {
    const { remote } = this.#options;
    const found = await remote.statPack(pack, this.#call);
    const expected = await remote.packBytes(pack, this.#call);
    if (found === expected) return undefined;
    return found === undefined ? "the pack is gone" : `${found} bytes instead of ${expected}`;
  }

  /** In order: verified raw bytes, or why there are none (exit 4). */
  async read(rows: readonly RemoteRow[]): Promise<(Uint8Array | SmcError)[]> {
    const places = await this.#described(rows);
    await using downloads = this.downloads();
    const chunks = rows.filter((row) => !places.has(row.digest));
    const brought = await this.#bring(chunks, { downloads, isAlone: this.#options.isAlone });
    const all = new Map([...places, ...brought]);
    try {
      return await this.#decode(rows, all);
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    const each: (Uint8Array | SmcError)[] = [];
    for (const row of rows) each.push(...(await this.#decode([row], all).catch(orDamage)));
    return each;
  }

  /** Places of those that are no chunks; what lies beside them is likely to be read next. */
  async #described(rows: readonly RemoteRow[]): Promise<Map<Digest, ChunkPlace>> {
    const wanted = rows.filter(({ kind }) => kind !== "chunk");
    const places = new Map<Digest, ChunkPlace>();
    const chosen = new Map<Digest, RemoteRow>();
    for (const row of wanted) {
      const place = this.#kept.find((kept) => kept.places.has(row.digest))?.places.get(row.digest);
      if (place === undefined) chosen.set(row.digest, row);
      else places.set(row.digest, place);
    }
    if (chosen.size === 0) return places;
    let bytes = 0;
    const packs = this.#options.isExact === true ? [] : [...chosen.values()].map((row) => row.pack);
    for (const pack of new Set(packs)) {
      for (const row of this.#beside.get(pack) ?? []) {
        bytes += recordBytes(row.storedBytes);
        if (bytes < BESIDE_BYTES_MAX) chosen.set(row.digest, row);
      }
    }
    const downloads = this.downloads();
    const kept = { downloads, places: await this.#bring([...chosen.values()], { downloads, isAlone: true }) };
    this.#kept.push(kept);
    for (const { digest } of wanted) {
      const place = kept.places.get(digest);
      if (place !== undefined) places.set(digest, place);
    }
    if (this.#kept.length > KEPT_MAX) await this.#forget(this.#kept.shift());
    return places;
  }

  async #forget(kept: Kept | undefined): Promise<void> {
    await kept?.downloads[Symbol.asyncDispose]();
  }

  /** Throws what is damaged first, OBJECT_MISSING for a row without a place. */
  async #decode(rows: readonly RemoteRow[], places: Places): Promise<Uint8Array[]> {
    const { store, isAlone } = this.#options;
    const task = { signal: this.#call.signal, onlyThere: true };
    using _ = store.objects.readers.enter();
    try {
      return [...(await store.pool.run("read", { places: await this.#all(rows, places) }, task))];
    } catch (error) {
      // What a record is a difference to may be damaged in the store and be whole there.
      if (isAlone || !isDamage(error) || rows.every(({ parents }) => parents === undefined)) throw error;
    }
    await using downloads = this.downloads();
    const alone = await this.#bring(rows, { downloads, isAlone: true });
    return [...(await store.pool.run("read", { places: await this.#all(rows, alone) }, task))];
  }

  async #all(rows: readonly RemoteRow[], places: Places): Promise<ChunkPlace[]> {
    const all: ChunkPlace[] = [];
    for (const { digest, pack } of rows) {
      const place = places.get(digest);
      const fault = (await this.faultOf(pack)) ?? "what it is a difference to cannot be had";
      if (place === undefined)
        throw new SmcError("OBJECT_MISSING", `${digest} in pack ${pack} of ${this.url}: ${fault}`);
      all.push(place);
    }
    return all;
  }

  /** Throws OBJECT_CORRUPT, OBJECT_MISSING. */
  async chunklist(blob: Digest, list: Digest): Promise<Chunklist> {
    const [row] = await this.find([list]);
    const [raw] = row === undefined ? [] : await this.read([row]);
    if (raw === undefined || isSmcError(raw)) throw raw ?? this.#lacks(list);
    const decoded = decodeChunklist(raw);
    if (decoded.blob === blob) return decoded;
    throw new SmcError("OBJECT_CORRUPT", `the chunklist of ${blob} belongs to ${decoded.blob}`);
  }

  /** SHA-256 of what these chunks give one after the other. Throws OBJECT_CORRUPT, OBJECT_MISSING. */
  async hash(chunks: readonly Digest[]): Promise<string> {
    const hash = createHash("sha256");
    for (let from = 0; from < chunks.length;) {
      const rows: RemoteRow[] = [];
      const found = await this.find(chunks.slice(from, from + WINDOW.chunks));
      for (let bytes = 0; rows.length < found.length && bytes < WINDOW.bytes;) {
        const row = found[rows.length];
        if (row === undefined) throw this.#lacks(chunks[from + rows.length]);
        rows.push(row);
        bytes += recordBytes(row.storedBytes);
      }
      await using downloads = this.downloads();
      const places = await this.#bring(rows, { downloads, isAlone: this.#options.isAlone });
      for (let at = 0; at < rows.length; at += READ_MAX)
        for (const raw of await this.#decode(rows.slice(at, at + READ_MAX), places)) hash.update(raw);
      from += rows.length;
    }
    return hash.digest("hex");
  }

  /**
   * Where the parents of the records of a downloaded pack are: in it, in the store, or brought; the others are left
   * out.
   */
  async parentsIn(
    { path, rows }: { path: string; rows: readonly RecordRow[] },
    { downloads, isAlone }: { downloads: Downloads; isAlone: boolean },
  ): Promise<Map<Digest, readonly ChunkPlace[]>> {
    const inside = new Set(rows.map(({ digest }) => digest));
    const outside = new Set(
      rows.flatMap(({ parents = [] }) => parents).filter((digest) => !inside.has(digest)),
    );
    const places = isAlone ? new Map<Digest, ChunkPlace>() : await this.#inStore([...outside]);
    const rest = await this.find([...outside].filter((digest) => !places.has(digest)));
    const brought = await this.#bring(
      rest.filter((row) => row !== undefined),
      { downloads, isAlone },
    );
    const spans = rows.map((span) => ({ pack: path, span }));
    const linked = linkPlaces(spans, new Map([...places, ...brought]));
    return new Map(
      rows.flatMap(({ digest }) => {
        const parents = linked.get(digest)?.parents;
        return parents === undefined ? [] : [[digest, parents] as const];
      }),
    );
  }

  async #inStore(digests: readonly Digest[]): Promise<Map<Digest, ChunkPlace>> {
    const { store } = this.#options;
    store.pins.add(digests);
    try {
      return await store.objects.placesOf(digests);
    } catch (error) {
      if (isDamage(error)) return new Map();
      throw error;
    }
  }

  /** Downloads these records and what they are differences to. */
  async #bring(
    rows: readonly RemoteRow[],
    { downloads, isAlone }: { downloads: Downloads; isAlone: boolean },
  ): Promise<Places> {
    const byPack = new Map<Digest, RemoteRow[]>();
    const seen = new Set<Digest>();
    const here = new Map<Digest, ChunkPlace>();
    for (let level = rows; level.length > 0;) {
      const fresh = level.filter(({ digest }) => !seen.has(digest) && seen.add(digest));
      for (const row of fresh) {
        const known = byPack.get(row.pack);
        if (known === undefined) byPack.set(row.pack, [row]);
        else known.push(row);
      }
      const parents = [...new Set(fresh.flatMap((row) => row.parents ?? []))].filter(
        (digest) => !seen.has(digest),
      );
      if (!isAlone) for (const [digest, place] of await this.#inStore(parents)) here.set(digest, place);
      const next = await this.find(parents.filter((digest) => !here.has(digest)));
      level = next.filter((row) => row !== undefined);
    }
    const spans: Located[] = [];
    for (const [pack, wanted] of byPack) {
      if ((await this.faultOf(pack)) !== undefined) continue;
      const { path, rows: moved } = await downloads.take(pack, wanted);
      for (const row of moved) spans.push({ pack: path, span: row });
    }
    return linkPlaces(spans, here);
  }

  /** A folder of its own, counted in `receivedBytes`. */
  downloads(): Downloads {
    const { store, remote } = this.#options;
    const { onProgress, signal } = this.#call;
    const before = this.receivedBytes;
    return new Downloads(
      { store, remote },
      {
        signal,
        onProgress: (progress) => {
          this.receivedBytes = Math.max(this.receivedBytes, before + progress.done);
          onProgress({ phase: "receive", done: this.receivedBytes, unit: "bytes" });
        },
      },
    );
  }

  #lacks(digest: Digest | undefined): SmcError {
    return new SmcError("OBJECT_MISSING", `${this.url} lacks ${digest}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const kept of this.#kept) await this.#forget(kept);
  }
}

function orDamage(error: unknown): [SmcError] {
  if (isDamage(error)) return [error];
  throw error;
}
