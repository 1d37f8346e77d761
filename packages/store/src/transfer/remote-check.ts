/** Checks what a remote holds: that all that some roots need is there; with `full`, that every byte of it is right. */
import { type Call, throwIfCanceled } from "../call.ts";
import { Damaged } from "../check/damaged.ts";
import type { PackFault } from "../check/packs.ts";
import { type Step, Walk, type WalkCounts } from "../check/walk.ts";
import { isDamage } from "../errors.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { PackContents } from "../pack/reader.ts";
import type { Remote, RemoteRow } from "./remote.ts";
import { RemoteRecords } from "./remote-records.ts";
import { RemoteSource } from "./remote-walk.ts";

/** Packs whose sizes are asked for at a time. */
const LANES = 16;
const AFFECTED_MAX = 10;
/** Chunks that are in memory at a time. */
const SINGLES_MAX = 8;

export interface RemoteCheckOptions {
  readonly roots: readonly Omit<Step, "path">[];
  /** Commits there that gave up their files. */
  readonly pruned: ReadonlySet<Digest>;
  /**
   * `packs`: every byte of every pack that is needed. `files`: every byte of the files, and nothing that the store has.
   */
  readonly full: "packs" | "files" | undefined;
}

export interface RemoteProblem {
  readonly digest: Digest | null;
  readonly pack: Digest | null;
  readonly message: string;
  /** Refs, commits and paths that need it, at most ten. */
  readonly affects: readonly string[];
}

export interface RemoteReport {
  readonly damaged: Damaged;
  readonly problems: readonly RemoteProblem[];
  readonly counts: WalkCounts;
  readonly packs: number;
  /** That came from the remote, without its indexes. */
  readonly bytes: number;
}

/** The store and the remote are not changed. Throws what the remote throws, but for what it lacks. */
export async function checkRemote(
  { store, remote }: { store: OwnedStore; remote: Remote },
  options: RemoteCheckOptions,
  call: Call,
): Promise<RemoteReport> {
  const isAlone = options.full === "files";
  await using records = new RemoteRecords({ store, remote, isAlone }, call);
  const source = new RemoteSource(records, isAlone ? undefined : store);
  const check = new Check({ store, records, source }, options, call);
  await check.walk();
  await check.comparePacks();
  if (options.full === "packs") for (const [pack, rows] of source.packs) await check.readPack(pack, rows);
  if (options.full !== undefined) await check.hashBlobs();
  // Whoever came by before the damage was known is told in a second round.
  const { damaged } = check;
  const counts = damaged.isEmpty ? check.counts : await check.walk();
  const { receivedBytes: bytes } = records;
  return { damaged, problems: check.problems(), counts, packs: source.packs.size, bytes };
}

interface Parts {
  readonly store: OwnedStore;
  readonly records: RemoteRecords;
  readonly source: RemoteSource;
}

class Check {
  readonly damaged = new Damaged();
  counts: WalkCounts = { refs: 0, commits: 0, trees: 0, tags: 0, blobs: 0 };
  readonly #parts: Parts;
  readonly #options: RemoteCheckOptions;
  readonly #call: Call;
  readonly #faults: PackFault[] = [];

  constructor(parts: Parts, options: RemoteCheckOptions, call: Call) {
    this.#parts = parts;
    this.#options = options;
    this.#call = call;
  }

  async walk(): Promise<WalkCounts> {
    const { pruned, roots } = this.#options;
    const about = { damaged: this.damaged, pruned, phase: "check" };
    const walk = new Walk<RemoteRow>(this.#parts.source, about, this.#call);
    for (const root of roots) {
      walk.counts.refs += 1;
      await walk.visit({ ...root, path: "" });
    }
    this.counts = walk.counts;
    return walk.counts;
  }

  async comparePacks(): Promise<void> {
    const { records, source } = this.#parts;
    await inLanes([...source.packs.keys()], LANES, async (pack) => {
      const message = await records.faultOf(pack);
      if (message !== undefined) this.#report({ pack, digest: undefined, message });
    });
  }

  #report(fault: PackFault): void {
    this.#faults.push(fault);
    const { pack, digest, message } = fault;
    if (digest !== undefined) this.damaged.mark(digest, message);
    else
      for (const needed of this.#parts.source.packs.get(pack)?.keys() ?? [])
        this.damaged.mark(needed, `pack ${pack}, which holds it: ${message}`);
  }

  /** Every byte of one pack, in a file that is removed again. */
  async readPack(pack: Digest, rows: ReadonlyMap<Digest, RemoteRow>): Promise<void> {
    throwIfCanceled(this.#call);
    const { store, records } = this.#parts;
    if ((await records.faultOf(pack)) !== undefined) return;
    await using downloads = records.downloads();
    const { path } = await downloads.takeWhole(pack);
    const task = { signal: this.#call.signal };
    let contents: PackContents;
    try {
      contents = await store.pool.run("contents", { pack: path }, task);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#report({ pack, digest: undefined, message: error.message });
      return;
    }
    const inside = new Map(contents.rows.map((row) => [row.digest, row]));
    for (const { digest, offset, storedBytes } of rows.values()) {
      const row = inside.get(digest);
      if (row?.offset !== offset || row.storedBytes !== storedBytes)
        this.#report({ pack, digest, message: "it is not where the index of the pack says" });
    }
    using _ = store.objects.readers.enter();
    const verify = async (isAlone: boolean) => {
      const parents = await records.parentsIn({ path, rows: contents.rows }, { downloads, isAlone });
      return store.pool.run("verifyPack", { pack: path, parents }, task);
    };
    let problems = await verify(false);
    // What a record is a difference to may be damaged in the store and be whole there.
    if (problems.some(({ digest }) => digest !== undefined && inside.get(digest)?.parents !== undefined))
      problems = await verify(true);
    for (const { digest, offset, message } of problems)
      this.#report({ pack, digest, message: `at offset ${offset}: ${message}` });
  }

  /** The chunks of a blob must give the blob's own digest: nothing else checks the list as a whole. */
  async hashBlobs(): Promise<void> {
    const { source } = this.#parts;
    for (const [blob, list] of source.lists) {
      throwIfCanceled(this.#call);
      const { chunks } = await source.chunklist(blob, list).catch(orNone);
      const digests = chunks.map(({ digest }) => digest);
      const isDamaged = [list, ...digests].some((digest) => this.damaged.whyOf(digest) !== undefined);
      if (!isDamaged && chunks.length > 0) await this.#hashBlob(blob, list, digests);
    }
    if (this.#options.full === "files") await this.#readSingles();
  }

  async #hashBlob(blob: Digest, list: Digest, chunks: readonly Digest[]): Promise<void> {
    if (this.#options.full === "packs" && (await this.#isHere(blob, list))) return;
    const report = (message: string): void =>
      this.damaged.report(blob, { message, records: [list], needer: () => "" });
    try {
      const found = await this.#parts.records.hash(chunks);
      if (found !== blob) report(`its chunks give ${found}`);
    } catch (error) {
      if (!isDamage(error)) throw error;
      report(error.message);
    }
  }

  /** True when the store has the same list of the same chunks, and they give the blob. */
  async #isHere(blob: Digest, list: Digest): Promise<boolean> {
    const { store } = this.#parts;
    if ((await store.index.findChunklist(blob))?.digest !== list) return false;
    try {
      using _ = store.objects.readers.enter();
      const { pieces } = await store.objects.blob(blob);
      return (await store.pool.run("hashPieces", { pieces }, { signal: this.#call.signal })) === blob;
    } catch (error) {
      if (isDamage(error)) return false;
      throw error;
    }
  }

  /** Files of one chunk. */
  async #readSingles(): Promise<void> {
    const { source, records } = this.#parts;
    const rows = [...source.singles.values()].filter(
      ({ digest }) => this.damaged.whyOf(digest) === undefined,
    );
    for (let from = 0; from < rows.length; from += SINGLES_MAX) {
      throwIfCanceled(this.#call);
      const part = rows.slice(from, from + SINGLES_MAX);
      for (const [index, raw] of (await records.read(part)).entries()) {
        const row = part[index];
        if (raw instanceof Uint8Array || row === undefined) continue;
        this.#report({ pack: row.pack, digest: row.digest, message: raw.message });
      }
    }
  }

  /** Packs and their records first, then what lacks something. */
  problems(): RemoteProblem[] {
    const objects = this.damaged.objects();
    const told = new Set<Digest | undefined>(this.#faults.map(({ digest }) => digest));
    return [
      ...this.#faults.map(({ digest, pack, message }) => {
        const rows = this.#parts.source.packs.get(pack);
        const isHit = (record: Digest): boolean =>
          digest === undefined ? rows?.has(record) === true : record === digest;
        const affects = new Set<string>();
        for (const { records, needers } of objects)
          if (affects.size < AFFECTED_MAX && records.some(isHit))
            for (const needer of needers) if (needer !== "") affects.add(needer);
        return { digest: digest ?? null, pack, message, affects: [...affects].slice(0, AFFECTED_MAX) };
      }),
      ...objects
        .filter(({ digest }) => !told.has(digest))
        .map(({ digest, message, needers }) => ({
          digest,
          pack: null,
          message,
          affects: needers.filter((needer) => needer !== ""),
        })),
    ];
  }
}

/** A list that cannot be read was reported by the walk. */
function orNone(error: unknown): { chunks: [] } {
  if (isDamage(error)) return { chunks: [] };
  throw error;
}
