/**
 * A remote behind a link: one file that `smc bundle create` made. It can only be read. What it is is seen from its
 * first bytes; the rest is downloaded when somebody wants what is in it.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ByteRange, Call, Digest, OwnedStore, Remote, RemoteRef, RemoteRow } from "@smc/store";
import { assertTakesPushes, parseRefName, PRUNED_PREFIX } from "@smc/store";
import { isDamage, isSmcError, SmcError } from "@smc/store/errors";
import { throwIfStopped } from "../remotes/stopped.ts";
import { type BroughtBundle, bringBundle, readBundleRoot } from "./link-file.ts";
import type { LinkWay } from "./link-way.ts";

type Root = Awaited<ReturnType<typeof readBundleRoot>>;

export class LinkRemote implements Remote {
  readonly verifiesPacks = false;
  readonly isPlain = true;
  readonly readOnly = "it is one file behind a link";
  readonly #way: LinkWay;
  /** Where files of this link are, without their ends. */
  readonly #path: string;
  #root: Promise<Root> | undefined;
  #brought: Promise<BroughtBundle> | undefined;
  #isClosed = false;
  /** Of whom this remote works for. */
  #signal: AbortSignal | undefined;
  /** What was downloaded is good, and still wanted. */
  #isWantedAgain = false;

  constructor(way: LinkWay, store: Pick<OwnedStore, "path">) {
    this.#way = way;
    const name = createHash("sha256").update(way.link.url).digest("hex").slice(0, 32);
    this.#path = join(store.path, "cache", "links", name);
  }

  get url(): string {
    return this.#way.link.url;
  }

  /** Asks once: for as long as this remote is open it is the bundle that was there then. */
  #readRoot(call: Call): Promise<Root> {
    throwIfStopped(call);
    this.#signal = call.signal;
    this.#root ??= readBundleRoot(this.#way, this.#path, call).catch((error: unknown) => {
      this.#root = undefined;
      throw error;
    });
    return this.#root;
  }

  async #bring(call: Call): Promise<BroughtBundle> {
    const root = await this.#readRoot(call);
    // Nobody would end it, and the next one of this link would wait for ever.
    if (this.#isClosed) throw new SmcError("INTERNAL", "a link is used after it was closed");
    this.#brought ??= bringBundle(this.#way, { path: this.#path, root: root.digest }, call).catch(
      (error: unknown) => {
        this.#brought = undefined;
        throw error;
      },
    );
    return this.#brought;
  }

  async refs(call: Call): Promise<readonly RemoteRef[]> {
    const { bundle } = await this.#readRoot(call);
    const pruned = bundle.pruned.map((digest) => ({ name: parseRefName(PRUNED_PREFIX + digest), digest }));
    return [...bundle.refs, ...pruned].sort((a, b) =>
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
    );
  }

  async missing(digests: readonly Digest[], call: Call): Promise<Uint8Array> {
    const { packs } = await this.#bring(call);
    return Uint8Array.from(digests, (digest) => (packs.find(digest) === undefined ? 1 : 0));
  }

  /** With a tree, commit, tag or list comes everything of that kind in its pack. */
  async locate(digests: readonly Digest[], call: Call): Promise<readonly RemoteRow[]> {
    const { packs } = await this.#bring(call);
    const rows = new Map<Digest, RemoteRow>();
    const beside = new Set<Digest>();
    for (const digest of digests) {
      const row = packs.find(digest);
      if (row === undefined) continue;
      rows.set(row.digest, row);
      if (row.kind !== "chunk") beside.add(row.pack);
    }
    for (const pack of beside)
      for (const row of packs.pack(pack)?.rows ?? []) if (row.kind !== "chunk") rows.set(row.digest, row);
    return [...rows.values()];
  }

  async statPack(pack: Digest, call: Call): Promise<number | undefined> {
    return (await this.#bring(call)).packs.pack(pack)?.sizeBytes;
  }

  async packBytes(pack: Digest, call: Call): Promise<number> {
    const sizeBytes = await this.statPack(pack, call);
    if (sizeBytes === undefined) throw this.#lacks(pack);
    return sizeBytes;
  }

  async *readPack(pack: Digest, range: ByteRange, call: Call): AsyncIterable<Uint8Array> {
    const { packs } = await this.#bring(call);
    if (packs.pack(pack) === undefined) throw this.#lacks(pack);
    yield* packs.readPack(pack, range, call);
  }

  #lacks(pack: Digest): SmcError {
    return new SmcError("REMOTE_INCOMPLETE", `${this.url} lacks pack ${pack}; no ref was moved`, {
      details: { pack },
    });
  }

  /** Throws PUSH_FORBIDDEN. */
  async putPack(): Promise<void> {
    assertTakesPushes(this);
  }

  /** Throws PUSH_FORBIDDEN. */
  async update(): Promise<void> {
    assertTakesPushes(this);
  }

  failed(error: unknown): void {
    this.#isWantedAgain = !isDamage(error);
  }

  /** What was downloaded is in the store by now; for who was stopped or failed it stays, to go on with. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const brought = await this.#brought?.catch((error: unknown) => {
      if (isSmcError(error)) return undefined;
      throw error;
    });
    await brought?.end({ keep: this.#isWantedAgain || this.#signal?.aborted === true });
  }
}
