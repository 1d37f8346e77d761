/**
 * A remote as a source of copies: only the records that are wanted move, and what turns out to be missing below them.
 */
import type { Call } from "../call.ts";
import type { ChunkSource, FoundRecord, Wanted } from "../check/sources.ts";
import { readPruned } from "../history/pruned.ts";
import type { Digest } from "../objects/digest.ts";
import { decodeChunklist, decodeCommit, decodeTag, decodeTree } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import type { Remote, RemoteRow } from "./remote.ts";
import { RemoteRecords } from "./remote-records.ts";

/** Raw bytes that are in memory at a time, and records looked up. */
const PART = { bytes: 16 * 1024 * 1024, records: 256 };

export class RemoteCopies implements ChunkSource {
  readonly #store: OwnedStore;
  readonly #remote: Remote;

  constructor({ store, remote }: { store: OwnedStore; remote: Remote }) {
    this.#store = store;
    this.#remote = remote;
  }

  async *find({ records: wanted }: Wanted, call: Call): AsyncIterable<FoundRecord> {
    const options = { store: this.#store, remote: this.#remote, isAlone: false, isExact: true };
    await using records = new RemoteRecords(options, call);
    const pruned = await readPruned(this.#store);
    const outlines = new Set(pruned.map(({ digest }) => digest));
    const seen = new Set<Digest>();
    let level = await this.#readable(wanted, records);
    while (level.length > 0) {
      const fresh = level.filter((digest) => !seen.has(digest) && seen.add(digest));
      const below: Digest[] = [];
      for await (const { row, raw } of this.#read(fresh, records)) {
        const found = { digest: row.digest, kind: row.kind, raw, from: `the remote ${this.#remote.url}` };
        // A blob whose list is lost is wanted by its own name.
        const instead = row.blob !== undefined && wanted.has(row.blob) ? row.blob : undefined;
        yield { ...found, isNeeded: true, ...(instead === undefined ? {} : { instead }) };
        below.push(...childrenOf(row, raw, outlines));
      }
      level = await this.#missing(below);
    }
  }

  /** Without differences whose parents are wanted too: when those are whole, the difference is likely to be. */
  async #readable(wanted: ReadonlySet<Digest>, records: RemoteRecords): Promise<Digest[]> {
    const all = [...wanted];
    const places = await this.#store.index.findMany(all);
    const parents = new Set(places.flatMap((place) => place?.parents ?? []).filter((one) => wanted.has(one)));
    const rows = await records.find([...parents]);
    const there = new Set([...parents].filter((_, index) => rows[index] !== undefined));
    return all.filter((_, index) => places[index]?.parents?.some((parent) => there.has(parent)) !== true);
  }

  async *#read(
    digests: readonly Digest[],
    records: RemoteRecords,
  ): AsyncIterable<{ row: RemoteRow; raw: Uint8Array }> {
    const rows = (await records.find(digests)).filter((row) => row !== undefined);
    for (let from = 0; from < rows.length;) {
      const part: RemoteRow[] = [];
      for (let bytes = 0; bytes < PART.bytes && part.length < PART.records;) {
        const row = rows[from + part.length];
        if (row === undefined) break;
        part.push(row);
        bytes += row.rawBytes;
      }
      from += part.length;
      for (const [index, raw] of (await records.read(part)).entries()) {
        const row = part[index];
        if (row !== undefined && raw instanceof Uint8Array) yield { row, raw };
      }
    }
  }

  /** Those that the store does not have; what it has and is damaged was found by the check. */
  async #missing(digests: readonly Digest[]): Promise<Digest[]> {
    const unique = [...new Set(digests)];
    const missing: Digest[] = [];
    for (let from = 0; from < unique.length; from += PART.records) {
      const part = unique.slice(from, from + PART.records);
      const places = await this.#store.index.findMany(part);
      const lists = await this.#store.index.findChunklists(part);
      missing.push(...part.filter((_, index) => places[index] === undefined && lists[index] === undefined));
    }
    return missing;
  }
}

/** Of an outline, which is a version that gave up its files, the folders only. */
function childrenOf({ digest, kind }: RemoteRow, raw: Uint8Array, outlines: Set<Digest>): Digest[] {
  if (kind === "chunklist") return decodeChunklist(raw).chunks.map((chunk) => chunk.digest);
  if (kind === "tag") return [decodeTag(raw).target];
  if (kind === "chunk") return [];
  const isOutline = outlines.has(digest);
  if (kind === "tree") {
    const entries = decodeTree(raw).filter(({ mode }) => !isOutline || mode === "040000");
    if (isOutline) for (const entry of entries) outlines.add(entry.digest);
    return entries.map((entry) => entry.digest);
  }
  const { tree, parents } = decodeCommit(raw);
  if (isOutline) outlines.add(tree);
  return [tree, ...parents];
}
