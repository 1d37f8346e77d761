/**
 * A folder or an object store, as far as a remote needs it: objects that never change once they are there.
 * Everything is built on `create`, which only one of several writers can win.
 */
import type { Call } from "@smc/store";

/**
 * What an object is made of: bytes, with their SHA-256 when it is known, or a file of ours with its SHA-256; `onSent`
 * hears how many bytes of it have gone, fewer than before when they are sent anew.
 */
export type BucketBody =
  | { readonly bytes: Uint8Array; readonly sha256?: string }
  | {
      readonly path: string;
      readonly sizeBytes: number;
      readonly sha256: string;
      readonly onSent?: ((bytes: number) => void) | undefined;
    };

export interface BucketEntry {
  readonly key: string;
  readonly sizeBytes: number;
  /** By the clock of the bucket. */
  readonly modifiedMs: number;
}

/** Which uploads in parts are to be taken back. */
export interface StaleUploads {
  /** By the clock of the bucket: what was begun before. */
  readonly beforeMs: number;
  readonly isOurs: (key: string) => boolean;
  /** Counts, and takes nothing back. */
  readonly dryRun: boolean;
}

/** What the server was seen to do, not what it says. */
export interface BucketAbilities {
  /** `create` never replaces what another writer created at the same time. */
  readonly exclusive: boolean;
  /** The receiver refuses bytes that are not those of the SHA-256 that came with them. */
  readonly checksums: boolean;
}

/**
 * Keys are parts of `[A-Za-z0-9._-]` that do not begin with a dot, joined by `/`; no key is another one
 * followed by `/…`. Every call ends within a bounded time or throws REMOTE_UNREACHABLE, REMOTE_FAILED,
 * AUTH_FAILED naming phase and key; a short trouble (reset, 503, 429) is waited out with jitter, a bounded
 * number of times.
 */
export interface Bucket extends AsyncDisposable {
  /** For people; without credentials. */
  readonly url: string;
  /**
   * Creates an object, whole and durable when it returns true; false when there is one by that name, which
   * stays as it is and is durable too. The receiver compares the bytes with their SHA-256 where it can;
   * REMOTE_FAILED when they differ. After an answer was lost, an object of the same bytes counts as this one:
   * what tells writers apart must be in the bytes.
   */
  create(key: string, body: BucketBody, call: Call): Promise<boolean>;
  /** Undefined when absent. */
  stat(key: string, call: Call): Promise<BucketEntry | undefined>;
  /**
   * All bytes, or those from `from` to before `to`. Throws REMOTE_NOT_FOUND when absent, REMOTE_FAILED when
   * fewer come than there are or were asked for. An empty range asks nobody.
   */
  read(key: string, call: Call, range?: { from: number; to: number }): AsyncIterable<Uint8Array>;
  /**
   * Keys that begin with `prefix` and come behind `after`, in the byte order of the keys, page by page;
   * throws REMOTE_FAILED for a list that does not go on.
   */
  list(prefix: string, call: Call, options?: { after?: string }): AsyncIterable<BucketEntry>;
  /** Absent is fine. */
  remove(key: string, call: Call): Promise<void>;
  /** Takes back uploads that nobody finished; returns how many. Absent where there are none. */
  dropUploads?(stale: StaleUploads, call: Call): Promise<number>;
  /** Tries with an object of its own, which it removes again. */
  probe(call: Call): Promise<BucketAbilities>;
}
