/** Packs of a quarantine as what a push is taken from. */
import type { Call } from "../call.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { ByteRange } from "../store.ts";
import { proveList } from "./prove-list.ts";
import { goneFromHere, type Quarantine } from "./quarantine.ts";
import type { PackSource, RemoteRow } from "./remote.ts";

/** Remembers what became of the packs. */
export class QuarantineSource implements PackSource {
  readonly url = "the push";
  /** Packs of which something was read. */
  readonly read = new Set<Digest>();
  /** Records of packs that were moved away. */
  readonly moved = new Set<Digest>();
  /** Of those packs the ones whose records were verified. */
  readonly #verified = new Set<Digest>();
  /** Blobs whose SHA-256 was computed from the chunks of the lists that were told of. */
  readonly proven = new Set<Digest>();
  readonly #store: OwnedStore;
  readonly #quarantine: Quarantine;

  constructor(store: OwnedStore, quarantine: Quarantine) {
    this.#store = store;
    this.#quarantine = quarantine;
  }

  /**
   * With a commit, tree or tag come all of its pack. A list is told of only to who asks for its blob, and when its
   * chunks give that blob: who has it believes it. Throws OBJECT_CORRUPT, REMOTE_INCOMPLETE.
   */
  async locate(digests: readonly Digest[], call: Call): Promise<readonly RemoteRow[]> {
    const rows = new Map<Digest, RemoteRow>();
    const packs = new Set<Digest>();
    const lists: RemoteRow[] = [];
    for (const digest of digests) {
      const row = this.#quarantine.row(digest);
      const list = this.#quarantine.list(digest);
      if (row !== undefined && row.kind !== "chunklist") {
        rows.set(digest, row);
        if (row.kind !== "chunk") packs.add(row.pack);
      } else if (list !== undefined) lists.push(list);
    }
    await this.#prove(lists, call);
    for (const list of lists) rows.set(list.digest, list);
    for (const pack of packs)
      for (const row of this.#quarantine.objectsOf(pack))
        if (!rows.has(row.digest)) rows.set(row.digest, row);
    return [...rows.values()];
  }

  async #prove(lists: readonly RemoteRow[], call: Call): Promise<void> {
    let done = 0;
    await inLanes(lists, this.#store.pool.size, async (list) => {
      this.read.add(list.pack);
      await proveList({ store: this.#store, quarantine: this.#quarantine }, list, call);
      if (list.blob !== undefined) this.proven.add(list.blob);
      done += 1;
      call.onProgress({ phase: "verify", done, total: lists.length, unit: "objects" });
    });
  }

  rowsOf(name: Digest): readonly RemoteRow[] {
    return this.#quarantine.pack(name)?.rows ?? [];
  }

  packBytes(name: Digest): Promise<number> {
    const pack = this.#quarantine.pack(name);
    return pack === undefined ? Promise.reject(goneFromHere(name)) : Promise.resolve(pack.sizeBytes);
  }

  statPack(name: Digest): Promise<number | undefined> {
    return Promise.resolve(this.#quarantine.pack(name)?.sizeBytes);
  }

  readPack(name: Digest, range: ByteRange, call: Call): AsyncIterable<Uint8Array> {
    this.read.add(name);
    return this.#quarantine.readPack(name, range, call);
  }

  async movePack(name: Digest, path: string): Promise<boolean> {
    const { rows, isVerified } = await this.#quarantine.move(name, path);
    for (const { digest } of rows) this.moved.add(digest);
    if (isVerified) this.#verified.add(name);
    return true;
  }

  isVerified(name: Digest): boolean {
    return this.#verified.has(name);
  }
}
