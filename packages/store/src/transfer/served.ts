/** A repository of this store as a remote of others: what a server gives to those who ask over the network. */
import { type Call, throwIfCanceled } from "../call.ts";
import { isSmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { assertRepositoryName } from "../objects/names.ts";
import type { OwnedStore } from "../open-store.ts";
import { PROTECTED_PREFIX, type RefChange, type RefReason } from "../refs/refs.ts";
import { show } from "../show.ts";
import type { ByteRange } from "../store.ts";
import { counted } from "./blocks.ts";
import { hideFolder } from "./hide-folder.ts";
import { assertIncoming, type IncomingPack } from "./incoming-body.ts";
import { packGone, readPieces } from "./pack-pieces.ts";
import type { PushRules } from "./push-rules.ts";
import type { Quarantine } from "./quarantine.ts";
import { assertClient, openQuarantine } from "./quarantines.ts";
import type { PackFile, Remote, RemoteRef, RemoteRow } from "./remote.ts";
import { locateHere, readPackHere, statPackHere } from "./served-packs.ts";
import { takePush } from "./take-push.ts";

const BATCH = 4096;
/** Where this store keeps what it has seen of others, where its worktrees are, and what its owner protects. */
const OWN_REFS = ["refs/remotes/", "refs/worktrees/", PROTECTED_PREFIX];

export interface ServedOptions {
  readonly store: OwnedStore;
  readonly repository: string;
  /** Id of who asks, `[0-9a-f]{16,64}`: what it has put and no ref needs yet is found by nobody else. */
  readonly client: string;
  /** For the reflog, `Name <name@example.org>`. */
  readonly actor: string;
  readonly rules: PushRules;
}

/**
 * Everything that it throws can be told to whoever asks: nothing in it says where the store is. Disposing does nothing;
 * what was put stays for 7 days, also when the process ends.
 */
export class ServedRepository implements Remote {
  readonly url: string;
  readonly verifiesPacks = true;
  readonly #options: ServedOptions;

  /** Throws REPOSITORY_NAME_INVALID, ARGUMENT_INVALID. */
  constructor(options: ServedOptions) {
    assertRepositoryName(options.repository);
    assertClient(options.client);
    this.#options = options;
    this.url = `the repository '${show(options.repository)}' there`;
  }

  /** None when the repository does not exist. */
  refs(call: Call): Promise<readonly RemoteRef[]> {
    const { store, repository } = this.#options;
    return this.#guarded(call, async () => {
      const refs = await store.refs.list(repository);
      return refs.filter(({ name }) => !OWN_REFS.some((prefix) => name.startsWith(prefix)));
    });
  }

  missing(digests: readonly Digest[], call: Call): Promise<Uint8Array> {
    const { store } = this.#options;
    return this.#guarded(call, async () => {
      const quarantine = await this.#quarantine();
      const isMissing = Uint8Array.from(digests, (digest) => (quarantine.row(digest) === undefined ? 1 : 0));
      const asked = [...digests.keys()].filter((index) => isMissing[index] === 1);
      for (let from = 0; from < asked.length; from += BATCH) {
        throwIfCanceled(call);
        const part = asked.slice(from, from + BATCH);
        const names = part.map((index) => digests[index] as Digest);
        store.pins.add(names);
        for (const [at, place] of (await store.index.findMany(names)).entries())
          if (place !== undefined) isMissing[part[at] as number] = 0;
      }
      return isMissing;
    });
  }

  locate(digests: readonly Digest[], call: Call): Promise<readonly RemoteRow[]> {
    return this.#guarded(call, async () => {
      const rows = await locateHere(this.#options.store, digests, call);
      const quarantine = await this.#quarantine();
      for (const digest of digests) {
        const row = quarantine.row(digest) ?? quarantine.list(digest);
        if (row !== undefined && !rows.has(row.digest)) rows.set(row.digest, row);
      }
      return [...rows.values()];
    });
  }

  /** Throws REMOTE_INCOMPLETE for a pack that is not there, or no longer. */
  async packBytes(pack: Digest, call: Call): Promise<number> {
    const sizeBytes = await this.statPack(pack, call);
    if (sizeBytes === undefined) throw packGone(pack);
    return sizeBytes;
  }

  statPack(pack: Digest, call: Call): Promise<number | undefined> {
    return this.#guarded(call, async () => {
      const sizeBytes = await statPackHere(this.#options.store, pack);
      return sizeBytes ?? (await this.#quarantine()).pack(pack)?.sizeBytes;
    });
  }

  /** Throws REMOTE_INCOMPLETE for a pack that is not there, or no longer. */
  async *readPack(pack: Digest, range: ByteRange, call: Call): AsyncIterable<Uint8Array> {
    const { store } = this.#options;
    try {
      const quarantine = await this.#quarantine();
      const isWaiting = !store.index.hasPack(pack) && quarantine.pack(pack) !== undefined;
      yield* isWaiting ? quarantine.readPack(pack, range, call) : readPackHere(store, { pack, range }, call);
    } catch (error) {
      throw hideFolder(error, store.path);
    }
  }

  async putPack({ path, name, sizeBytes, onSent = () => undefined }: PackFile, call: Call): Promise<void> {
    const body = counted(readPieces(path, { pack: name, range: { from: 0, to: sizeBytes } }, call), onSent);
    await this.receivePack({ name, sizeBytes, body }, call);
  }

  /**
   * Takes a pack into quarantine; durable when it returns true. False when it is there already: the body was not read
   * then. Throws OBJECT_INVALID for a body that is not that pack, or has a record that is not what its digest says, and
   * QUOTA_EXCEEDED; nothing of it is kept then.
   */
  receivePack(pack: IncomingPack, call: Call): Promise<boolean> {
    const { store, rules } = this.#options;
    return this.#guarded(call, async () => {
      store.assertWritable();
      assertIncoming(pack);
      if (store.index.hasPack(pack.name)) return false;
      return (await this.#quarantine()).put(pack, rules, call);
    });
  }

  /**
   * Moves refs, all or none, after every record that they need was verified and found. Makes the repository when it
   * does not exist. Throws REF_CHANGED, PUSH_FORBIDDEN, REMOTE_INCOMPLETE, OBJECT_CORRUPT, and what `RefStore.update`
   * throws.
   */
  update(changes: readonly RefChange[], reason: RefReason, call: Call): Promise<void> {
    const { store } = this.#options;
    return this.#guarded(call, async () => {
      store.assertWritable();
      const quarantine = await this.#quarantine();
      // Gc waits for it: until the refs name them, only this command knows of the records.
      using _ = store.calls.enter();
      const push = { ...this.#options, quarantine, changes, reason };
      await quarantine.inTurn(() => takePush(push, call), call);
      await removeStored(quarantine, call);
    });
  }

  #quarantine(): Promise<Quarantine> {
    return openQuarantine(this.#options.store, this.#options.client);
  }

  async #guarded<T>(call: Call, work: () => Promise<T>): Promise<T> {
    try {
      throwIfCanceled(call);
      return await work();
    } catch (error) {
      throw hideFolder(error, this.#options.store.path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The refs have moved: what cannot be removed now is left to the sweep, and nobody is told that the push failed. */
async function removeStored(quarantine: Quarantine, call: Call): Promise<void> {
  try {
    await quarantine.inTurn(() => quarantine.removeStored(call), call);
  } catch (error) {
    if (!isSmcError(error)) throw error;
  }
}
