/** A repository of this store as a remote of others: what a server gives to those who ask over the network. */
import type { OwnedStore } from "../open-store.ts";
import type { Digest } from "../objects/digest.ts";

/** What a push may not do, however it comes. */
export interface PushRules {
  /** Branches that lose no commits and are not removed; `*` at the end stands for any rest. */
  readonly protectedBranches: readonly string[];
  /** Who asks may do all the same what protects branches and tags forbids. */
  readonly isAdmin: boolean;
  /** The most that the packs of the store may take, with what is in quarantine; 0 is no limit. */
  readonly quotaBytes: number;
  /** What must stay free on the disk. */
  readonly freeBytesMin: number;
}

export interface ServedOptions {
  readonly store: OwnedStore;
  readonly repository: string;
  /** Id of who asks, `[0-9a-f]{16,64}`: what it has put and no ref needs yet is found by nobody else. */
  readonly client: string;
  /** For the reflog, `Name <name@example.org>`. */
  readonly actor: string;
  readonly rules: PushRules;
}

/** A pack on its way in. */
export interface IncomingPack {
  readonly name: Digest;
  readonly sizeBytes: number;
  /** Of all its bytes, in hex. */
  readonly sha256: string;
  readonly body: AsyncIterable<Uint8Array>;
}
