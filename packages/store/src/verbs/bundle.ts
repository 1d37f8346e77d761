/** `smc bundle`: refs and all that they need as one file, and back. */
import { resolve } from "node:path";
import { checkBlobs, checkClosure, countBlocks, type BundleCounts, readBundle } from "../bundle/check.ts";
import { BundleFile } from "../bundle/file.ts";
import { type Bundle, type BundleRef, RECORDS_MAX } from "../bundle/format.ts";
import { importRecords } from "../bundle/import.ts";
import { writeBundle } from "../bundle/write.ts";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { SmcError } from "../errors.ts";
import { resolveCommit } from "../history/revision.ts";
import { DigestSet } from "../objects/digest-set.ts";
import type { Digest } from "../objects/digest.ts";
import { parseRefName, type RefName } from "../objects/names.ts";
import type { OwnedStore } from "../open-store.ts";
import { notFound, suggestRefs, tryRefName } from "../refs/ref-find.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";
import type { OwnedRepository, Repository } from "../repository.ts";
import { show } from "../show.ts";
import { chooseRefs, followRefs } from "../transfer/follow.ts";
import { collectNeeded, type Receiver } from "../transfer/needed.ts";
import { readHead } from "../worktree/head.ts";
import type { FetchResult } from "./fetch.ts";

export type BundleFormat = "carv1" | "carv2";

export interface BundleOptions {
  readonly action: "create" | "verify" | "list" | "import";
  /** Absolute, or as seen from where the user stands. */
  readonly file: string;
  /** Branches and tags: the current branch when none is given to `create`, all when none is given to `import`. */
  readonly refs?: readonly string[];
  /** All branches and tags. */
  readonly all?: boolean;
  /** What these reach is left out: the receiver has it. */
  readonly since?: readonly string[];
  /** Replaces a file that is there. */
  readonly force?: boolean;
  /** What `create` writes: "carv1" when left out; "carv2" is that with an index behind it. */
  readonly format?: BundleFormat;
  /** Branches are imported below `refs/remotes/<name>/`; "bundle" when left out. */
  readonly name?: string;
}

export interface BundleResult {
  readonly action: BundleOptions["action"];
  /** Absolute path. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly format: BundleFormat;
  /** Of the repository that it was made of. */
  readonly repository: string;
  readonly createdMs: number;
  readonly refs: readonly BundleRef[];
  /** Commits that the receiver must have. */
  readonly since: readonly Digest[];
  readonly records: number;
  /** Null for `create` and `list`. */
  readonly checked: CheckedBundle | null;
  /** Null but for `import`. */
  readonly imported: FetchResult | null;
}

export interface CheckedBundle extends BundleCounts {
  /** Different ones that are in it. */
  readonly files: number;
  /** Of those, how many build on chunks that only the receiver has: `import` computes their SHA-256. */
  readonly partialFiles: number;
}

/** Where the user stands. */
export interface BundlePlace {
  readonly store: OwnedStore;
  readonly folder: string;
  /** Only for `create` and `import`. */
  readonly openRepository: () => Promise<Repository>;
}

/**
 * Throws WOULD_OVERWRITE, FILE_MALFORMED for what is no bundle, OBJECT_CORRUPT for a damaged one, REMOTE_INCOMPLETE for
 * one that builds on what this store does not have: no file was left and no ref moved then.
 */
export async function bundle(place: BundlePlace, options: BundleOptions, call: Call): Promise<BundleResult> {
  if (options.file.includes("\0"))
    throw new SmcError("PATH_INVALID", `'${show(options.file, 80)}' holds a NUL character`);
  const path = resolve(place.folder, options.file);
  if (options.action === "create") return create(await open(place), { ...options, path }, call);
  await using file = await BundleFile.open(path);
  if (options.action === "import") return await bring(await open(place), { ...options, file }, call);
  if (options.action === "list") return answer("list", file, await file.readRoot());
  const read = await readBundle(file, call);
  const { files } = await checkClosure(read, call);
  const { partialFiles } = await checkBlobs(read, call);
  return { ...answer("verify", file, read), checked: { ...countBlocks(read), files, partialFiles } };
}

async function open({ store, openRepository }: BundlePlace): Promise<OwnedRepository> {
  return { ...(await openRepository()), store };
}

function answer(
  action: BundleOptions["action"],
  { path, sizeBytes }: { path: string; sizeBytes: number },
  { bundle, version }: { bundle: Bundle; version: 1 | 2 },
): BundleResult {
  const { repository, createdMs, refs, since, records } = bundle;
  const format = version === 1 ? "carv1" : "carv2";
  const made = { format, repository, createdMs, refs, since, records } as const;
  return { action, file: path, sizeBytes, ...made, checked: null, imported: null };
}

async function create(
  repository: OwnedRepository,
  { path, force = false, format = "carv1", ...options }: BundleOptions & { path: string },
  call: Call,
): Promise<BundleResult> {
  const { store, name } = repository;
  const refs = await readRefs(repository, options);
  const since: Digest[] = [];
  for (const text of options.since ?? []) since.push(await resolveCommit(repository, text, call));
  const pruned = new Set((await store.refs.list(name, PRUNED_PREFIX)).map(({ digest }) => digest));
  const known = new DigestSet();
  // First everything that the receiver has is walked, and noted as there; then only the rest is asked for.
  const noted: Receiver = {
    missing: async (digests) => {
      for (const digest of digests) known.add(digest);
      return new Uint8Array(digests.length);
    },
  };
  const receiver: Receiver = {
    missing: async (digests) => Uint8Array.from(digests, (digest) => (known.has(digest) ? 0 : 1)),
  };
  const base = [...new Set(since)];
  await collectNeeded(store, noted, { want: base, have: [], pruned, form: "content" }, call);
  const want = [...new Set(refs.map(({ digest }) => digest))];
  const needed = await collectNeeded(store, receiver, { want, have: base, pruned, form: "content" }, call);
  const { records } = needed;
  if (records.length > RECORDS_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${RECORDS_MAX} objects; nothing was written`);
  const root = {
    repository: name,
    createdMs: nowMs(),
    refs,
    since: base,
    pruned: needed.pruned,
    records: records.length,
  };
  const version = format === "carv1" ? 1 : 2;
  const written = await writeBundle(store, { path, force, bundle: root, version, records }, call);
  return answer("create", { path, ...written }, { bundle: root, version });
}

async function readRefs(
  repository: OwnedRepository,
  { refs: names = [], all = false }: BundleOptions,
): Promise<BundleRef[]> {
  const { store, name: own } = repository;
  if (all && names.length > 0) throw new SmcError("USAGE", "name branches and tags, or use --all");
  const found = new Map<string, Digest>();
  if (all)
    for (const { name, digest } of await store.refs.list(own)) if (isShared(name)) found.set(name, digest);
  if (!all)
    for (const text of names.length === 0 ? ["HEAD"] : names) {
      const { name, digest } = await findShared(repository, text);
      found.set(name, digest);
    }
  if (found.size === 0) throw notFound("--all", "there is no branch and no tag yet; nothing was written");
  return [...found].map(([name, digest]) => ({ name, digest }));
}

function isShared(name: string): boolean {
  return /^refs\/(?:heads|tags)\//.test(name);
}

/** A branch or tag by its short or full name; HEAD is the current branch. */
async function findShared(repository: OwnedRepository, text: string): Promise<BundleRef> {
  const { store, name: own } = repository;
  const head = text === "HEAD" ? await readHead(repository) : undefined;
  if (head?.kind === "detached")
    throw new SmcError("USAGE", "HEAD is no branch: name the branches and tags to bundle");
  const candidates: readonly (RefName | undefined)[] =
    head === undefined ? [text, `refs/tags/${text}`, `refs/heads/${text}`].map(tryRefName) : [head.ref];
  for (const name of candidates) {
    if (name === undefined || !isShared(name)) continue;
    const digest = await store.refs.read(own, name);
    if (digest !== undefined) return { name, digest };
  }
  throw notFound(text, `there is no branch or tag '${show(text, 80)}'; nothing was written`, {
    candidates: await suggestRefs(repository, text),
    hint: "a bundle holds branches and tags by their names",
  });
}

/** Checked as a whole before anything of it is stored; refs last. */
async function bring(
  repository: OwnedRepository,
  {
    file,
    refs = [],
    name: remoteName = "bundle",
  }: Omit<BundleOptions, "file"> & { readonly file: BundleFile },
  call: Call,
): Promise<BundleResult> {
  const { store, name: own } = repository;
  parseRefName(`refs/remotes/${remoteName}/main`);
  store.assertWritable();
  const read = await readBundle(file, call);
  const { files } = await checkClosure(read, call);
  const hint = 'list what is there with "smc bundle list FILE"';
  const { wanted, skipped } = await chooseRefs(repository, { remoteName, refs, hint }, read.bundle.refs);
  const here = await store.refs.list(own);
  const tips = [...new Set(wanted.map(({ digest }) => digest))];
  const startedMs = performance.now();
  const { pruned, objects, bytes } = await importRecords(store, { read, tips }, call);
  const receiveMs = Math.round(performance.now() - startedMs);
  const followed = { op: "bundle", remoteName, here, wanted, lost: [], pruned };
  const imported: FetchResult = {
    remote: remoteName,
    url: file.path,
    refs: await followRefs(repository, followed, call),
    skipped,
    objects,
    receivedBytes: bytes,
    receiveMs,
    verifiedBlobs: files,
  };
  const checked = { ...countBlocks(read), files, partialFiles: 0 };
  return { ...answer("import", file, read), checked, imported };
}
