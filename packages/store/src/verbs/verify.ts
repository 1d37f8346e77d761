/** Proves that every byte of one version is there and is what its digest says: in the store, or at a remote. */
import type { Call } from "../call.ts";
import { isDamage, SmcError } from "../errors.ts";
import { resolveRevision, resolveTree } from "../history/revision.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";
import { checkRemote } from "../transfer/remote-check.ts";
import type { Remote } from "../transfer/remote.ts";
import { type FlatEntry, flattenTree } from "../trees/tree-read.ts";

/** More files than this are refused before any is read. */
const FILES_MAX = 1_000_000;

export interface VerifyOptions {
  /** A commit, tag or tree, or a folder `REV:path` of one. */
  readonly revision: string;
  /** Where the bytes must be; the store when left out. */
  readonly remote?: Remote;
  readonly remoteName?: string;
  /** With a remote: downloads all of it and hashes it, rather than ask whether it is there. */
  readonly full?: boolean;
}

export interface VerifiedFile {
  readonly path: string;
  /** SHA-256 of its bytes. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Null when the file is whole, else what is wrong with it. */
  readonly problem: string | null;
}

export interface VerifyResult {
  readonly ok: boolean;
  /** The commit, tag or tree that the revision names. */
  readonly digest: Digest;
  readonly tree: Digest;
  /** Null for the store. */
  readonly remote: { readonly name: string; readonly url: string } | null;
  /** Whether every byte was read and hashed, or only looked for. */
  readonly full: boolean;
  /** In the order of the paths. */
  readonly files: readonly VerifiedFile[];
  /** Of the files that are whole, each as often as it occurs. */
  readonly bytes: number;
  /** What is wrong with anything but a file: folders, the commit, packs of the remote. */
  readonly problems: readonly string[];
}

/**
 * Changes nothing. Throws LIMIT_EXCEEDED (over 1,000,000 files), REVISION_INVALID for a file, and as resolveRevision.
 */
export async function verify(
  repository: OwnedRepository,
  options: VerifyOptions,
  call: Call,
): Promise<VerifyResult> {
  const { store } = repository;
  const { remote, remoteName = "" } = options;
  if (options.full === true && remote === undefined)
    throw new SmcError("ARGUMENT_INVALID", "full goes with a remote: here every byte is read anyway");
  const { digest } = await resolveRevision(repository, options.revision, call);
  const tree = await resolveTree(repository, options.revision, call);
  const entries = await flattenTree(store.objects, tree, call);
  if (entries.size > FILES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `'${show(options.revision, 80)}' has more than ${FILES_MAX} files`);
  const wanted = new Set([...entries.values()].map((entry) => entry.digest));
  const full = remote === undefined || options.full === true;
  const found =
    remote === undefined
      ? { faults: await hashAll(repository, wanted, call), problems: [] }
      : await checkThere(repository, { remote, digest, tree, wanted, full }, call);
  const files = [...entries].map(([path, entry]) => fileOf(path, entry, found.faults));
  const whole = files.filter(({ problem }) => problem === null);
  return {
    ok: whole.length === files.length && found.problems.length === 0,
    digest,
    tree,
    remote: remote === undefined ? null : { name: remoteName, url: remote.url },
    full,
    files,
    bytes: whole.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    problems: found.problems,
  };
}

function fileOf(path: string, { digest, sizeBytes }: FlatEntry, faults: Faults): VerifiedFile {
  return { path, digest, sizeBytes, problem: faults.get(digest) ?? null };
}

/** Blob → what is wrong with it. */
type Faults = ReadonlyMap<Digest, string>;

/** SHA-256 of every blob's bytes, computed from what the packs hold. */
async function hashAll({ store }: OwnedRepository, wanted: ReadonlySet<Digest>, call: Call): Promise<Faults> {
  store.pins.add(wanted);
  const faults = new Map<Digest, string>();
  let done = 0;
  const onProgress = (bytes: number): void => {
    done += bytes;
    call.onProgress({ phase: "verify", done, unit: "bytes" });
  };
  await inLanes([...wanted], store.pool.size, async (blob) => {
    using _ = store.objects.readers.enter();
    try {
      const { pieces } = await store.objects.blob(blob);
      const found = await store.pool.run("hashPieces", { pieces }, { signal: call.signal, onProgress });
      if (found !== blob) faults.set(blob, `its chunks give ${found}`);
    } catch (error) {
      // A version that gave up its files does not have them any more.
      const isGone = error instanceof SmcError && error.code === "OBJECT_NOT_FOUND";
      if (!isGone && !isDamage(error)) throw error;
      faults.set(blob, error.message);
    }
  });
  return faults;
}

interface There {
  readonly remote: Remote;
  readonly digest: Digest;
  readonly tree: Digest;
  readonly wanted: ReadonlySet<Digest>;
  readonly full: boolean;
}

async function checkThere(
  { store }: OwnedRepository,
  { remote, digest, tree, wanted, full }: There,
  call: Call,
): Promise<{ faults: Faults; problems: string[] }> {
  const roots = [{ digest: tree, kind: "tree" as const, root: "" }];
  const options = { roots, pruned: new Set<Digest>(), full: full ? ("files" as const) : undefined };
  const { damaged, problems: found } = await checkRemote({ store, remote }, options, call);
  const faults = new Map<Digest, string>();
  for (const object of damaged.objects())
    if (wanted.has(object.digest)) faults.set(object.digest, object.message);
  for (const blob of wanted) {
    const why = damaged.whyOf(blob);
    if (why !== undefined && !faults.has(blob)) faults.set(blob, why);
  }
  const problems = found
    .filter((problem) => problem.digest === null || !faults.has(problem.digest))
    .map(({ pack, message }) => (pack === null ? message : `pack ${pack}: ${message}`));
  const [isMissing] = await remote.missing([digest], call);
  if (isMissing === 1) problems.push(`${remote.url} does not have ${digest}`);
  return { faults, problems };
}
