/** A remote as a walk sees it, which also notes what the walk came by. */
import type { Call } from "../call.ts";
import { readRecords } from "../check/read-records.ts";
import type { WalkSource } from "../check/walk.ts";
import { isDamage, SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { Chunklist } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import type { RemoteRow } from "./remote.ts";
import type { RemoteRecords } from "./remote-records.ts";

export class RemoteSource implements WalkSource<RemoteRow> {
  /** What is needed of each pack. */
  readonly packs = new Map<Digest, Map<Digest, RemoteRow>>();
  /** Blobs of several chunks, and their lists. */
  readonly lists = new Map<Digest, Digest>();
  /** Blobs of one chunk. */
  readonly singles = new Map<Digest, RemoteRow>();
  readonly #records: RemoteRecords;
  readonly #store: OwnedStore | undefined;

  /** Trees, commits, tags and lists that `store` has are read from there; what they hold is the same. */
  constructor(records: RemoteRecords, store: OwnedStore | undefined) {
    this.#records = records;
    this.#store = store;
  }

  get where(): string {
    return this.#records.url;
  }

  async find(digests: readonly Digest[]): Promise<(RemoteRow | undefined)[]> {
    const rows = await this.#records.find(digests);
    // A blob of several chunks is no record.
    const found = rows.map((row, index) => (row?.digest === digests[index] ? row : undefined));
    for (const row of found) this.#note(row);
    return found;
  }

  async findLists(blobs: readonly Digest[]): Promise<(RemoteRow | undefined)[]> {
    const rows = await this.#records.find(blobs);
    const lists = rows.map((row) => (row?.kind === "chunklist" ? row : undefined));
    for (const row of rows) if (row?.kind === "chunk") this.singles.set(row.digest, row);
    for (const row of lists) this.#note(row);
    return lists;
  }

  #note(row: RemoteRow | undefined): void {
    if (row === undefined) return;
    const known = this.packs.get(row.pack);
    if (known === undefined) this.packs.set(row.pack, new Map([[row.digest, row]]));
    else known.set(row.digest, row);
  }

  async read(
    wanted: readonly { readonly digest: Digest; readonly place: RemoteRow }[],
    call: Call,
  ): Promise<(Uint8Array | SmcError)[]> {
    const known = await this.#inStore(
      wanted.map(({ digest }) => digest),
      call,
    );
    const rest = wanted.filter(({ digest }) => !known.has(digest));
    const read = await this.#records.read(rest.map(({ place }) => place));
    const answers = new Map(rest.map(({ digest }, index) => [digest, read[index]]));
    return wanted.map(
      ({ digest }) =>
        known.get(digest) ?? answers.get(digest) ?? new SmcError("OBJECT_MISSING", `${digest} was not read`),
    );
  }

  async #inStore(digests: readonly Digest[], call: Call): Promise<Map<Digest, Uint8Array>> {
    const store = this.#store;
    if (store === undefined) return new Map();
    using _ = store.objects.readers.enter();
    const places = await store.index.findMany(digests);
    const there = digests.flatMap((digest, index) => {
      const place = places[index];
      return place === undefined ? [] : [{ digest, place }];
    });
    const raws = await readRecords(store, there, call);
    return new Map(
      there.flatMap(({ digest }, index) => {
        const raw = raws[index];
        return raw instanceof Uint8Array ? [[digest, raw] as const] : [];
      }),
    );
  }

  async chunklist(blob: Digest, list: Digest): Promise<Chunklist> {
    this.lists.set(blob, list);
    const store = this.#store;
    if (store === undefined || (await store.index.find(list)) === undefined)
      return this.#records.chunklist(blob, list);
    try {
      return await store.objects.chunklist(blob, list);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return this.#records.chunklist(blob, list);
    }
  }
}
