/**
 * Another place that holds a repository: one interface for every kind. The store decides what to send and what to take,
 * and verifies what arrives; a remote only moves bytes and refs.
 */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { CHUNK_BYTES_MAX, OBJECT_BYTES_MAX } from "../objects/objects.ts";
import { PARENTS_MAX } from "../pack/delta.ts";
import { HEADER_BYTES, type RecordRow } from "../pack/format.ts";
import type { RefChange, RefReason } from "../refs/refs.ts";
import type { ByteRange } from "../store.ts";

/** A record that the remote has, and where. */
export interface RemoteRow extends RecordRow {
  readonly pack: Digest;
  /** Of a chunklist: the blob it describes. */
  readonly blob?: Digest;
}

/** A ref as the remote gives it: whoever takes it over checks the name. */
export interface RemoteRef {
  readonly name: string;
  readonly digest: Digest;
}

/** A pack in a file of ours. */
export interface PackFile {
  readonly path: string;
  readonly name: Digest;
  readonly sizeBytes: number;
  readonly rows: readonly RemoteRow[];
  /** Hears how many of its bytes have gone; fewer than before when they are sent anew. */
  readonly onSent?: (bytes: number) => void;
}

/**
 * Every call fails within a bounded time, with REMOTE_UNREACHABLE, REMOTE_FAILED or AUTH_FAILED and the phase and
 * object it was at, and may be made again.
 */
export interface Remote extends AsyncDisposable {
  /** For people; without credentials. */
  readonly url: string;
  /** It compares each record with its digest before a ref needs it. Where it does not, who sends a pack does. */
  readonly verifiesPacks: boolean;
  /** Why nothing can be pushed there, whoever asks; undefined where pushes are taken. */
  readonly readOnly?: string;
  /** Its records are content as it is: who stores one chooses its form. */
  readonly isPlain?: boolean;
  /** All refs of the repository there, of one moment, in the byte order of their names. */
  refs(call: Call): Promise<readonly RemoteRef[]>;
  /** One byte a digest: 1 = the remote has no such record (a chunk, chunklist, tree, commit or tag). */
  missing(digests: readonly Digest[], call: Call): Promise<Uint8Array>;
  /** Stores a pack; durable, and its bytes compared, when it returns. What is there already is not sent. */
  putPack(pack: PackFile, call: Call): Promise<void>;
  /**
   * Moves refs after everything that they need was put: all or none. Throws REF_CHANGED when a `from` is not what is
   * there.
   */
  update(changes: readonly RefChange[], reason: RefReason, call: Call): Promise<void>;
  /**
   * Where these records are; a blob of several chunks is asked for by its own digest and answered with its chunklist.
   * What the remote does not have is left out; records that the caller is likely to ask for next may come along.
   */
  locate(digests: readonly Digest[], call: Call): Promise<readonly RemoteRow[]>;
  /** Size in bytes of a pack that `locate` named. */
  packBytes(pack: Digest, call: Call): Promise<number>;
  /** Size in bytes of a pack as it lies there now; undefined when it is gone. */
  statPack(pack: Digest, call: Call): Promise<number | undefined>;
  /**
   * Bytes of a pack as they are there; the caller verifies them. Throws REMOTE_FAILED when there are fewer than asked
   * for.
   */
  readPack(pack: Digest, range: ByteRange, call: Call): AsyncIterable<Uint8Array>;
  /**
   * Gives a whole pack away: its file lies at `path`, durable, and is no longer here. False when it cannot, then it is
   * read. Only for who holds packs on the file system of the store.
   */
  movePack?(pack: Digest, path: string, call: Call): Promise<boolean>;
  /** Hears that what it was asked for could not be taken over, and why: the same may be asked for again soon. */
  failed?(error: unknown): void;
  /** Begins to take away what nothing needs. Only where nobody else cleans up: a server does that itself. */
  beginSweep?(options: { readonly spanMs: number }, call: Call): Promise<RemoteSweep>;
}

/** A look at a remote, after which packs may be taken away if nothing moved meanwhile. */
export interface RemoteSweep {
  readonly refs: readonly RemoteRef[];
  /** What refs named within the span, and no ref names now. */
  readonly past: readonly RemoteRef[];
  /** Throws REF_CHANGED when refs were moved since; nothing was taken away then. */
  finish(options: SweepOptions, call: Call): Promise<SweptPacks>;
}

export interface SweepOptions {
  /** Packs of which at least one record is needed. */
  readonly needed: ReadonlySet<Digest>;
  /** What was put within it stays: somebody may be pushing. */
  readonly graceMs: number;
  readonly dryRun: boolean;
  readonly reason: RefReason;
}

export interface SweptPacks {
  readonly kept: number;
  readonly dropped: number;
  /** Not needed, and kept for now. */
  readonly postponed: number;
  /** Of those that went. */
  readonly bytes: number;
  /** Uploads in parts that nobody finished, and that were taken back. */
  readonly uploads: number;
}

/** Where packs that are to be stored come from. */
export interface PackSource extends Pick<
  Remote,
  "url" | "isPlain" | "locate" | "packBytes" | "statPack" | "readPack" | "movePack"
> {
  /** All rows of a pack, for who can give it away whole. */
  rowsOf?(pack: Digest): readonly RemoteRow[];
  /** True when every record of a pack that was given away was compared with its SHA-256 here. */
  isVerified?(pack: Digest): boolean;
}

/** Throws PUSH_FORBIDDEN for a remote that can only be read: before anything is done for a push. */
export function assertTakesPushes({ url, readOnly }: Pick<Remote, "url" | "readOnly">): void {
  if (readOnly === undefined) return;
  throw new SmcError("PUSH_FORBIDDEN", `${url} can only be read: ${readOnly}; nothing was changed there`, {
    hint: 'write a new file with "smc bundle create FILE" and put it there, or push to another remote',
  });
}

/** Throws REMOTE_FAILED unless what a remote says of a record is within the limits of packs. */
export function assertRemoteRow({
  digest,
  kind,
  offset,
  storedBytes,
  rawBytes,
  parents = [],
}: RemoteRow): void {
  const limit = kind === "chunk" ? CHUNK_BYTES_MAX : OBJECT_BYTES_MAX;
  const sizes = [offset, storedBytes, rawBytes].every((size) => Number.isSafeInteger(size) && size >= 0);
  if (
    sizes &&
    offset >= HEADER_BYTES &&
    rawBytes <= limit &&
    storedBytes <= rawBytes + 64 &&
    parents.length <= PARENTS_MAX
  )
    return;
  throw new SmcError("REMOTE_FAILED", `what the remote says of ${digest} cannot be true`);
}
